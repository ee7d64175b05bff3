"""Samples chosen on the map or in Explore, inside the Embeddings tab: their thumbnails and similarities.

Beside them, how much pose and identity move the embeddings of all samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.figures import message
from demo.common.handlers import QUIET, bound, on_latest
from demo.common.links import VERIFY, Links, Opened, goto, opened
from demo.common.own_sets import Sets
from demo.common.plotly_view import PlotlyView
from demo.common.points import counted_words, enclosed_rows, highlight_of
from demo.common.sample_html import grid_html
from demo.common.samples import open_clicked, selection_csv
from demo.common.vectors import rows_of
from demo.embeddings.figures import heat_map, spread_figure
from demo.embeddings.similarity import SHOWN, for_heat_map, read_spread, spread

SHOWN_SELECTION = 96  # thumbnails of a lasso
CHOSEN, MORE = " chosen", f"; the first {SHOWN_SELECTION} are shown"
SAY_AT_ONCE = f"""() => {{ // the words of `choose`, while it finds the pictures
  const [rows, counted] = JSON.parse(document.querySelector('#map .plotly-view-host').dataset.enclosed);
  const said = counted.replace(/^\\S+/, '<b>$&</b>') + '{CHOSEN}' + (rows > {SHOWN_SELECTION} ? '{MORE}' : '');
  return [{{ __type__: 'update', visible: rows > 0 }}, rows ? `<p class="summary coming">${{said}}</p>` : ''];
}}"""
SIMILAR_TITLE = (
    '<h3 class="section-title">Similarity of samples '
    f"<small>the selection, up to {SHOWN}, by identity and pose; click a cell</small></h3>"
)
SPREAD_TITLE = (
    '<h3 class="section-title">Pose against identity <small>mean similarity and its 5–95 % range</small></h3>'
)


class Chosen(NamedTuple):
    """What a selection changes: the components, or their values. `selection` is the state with its row_ids."""

    selection: Any
    tools: Any
    words: Any
    grid: Any
    chart: Any


def build(sets: Sets, model: gr.Dropdown, chart: PlotlyView, links: Links, tab: gr.Tab) -> None:
    """Lay out and wire; `chart` is the map whose lasso chooses."""
    selection = gr.State(())
    with gr.Row(equal_height=True, visible=False) as tools:
        words = gr.HTML(elem_id="lasso-words", padding=False)
        save = gr.Button("Export CSV", size="sm", elem_id="lasso-csv", scale=0, min_width=130)
        clear = gr.Button("Clear selection", size="sm", elem_id="lasso-clear", scale=0, min_width=130)
    grid = Clickable(elem_id="lasso-grid")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=310):
            gr.HTML(SIMILAR_TITLE)
            similar = PlotlyView(height=460, elem_id="similarity")
        with gr.Column(scale=1, min_width=310):
            gr.HTML(SPREAD_TITLE)
            between = PlotlyView(height=400, elem_id="spread")
            verdict = gr.Markdown(elem_id="spread-reading")
    chosen = list(Chosen(selection, tools, words, grid, chart))
    chart.lasso(None, None, [tools, words], js=SAY_AT_ONCE, api_visibility="private")
    answered = chart.lasso(bound(take_lasso, sets.store), None, chosen, trigger_mode="multiple", **QUIET)
    answered.failure(bound(choose, sets.store, ()), None, chosen, **QUIET)  # what was said at once does not hold
    links.selection.change(bound(take_selection, sets.store), links.selection, chosen, **QUIET)
    gr.on([clear.click, links.dataset.change], bound(choose, sets.store, ()), None, chosen, **QUIET)
    download(save, bound(selection_csv, sets.view), selection)
    grid.select(bound(open_clicked, sets.view), None, [links.tabs, links.pair, links.sample], **QUIET)
    seen = [tab.select, model.input, links.embedded.change, links.dataset.change]
    on_latest([*seen, selection.change], bound(show_similar, sets.store), [model, selection], similar)
    on_latest(seen, bound(show_spread, sets.store), model, [between, verdict])
    similar.select(bound(open_cell, sets.store), None, [links.tabs, links.pair], **QUIET)


def take_lasso(store: EmbeddingStore, event: gr.EventData) -> Chosen:
    """What `choose` gives for the points inside a lasso or box."""
    return choose(store, enclosed_rows(store.view, event))


def take_selection(store: EmbeddingStore, selection: Opened | None) -> Chosen:
    """What `choose` gives for the rows that another tab sent."""
    row_ids = list(selection.value) if selection else []
    return choose(store, store.view.rows.index.get_indexer(pd.Index(row_ids, dtype=object)))


def choose(store: EmbeddingStore, positions: Sequence[int] | np.ndarray) -> Chosen:
    """A selection of rows by their positions: its thumbnails, and the map with the others dimmed."""
    if not len(positions):
        return Chosen((), gr.update(visible=False), "", "", gr.update(highlight=""))
    view, positions = store.view, np.asarray(positions)
    row_ids = view.rows.index[positions].to_numpy(object)  # not a tuple: Gradio hashes each part, before and after
    identities = len(np.unique(view.rows["identity"].cat.codes.to_numpy()[positions]))
    counted = counted_words(len(positions), identities, "<b>{}</b>")
    more = MORE if len(positions) > SHOWN_SELECTION else ""
    return Chosen(
        selection=row_ids,
        tools=gr.update(visible=True),
        words=f'<p class="summary">{counted}{CHOSEN}{more}</p>',
        grid=grid_html(view, row_ids[:SHOWN_SELECTION]),
        chart=gr.update(highlight=highlight_of(view, positions)),
    )


def show_similar(store: EmbeddingStore, model: str, selection: Sequence[str] | np.ndarray) -> go.Figure:
    """The heat map of the selection, or of a few images of the first identities."""
    values = store.get(model)
    if values is None:
        return message("No embeddings yet")
    chosen = for_heat_map(store.view.rows, list(selection))
    vectors = rows_of(values, store.view.rows.index.get_indexer(chosen))
    return heat_map(store.view.rows.loc[chosen], vectors @ vectors.T)


def show_spread(store: EmbeddingStore, model: str) -> tuple:
    """(figure, reading) of similarity within and between identities by pose."""
    values = store.get(model)
    if values is None:
        return message("No embeddings yet"), ""
    table = store.derived("spread", model, lambda values: spread(values, store.view.rows))
    return spread_figure(table), read_spread(table)


def open_cell(store: EmbeddingStore, event: gr.SelectData) -> tuple:
    """Open the pair of the clicked cell in Verify."""
    pair = events.texts(events.detail(event, "value"), 2)
    if not all(row_id in store.view for row_id in pair):
        return gr.skip(), gr.skip()
    return goto(VERIFY), opened(pair)
