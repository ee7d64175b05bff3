"""One cell closely, inside the Pose errors tab: its DET curve, and its scores with a threshold that can be moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from demo.common import events
from demo.common.figures import message
from demo.common.handlers import QUIET, SKIP, PerSession, bound, show_when_opened
from demo.common.plotly_view import PlotlyView
from demo.common.words import label_of, pair_names
from demo.pose_errors.cell_figures import AXES, det_figure, histogram_figure, rate_summary
from demo.pose_errors.choice import Choice
from demo.pose_errors.hardest import NO_CELL
from sfpn.evaluation.report import Report
from sfpn.reporting.views import View, cell_of


class ScoreValues(NamedTuple):
    """What the choice of a cell changes around its histograms: the components, or their values."""

    title: Any
    histogram: Any
    threshold: Any
    rates: Any
    shown: Any = SKIP  # which cell of which report it is


def build(named: PerSession, choice: Choice) -> None:
    """Lay out and wire; here the components that choose the cell and count its pairs are rendered."""
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
    cell, shown = [choice.report, choice.pair, choice.size, choice.treatment], gr.State(None)
    show_when_opened(choice.opened, bound(show_det, named), [*cell, choice.other, axes], det)
    show_when_opened(
        choice.opened,
        bound(show_scores, named),
        [*cell, shown],
        list(ScoreValues(title, histogram, threshold, rates, shown)),
    )
    threshold.input(
        bound(move_threshold, named), [*cell, threshold], [rates, histogram], trigger_mode="always_last", **QUIET
    )
    histogram.drag(bound(drag_threshold, named), cell, [threshold, rates, histogram], trigger_mode="multiple", **QUIET)


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


def show_scores(
    named: Mapping[str, Report], name: str, key: str, size: int | str, treatment: str, shown: tuple | None = None
) -> ScoreValues:
    """The scores of a cell, and the rates at a threshold, that of the EER; nothing if the cell is shown already.

    A tab that opens asks several times, and the last answer may come when the visitor has moved the threshold.
    """
    wanted = (name, id(named[name]), key, size, treatment)
    if wanted == shown:
        return ScoreValues(SKIP, SKIP, SKIP, SKIP)
    cell = cell_of(named[name], key, View(template_size=size))
    if cell is None or cell.tables["histogram"].empty:
        return ScoreValues(NO_CELL, message(NO_CELL), SKIP, "", wanted)
    rates, edges = cell.rates(treatment), cell.tables["histogram"]["lower_edge"].to_numpy(float)
    start = _on_grid(rates.eer_threshold if rates.eer_threshold is not None else float(np.median(edges)))
    low, high = math.floor(100 * float(edges.min())) / 100, math.ceil(100 * float(edges.max())) / 100
    slider = gr.update(minimum=low, maximum=high, value=round(start, 3))
    title = (
        f"**{label_of(key)}** ({pair_names(key)}): {cell.subjects} subjects, "
        f"{rates.genuine:,} genuine and {rates.impostor:,} impostor comparisons"
    )
    title += "" if rates.d_prime is None else f", d′ {rates.d_prime:.2f}, AUC {rates.auc:.4f}"
    return ScoreValues(title, histogram_figure(cell, start), slider, rate_summary(cell, start, treatment), wanted)


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
