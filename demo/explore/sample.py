"""One sample closely, inside the Explore tab: its photo, crop and columns, its neighbours, and two for a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from demo.common.clickable import Clickable
from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import AT_ONCE, QUIET, SKIP, bound
from demo.common.links import VERIFY, Links, Opened, goto, opened
from demo.common.model_choice import build_choice
from demo.common.notices import notices_html, warn
from demo.common.own_sets import Sets
from demo.common.sample_html import neighbours_html, sample_html
from demo.common.samples import open_clicked

SCROLL = """() => {
  const title = document.querySelector('#sample-title');
  if (title?.offsetParent) title.scrollIntoView({behavior: 'smooth'});
  return [];
}"""
SAMPLE_TITLE = (
    '<h3 class="section-title" id="sample-title">Sample '
    "<small>click a thumbnail: its photo, box, landmarks, crop, columns and neighbours</small></h3>"
)
NEIGHBOURS_TITLE = (
    '<h3 class="section-title">Nearest neighbours '
    "<small>score = cosine of embeddings; blue: same identity, orange: another</small></h3>"
)
NO_NEIGHBOURS = (
    '<p class="quiet">The embeddings of this dataset under this model are not there yet: '
    "compute them in the tab Embeddings.</p>"
)
PICK = "Pick for comparison"


@dataclass(frozen=True)
class Shown:
    """A sample that was opened, and the dataset (links.dataset) that was shown then."""

    row_id: str
    dataset: Opened | None = None


class SampleValues(NamedTuple):
    """What a sample changes: the components, or their values."""

    detail: Any = SKIP
    neighbours: Any = SKIP


class TakenSample(NamedTuple):
    """SampleValues and before them the state (Shown or None) and the field: the components, or their values."""

    current: Any = SKIP
    typed: Any = SKIP
    detail: Any = SKIP
    neighbours: Any = SKIP


class Picked(NamedTuple):
    """What a press of “Pick for comparison” changes: the components, or their values. `marked` is as `current`."""

    marked: Any = SKIP
    button: Any = SKIP
    words: Any = SKIP
    tabs: Any = SKIP
    pair: Any = SKIP


def build(sets: Sets, links: Links) -> None:
    """Lay out and wire."""
    gr.HTML(SAMPLE_TITLE)
    current, marked = gr.State(None), gr.State(None)
    with gr.Row(equal_height=False):
        typed = gr.Textbox(label="row_id", elem_id="sample-id", max_lines=1, scale=3, min_width=200)
        model = build_choice(
            sets.own_models, links, label="Crop and neighbours by", elem_id="sample-model", scale=3, min_width=280
        )
        mark = gr.Button(PICK, size="sm", elem_id="mark", scale=1, min_width=170)
    picked = gr.HTML(elem_id="picked", padding=False)
    detail = gr.HTML(elem_id="sample", padding=False)
    gr.HTML(NEIGHBOURS_TITLE)
    neighbours = Clickable(elem_id="neighbours")
    taken = TakenSample(current, typed, detail, neighbours)
    links.sample.change(
        bound(take_sample, sets.store), [links.sample, model, links.dataset], list(taken), **AT_ONCE
    ).then(None, None, None, js=SCROLL, api_visibility="private")
    shown = list(SampleValues(detail, neighbours))
    gr.on([model.input, links.embedded.change], bound(show_sample, sets.store), [current, model], shown, **QUIET)
    typed.submit(bound(type_sample, sets.view), typed, [links.sample], **QUIET)
    neighbours.select(bound(open_clicked, sets.view), None, [links.tabs, links.pair, links.sample], **QUIET)
    changed = Picked(marked, mark, picked, links.tabs, links.pair)
    mark.click(pick_for_comparison, [current, marked], list(changed), **QUIET)
    _wire_another_set(links, taken, changed)


def _wire_another_set(links: Links, taken: TakenSample, picked: Picked) -> None:
    """Another set empties what is shown, at once and in the browser: an answer would empty what came after it."""
    emptied = [*taken[1:], picked.words]
    empty = f"() => {['' for _ in emptied]}"
    links.dataset.change(None, None, emptied, js=empty, api_visibility="private")
    states = [taken.current, picked.marked]
    links.dataset.change(forget, [links.dataset, *states], [*states, picked.button], **QUIET)


def forget(dataset: Opened | None, current: Shown | None, marked: Shown | None) -> tuple:
    """(current, marked, button): none of what was opened or picked while another dataset was shown."""
    kept = [each if each and each.dataset == dataset else None for each in (current, marked)]
    return *kept, SKIP if kept[1] else gr.update(value=PICK)


def take_sample(store: EmbeddingStore, sample: Opened | None, model: str, dataset: Opened | None = None) -> TakenSample:
    """The sample that was opened, if the dataset has it."""
    if sample is None:
        return TakenSample()
    if sample.value not in store.view:
        words = f"The dataset {store.view.dataset.name} has no sample {sample.value}."
        return TakenSample(detail=notices_html([words]), neighbours="")
    current = Shown(sample.value, dataset)
    return TakenSample(current, sample.value, *show_sample(store, current, model))


def type_sample(view: DatasetView, row_id: str) -> Opened | dict:
    """Open a row_id that was typed."""
    if row_id not in view:
        warn(f"The dataset {view.dataset.name} has no sample {row_id}.")
        return SKIP
    return opened(row_id)


def show_sample(store: EmbeddingStore, current: Shown | None, model: str) -> SampleValues:
    """A sample closely, and its neighbours under a model."""
    if current is None or current.row_id not in store.view:
        return SampleValues()
    row_id = current.row_id
    picture = store.view.picture(row_id)
    photo = picture.decode()
    crop = store.models[model].preprocess.crop(photo, picture.face)
    neighbours = store.neighbours(model, row_id)
    alike = NO_NEIGHBOURS if neighbours is None else neighbours_html(store.view, row_id, neighbours)
    return SampleValues(sample_html(store.view.rows.loc[row_id], photo, crop), alike)


def pick_for_comparison(current: Shown | None, marked: Shown | None) -> Picked:
    """The first press remembers a sample, the second opens both in Verify."""
    if current is None:
        gr.Info("Click a thumbnail first.")
        return Picked()
    if marked is None or marked == current or marked.dataset != current.dataset:
        words = (
            f'<p class="quiet">Picked <code>{escape(current.row_id)}</code>. '
            "Open another sample and press the button again.</p>"
        )
        return Picked(current, gr.update(value="Compare with the picked"), words)
    return Picked(None, gr.update(value=PICK), "", goto(VERIFY), opened((marked.row_id, current.row_id)))
