"""The Pose errors tab: from the pose x pose matrix of a report to the pairs that make a cell bad. Computes no rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from demo.common import events
from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.figures import message
from demo.common.handlers import QUIET, SKIP, PerSession, bound, opening, show_when_opened
from demo.common.links import Links, Opened, cell_address, opened
from demo.common.notices import in_markdown, notices_html, warn
from demo.common.own_sets import Sets
from demo.common.plotly_view import PlotlyView
from demo.common.words import label_of, pair_names, titled
from demo.pose_errors import compute as compute_report
from demo.pose_errors import hardest as hardest_pairs
from demo.pose_errors import people
from demo.pose_errors import pose_map as error_map
from demo.pose_errors.cell_figures import AXES, det_figure, histogram_figure, rate_summary, yaw_figure
from demo.pose_errors.compute import NO_OTHER
from demo.pose_errors.hardest import NO_CELL, PAIRS_SHOWN
from demo.pose_errors.matrix_figure import difference_figure, matrix_figure
from demo.pose_errors.provenance import doubts, is_own, provenance_html
from demo.pose_errors.saved_reports import as_page, zipped
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.reporting.reading import read_differences, read_matrix
from sfpn.reporting.views import EER, METRICS, TREATMENTS, View, cell_of, difference_table, size_words, table_of
from sfpn.schema import pair_key

FIRST_CELL = ("frontal", "profile")  # opens first, where the report has it
INTRODUCTION = """<p class="quiet">Each cell compares faces of two poses; under its error rate stand the 95 % interval
(bootstrap over subjects) and the number of genuine / impostor comparisons.
<b>Click a cell</b> for its curves and hardest pairs.
<abbr title="Equal error rate: where as many strangers are accepted as same persons are rejected">EER</abbr>,
<abbr title="False match rate: the share of impostor comparisons that are accepted">FMR</abbr>,
<abbr title="False non-match rate: the share of genuine comparisons that are rejected">FNMR</abbr>:
hover for their meaning.</p>"""
NO_REPORT = (
    "No report is loaded. Make one with `python -m sfpn evaluate DIR --out REPORT` "
    "and start with `python app.py --report REPORT`."
)


@dataclass(frozen=True)
class Choice:
    """The components that say what is shown: reports, View, and the cell."""

    report: gr.Dropdown
    other: gr.Dropdown
    metric: gr.Radio
    size: gr.Radio
    treatment: gr.Radio
    pair: gr.Dropdown
    count: gr.Radio
    opened: Callable[..., Any]  # the event of the tab's first opening


class ScoreValues(NamedTuple):
    """What the choice of a cell changes around its histograms: the components, or their values."""

    title: Any
    histogram: Any
    threshold: Any
    rates: Any


def build(sets: Sets, links: Links, tab: gr.Tab) -> None:
    """Lay out and wire the tab; reports that others computed meanwhile are offered when it is opened."""
    if not sets.shared:
        gr.Markdown(NO_REPORT)
        return
    store, named = sets.bundled, sets.reports
    choice = _build_choice(sets.shared, opening(tab))
    _build_about(sets, choice, links)
    _build_matrix(named, choice, links)
    error_map.build(sets, [choice.report, choice.metric, choice.treatment], links, choice.opened)
    _build_cell(named, choice)
    cell = [choice.report, choice.pair, choice.size]
    hardest_pairs.build(sets, cell, choice.count, links, choice.opened)
    people.build(sets, cell, links, choice.opened)
    if store and (store.computes or sets.rules):
        compute_report.build(sets, store, choice.report, choice.other, links)
    choice.report.change(
        bound(offer, named), [choice.report, choice.size, choice.pair], [choice.size, choice.pair], **QUIET
    )
    links.cell.change(bound(open_cell, named), links.cell, [choice.report, choice.pair], **QUIET)
    listed = [choice.report, choice.other]
    gr.on([tab.select, links.dataset.change, links.model.change], bound(list_reports, named), listed, listed, **QUIET)


def named_reports(reports: tuple[Report, ...], store: EmbeddingStore | None) -> dict[str, Report]:
    """By title, those of the loaded dataset first."""
    return titled(own_first(reports, store))


def list_reports(named: Mapping[str, Report], name: str, other: str) -> tuple:
    """(report, other): the choices as they are now; what is chosen stays as long as it is there."""
    known = list(named)
    name = name if name in named else known[0]
    other = other if other in named else NO_OTHER
    return gr.update(choices=known, value=name), gr.update(choices=[NO_OTHER, *known], value=other)


def describe(named: Mapping[str, Report], store: EmbeddingStore | None, name: str) -> str:
    """Where a report comes from, and what speaks against trusting it here, as HTML."""
    return provenance_html(named[name]) + notices_html(doubts(named[name], store))


def _build_about(sets: Sets, choice: Choice, links: Links) -> None:
    with gr.Row(equal_height=True, elem_id="report-row"):
        about = gr.HTML(elem_id="report-about", padding=False)
        page = gr.Button("Save this report (HTML)", size="sm", elem_id="report-page", scale=0, min_width=190)
        save = gr.Button("Its numbers (ZIP)", size="sm", elem_id="report-zip", scale=0, min_width=150)
    store = sets.store if sets.bundled else None
    told = bound(describe, sets.reports, store)
    show_when_opened(choice.opened, told, [choice.report], about)
    links.dataset.change(told, choice.report, about, **QUIET)
    download(page, bound(save_page, sets.reports), [choice.report, choice.other])
    download(save, bound(report_zip, sets.reports), choice.report)


def report_zip(named: Mapping[str, Report], name: str) -> tuple[str, bytes]:
    """(file name, content) of a report to save."""
    return zipped(named[name])


def _build_choice(named: Mapping[str, Report], opened: Callable[..., Any]) -> Choice:
    first = next(iter(named.values()))
    with gr.Row():
        report = gr.Dropdown(
            list(named),
            value=next(iter(named)),
            label="Report (model · dataset · protocol)",
            elem_id="report",
            filterable=False,
            min_width=300,
        )
        other = gr.Dropdown(
            [NO_OTHER, *named],
            value=NO_OTHER,
            label="Compare with",
            elem_id="other-report",
            filterable=False,
            min_width=300,
        )
    with gr.Row():
        metric = gr.Radio(
            list(METRICS.items()), value=EER, label="Error rate", elem_id="metric", scale=4, min_width=300
        )
        size = gr.Radio(size_choices(first), value=1, label="Images per side", elem_id="template-size", scale=2)
        treatment = gr.Radio(
            list(TREATMENTS.items()),
            value="whole_image",
            label="Images in which no face was found are",
            elem_id="treatment",
            scale=4,
            min_width=300,
        )
    pair = gr.Dropdown(
        pair_choices(first),
        value=first_pair(first),
        label="Cell (pose pair)",
        elem_id="pose-pair",
        filterable=False,
        min_width=300,
        render=False,
    )
    count = gr.Radio(
        list(PAIRS_SHOWN), value=PAIRS_SHOWN[0], label="Hardest pairs of each kind", elem_id="pair-count", render=False
    )
    return Choice(report, other, metric, size, treatment, pair, count, opened)


def _build_matrix(named: PerSession, choice: Choice, links: Links) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=310):
            gr.HTML(INTRODUCTION)
            matrix = PlotlyView(height=400, elem_id="matrix")
        with gr.Column(scale=1, min_width=310):
            reading = gr.Markdown(elem_id="reading")
            yaw = PlotlyView(height=280, elem_id="yaw-difference")
    with gr.Column(visible=False) as compared:
        verdict = gr.Markdown(elem_id="difference-reading")
        difference = PlotlyView(height=300, elem_id="difference")
    shown = [choice.report, choice.other, choice.metric, choice.size, choice.treatment]
    show_when_opened(choice.opened, bound(show_matrix, named), shown, [matrix, reading, yaw])
    show_when_opened(choice.opened, bound(show_difference, named), shown, [compared, verdict, difference])
    for chart in (matrix, difference):
        chart.select(bound(pick_cell, named), choice.report, [choice.pair, links.address], **QUIET)
    choice.pair.input(bound(address_of_cell, named), [choice.report, choice.pair], links.address, **QUIET)


def _build_cell(named: PerSession, choice: Choice) -> None:
    gr.HTML('<h3 class="section-title">One cell</h3>')
    with gr.Row(equal_height=True):
        choice.pair.render()
        axes = gr.Radio(list(AXES), value=AXES[0], label="Axes of the DET curve", elem_id="det-axes")
        choice.count.render()
    title = gr.Markdown(elem_id="cell-title")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=310):
            det = PlotlyView(height=380, elem_id="det")
        with gr.Column(min_width=310):
            histogram = PlotlyView(height=300, elem_id="scores")
            threshold = gr.Slider(
                -1,
                1,
                value=0,
                step=0.001,
                label="Threshold: pairs with a score from here on are accepted",
                elem_id="cell-threshold",
            )
            rates = gr.HTML(elem_id="cell-rates")
    cell = [choice.report, choice.pair, choice.size, choice.treatment]
    show_when_opened(choice.opened, bound(show_det, named), [*cell, choice.other, axes], det)
    show_when_opened(
        choice.opened, bound(show_scores, named), cell, list(ScoreValues(title, histogram, threshold, rates))
    )
    threshold.input(
        bound(move_threshold, named), [*cell, threshold], [rates, histogram], trigger_mode="always_last", **QUIET
    )
    histogram.drag(bound(drag_threshold, named), cell, [threshold, rates, histogram], trigger_mode="multiple", **QUIET)


def save_page(named: Mapping[str, Report], name: str, other: str) -> tuple[str, bytes]:
    """(file name, HTML) of the report, and of the one that it is compared with."""
    return as_page([named[name], *([named[other]] if other in named and other != name else [])])


def own_first(reports: tuple[Report, ...], store: EmbeddingStore | None) -> tuple[Report, ...]:
    """Reports of the loaded dataset, whose pairs can be shown as pictures, before the others."""
    return tuple(sorted(reports, key=lambda report: not is_own(report, store)))


def size_choices(report: Report) -> list[tuple[str, int | str]]:
    """What a report offers for 'images per side'."""
    return [(size_words(size), size) for size in report.template_sizes()]


def pair_choices(report: Report) -> list[tuple[str, str]]:
    """The pose pairs of a report, e.g. ('F-P: frontal vs profile', 'frontal-profile')."""
    return [(f"{label_of(key)}: {pair_names(key)}", key) for key in map(pair_key, report.pose_pairs())]


def first_pair(report: Report) -> str | None:
    """The cell that opens first."""
    pairs = report.pose_pairs()
    return pair_key(FIRST_CELL if FIRST_CELL in pairs or not pairs else pairs[0])


def offer(named: Mapping[str, Report], name: str, size: int | str, key: str) -> tuple:
    """Template sizes and pose pairs of another report, keeping what was chosen where it has that."""
    report = named[name]
    pairs, sizes = pair_choices(report), size_choices(report)
    kept = key if key in [known for _, known in pairs] else first_pair(report)
    size = size if size in report.template_sizes() else 1
    return gr.update(choices=sizes, value=size), gr.update(choices=pairs, value=kept)


def show_matrix(
    named: Mapping[str, Report], name: str, other: str, metric: str, size: int | str, treatment: str
) -> tuple:
    """(matrix, its reading, EER against |yaw difference|)"""
    report, view = named[name], View(metric, size, treatment)
    series = {report.header["model"]: report.yaw_cells()}
    if other in named and other != name:
        series[f"{named[other].header['model']} (compared)"] = named[other].yaw_cells()
    return (
        matrix_figure(table_of(report, view), view.metric_title),
        read_matrix(report, view),
        yaw_figure(series, treatment),
    )


def show_difference(
    named: Mapping[str, Report], name: str, other: str, metric: str, size: int | str, treatment: str
) -> tuple:
    """(column, verdict, figure) of the paired difference of two reports."""
    if other not in named or other == name:
        return gr.update(visible=False), "", None
    first, second = named[name], named[other]
    try:
        differences = first.compare(second, metric, treatment)
    except UserError as error:
        words = f"There is no paired difference: {in_markdown(error)}."
        return gr.update(visible=True), words, message("no paired difference")
    wanted = {pair_key(pair) for pair in first.pose_pairs()}
    found = [d for d in differences if d.pose_pair in wanted and d.fold is None and d.template_size == size]
    names = first.header["model"], second.header["model"]
    figure = difference_figure(difference_table(found), *names, View(metric).metric_title)
    return gr.update(visible=True), read_differences(found, *names), figure


def pick_cell(named: Mapping[str, Report], name: str, event: gr.SelectData) -> tuple:
    """(cell, address) of the clicked place of the matrix."""
    known = {pair_key(pair) for pair in named[name].pose_pairs()}
    key = events.detail(event, "value")
    if not isinstance(key, str) or key not in known:
        return gr.skip(), gr.skip()
    return key, address_of_cell(named, name, key)


def address_of_cell(named: Mapping[str, Report], name: str, key: str) -> str:
    """The page's address of a cell."""
    return cell_address(opened((key, named[name].header["model"])))


