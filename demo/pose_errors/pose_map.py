"""The error map over yaw and pitch, inside the Pose errors tab; a click on a cell shows its hardest pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from demo.common import events
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import QUIET, SKIP, bound, show_when_opened
from demo.common.links import Links
from demo.common.own_sets import Sets
from demo.common.plotly_view import PlotlyView
from demo.pose_errors import pair_list
from demo.pose_errors.hardest import KINDS
from demo.pose_errors.pairs_html import pairs_html
from demo.pose_errors.pose_map_figure import RATES, WITHOUT, Shown, cell_words, pose_map_figure, read_map
from demo.pose_errors.provenance import is_own
from sfpn.evaluation.report import Report
from sfpn.reporting.views import target_of

TITLE = (
    '<h3 class="section-title">Error map over yaw and pitch '
    "<small>per cent; click a cell for its hardest pairs</small></h3>"
)


class MapValues(NamedTuple):
    """What the choice of a report changes: the components, or their values."""

    tools: Any
    chart: Any
    reading: Any
    pairs: Any


class MapPairs(NamedTuple):
    """What a click on a cell changes: the components, or their values."""

    column: Any
    title: Any
    genuine: Any
    impostor: Any


def build(
    sets: Sets,
    shown: list,
    links: Links,
    opened_first: Callable[..., Any],
) -> None:
    """Lay out and wire; `shown` holds the components of report, metric and treatment."""
    gr.HTML(TITLE)
    with gr.Column() as tools:
        rate = gr.Radio(
            [(title, name) for name, title in RATES.items()],
            value="fnmr",
            show_label=False,
            container=False,
            elem_id="map-rate",
        )
        chart = PlotlyView(height=330, elem_id="error-map")
    reading = gr.HTML(elem_id="error-map-reading", padding=False)
    with gr.Column(visible=False) as pairs:
        title = gr.HTML(elem_id="map-cell-title", padding=False)
        single = gr.State(1)  # image a side
        genuine, impostor = (pair_list.build(sets, shown[0], single, links, f"map-{kind}") for kind in KINDS)
    values = list(MapValues(tools, chart, reading, pairs))
    show_when_opened(opened_first, bound(show_map, sets.reports), [*shown, rate], values)
    clicked = list(MapPairs(pairs, title, genuine, impostor))
    store = sets.store if sets.bundled else None
    chart.select(bound(show_cell, sets.reports, store), shown[0], clicked, **QUIET)


def show_map(named: Mapping[str, Report], name: str, metric: str, treatment: str, rate: str) -> MapValues:
    """The map of a report and its reading; pairs of a cell of another map are hidden."""
    pose_map = named[name].pose_map
    if pose_map is None:
        return MapValues(gr.update(visible=False), SKIP, _quiet(WITHOUT), gr.update(visible=False))
    shown = Shown(rate, target_of(metric), treatment)
    figure, words = pose_map_figure(pose_map, shown), read_map(pose_map, shown)
    return MapValues(gr.update(visible=True), figure, _quiet(words), gr.update(visible=False))


def show_cell(named: Mapping[str, Report], store: EmbeddingStore | None, name: str, event: gr.SelectData) -> MapPairs:
    """The hardest pairs of the clicked cell, as pictures or as names where their dataset is not loaded."""
    report = named[name]
    column, row = events.pair(events.detail(event, "value"))
    if report.pose_map is None:
        raise events.gone()
    columns, rows = (len(edges) - 1 for edges in (report.pose_map.yaw_edges, report.pose_map.pitch_edges))
    column, row = events.place(column, columns), events.place(row, rows)
    view = store.view if store and is_own(report, store) else None
    pairs = [report.pose_map.hardest(column, row, kind) for kind in KINDS]
    words = cell_words(report.pose_map, column, row)
    title = (
        f'<h3 class="section-title">Hardest pairs at {words} <small>each against a frontal, level image</small></h3>'
    )
    parts = [
        f'<p class="quiet">{kind}</p>{pairs_html(view, table)}'
        for kind, table in zip(("One person, lowest scores:", "Two persons, highest scores:"), pairs, strict=True)
    ]
    return MapPairs(gr.update(visible=True), title, *parts)


def _quiet(words: str) -> str:
    return f'<p class="quiet">{escape(words)}</p>'
