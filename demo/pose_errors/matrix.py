"""The pose x pose matrix, inside the Pose errors tab: its reading, and the paired difference of two reports."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from demo.common import events
from demo.common.figures import message
from demo.common.handlers import QUIET, PerSession, bound, show_when_opened
from demo.common.links import Links, cell_address, opened
from demo.common.notices import in_markdown
from demo.common.plotly_view import PlotlyView
from demo.pose_errors.cell_figures import yaw_figure
from demo.pose_errors.choice import Choice
from demo.pose_errors.matrix_figure import difference_figure, matrix_figure
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.reporting.reading import read_differences, read_matrix
from sfpn.reporting.views import View, difference_table, table_of
from sfpn.schema import pair_key

INTRODUCTION = """<p class="quiet">Each cell compares faces of two poses; under its error rate stand the 95 % interval
(bootstrap over subjects) and the number of genuine / impostor comparisons.
<b>Click a cell</b> for its curves and hardest pairs.
<abbr title="Equal error rate: where as many strangers are accepted as same persons are rejected">EER</abbr>,
<abbr title="False match rate: the share of impostor comparisons that are accepted">FMR</abbr>,
<abbr title="False non-match rate: the share of genuine comparisons that are rejected">FNMR</abbr>:
hover for their meaning.</p>"""


def build(named: PerSession, choice: Choice, links: Links) -> None:
    """Lay out and wire: the matrix, the yaw curve, and the difference while two reports are compared."""
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