def open_cell(named: Mapping[str, Report], cell: Opened | None) -> tuple:
    """(report, pose pair) that an address names; nothing changes for one that does not exist."""
    if cell is None:
        return gr.skip(), gr.skip()
    key, model = cell.value
    for name, report in named.items():
        if model in ("", report.header["model"]) and key in {pair_key(pair) for pair in report.pose_pairs()}:
            return gr.update(choices=list(named), value=name), gr.update(choices=pair_choices(report), value=key)
    warn(f"No report has the cell {key}" + (f" of the model {model}" if model else ""))
    return SKIP, SKIP


def show_det(
    named: Mapping[str, Report], name: str, key: str, size: int | str, treatment: str, other: str, axes: str
) -> go.Figure:
    """DET curve of the cell, and of the same cell of the compared report."""
    cells = {}
    for title in dict.fromkeys((name, other)):
        cell = cell_of(named[title], key, View(template_size=size)) if title in named else None
        if cell is not None:
            cells[title] = cell
    return det_figure(cells, treatment, axes) if cells else message(NO_CELL)


def show_scores(named: Mapping[str, Report], name: str, key: str, size: int | str, treatment: str) -> ScoreValues:
    """The scores of a cell and the rates at a threshold, which is that of the EER."""
    cell = cell_of(named[name], key, View(template_size=size))
    if cell is None or cell.tables["histogram"].empty:
        return ScoreValues(NO_CELL, message(NO_CELL), SKIP, "")
    rates, edges = cell.rates(treatment), cell.tables["histogram"]["lower_edge"].to_numpy(float)
    start = _on_grid(rates.eer_threshold if rates.eer_threshold is not None else float(np.median(edges)))
    low, high = math.floor(100 * float(edges.min())) / 100, math.ceil(100 * float(edges.max())) / 100
    slider = gr.update(minimum=low, maximum=high, value=round(start, 3))
    title = (
        f"**{label_of(key)}** ({pair_names(key)}): {cell.subjects} subjects, "
        f"{rates.genuine:,} genuine and {rates.impostor:,} impostor comparisons"
    )
    title += "" if rates.d_prime is None else f", d′ {rates.d_prime:.2f}, AUC {rates.auc:.4f}"
    return ScoreValues(title, histogram_figure(cell, start), slider, rate_summary(cell, start, treatment))


def move_threshold(
    named: Mapping[str, Report], name: str, key: str, size: int | str, treatment: str, threshold: float
) -> tuple:
    """(rates, histograms with the line moved) when the slider moves."""
    cell = cell_of(named[name], key, View(template_size=size))
    if cell is None:
        return "", gr.skip()
    return rate_summary(cell, _on_grid(threshold), treatment), gr.update(line_x=_on_grid(threshold))


def drag_threshold(
    named: Mapping[str, Report], name: str, key: str, size: int | str, treatment: str, event: gr.EventData
) -> tuple:
    """(slider, rates, histograms with the line on the grid) when the line in the histogram was dragged."""
    cell = cell_of(named[name], key, View(template_size=size))
    edges = [-1.0, 1.0] if cell is None else cell.tables["histogram"]["lower_edge"]
    threshold = _on_grid(min(max(events.number(events.detail(event, "x")), min(edges)), max(edges)))
    return threshold, "" if cell is None else rate_summary(cell, threshold, treatment), gr.update(line_x=threshold)


def _on_grid(threshold: float) -> float:
    """The edge of the histogram's bins next to a threshold: rates at it are exact."""
    return round(threshold * 1024) / 1024
