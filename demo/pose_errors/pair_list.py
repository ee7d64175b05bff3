"""A list of pairs of pictures: a click opens a pair in Verify, and its button shows why it has its score, below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import gradio as gr

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import LONG, QUIET, bound
from demo.common.links import VERIFY, Links, goto, opened
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.common.why_score import EXPLAINED, Crops, explained
from sfpn.evaluation.report import Report
from sfpn.network.embedders import Embedder

TITLE = '<h3 class="section-title">Why this score?</h3>'
NOT_LOADED = "These pictures are not in the loaded dataset."
NO_MODEL = "The model {} of this report is not loaded: start with --model to see what its scores rest on."
FIRST_IMAGES = " It is that of the two images shown; their templates average more of them."
SHOW = "() => { document.querySelector('#%s')?.scrollIntoView({behavior: 'smooth', block: 'nearest'}); return []; }"


class Reasons(NamedTuple):
    """What the button of a pair changes: the components, or their values."""

    part: Any
    status: Any = ""
    faces: Any = ""


CLOSED = Reasons(gr.update(visible=False))


def build(sets: Sets, report: gr.Dropdown, size: Any, links: Links, elem_id: str) -> Clickable:
    """Lay out and wire; returns the list, whose value is that of pairs_html. `size`: images per side, a component."""
    pairs, place = Clickable(elem_id=elem_id), f"{elem_id}-why"
    with gr.Column(visible=False, elem_id=place, elem_classes="pair-why") as part:
        gr.HTML(TITLE, padding=False)
        status, faces = gr.HTML(padding=False), gr.HTML(padding=False)
        gr.HTML(f'<p class="quiet">{EXPLAINED}</p>')
    pairs.select(bound(pick_pair, sets.view if sets.bundled else None), None, [links.tabs, links.pair], **QUIET)
    if sets.bundled:
        shown = list(Reasons(part, status, faces))
        explain = bound(explain_pair, sets.reports, sets.store)
        run = pairs.expand(explain, [report, size], shown, trigger_mode="multiple", **QUIET, **LONG)
        run.then(None, None, None, js=SHOW % place, api_visibility="private")
        pairs.change(lambda: CLOSED, None, shown, **QUIET)
    return pairs


def pick_pair(view: DatasetView | None, event: gr.EventData) -> tuple:
    """Open the clicked pair in Verify."""
    pair = _shown_pair(view, event)
    return goto(VERIFY), opened(pair)


def explain_pair(
    named: Mapping[str, Report],
    store: EmbeddingStore,
    name: str,
    size: int | str,
    event: gr.EventData,
    request: gr.Request | None = None,
) -> Iterator[Reasons]:
    """What the score of the pair rests on under the model of the report."""
    first, second = _shown_pair(store.view, event)
    model = named[name].header["model"]
    shown = partial(Reasons, gr.update(visible=True))
    embedder = store.models.get(model)
    if embedder is None:
        yield shown(notices_html([NO_MODEL.format(model)]))
        return
    words = FIRST_IMAGES if size != 1 else ""
    crops = partial(crops_of, store.view, embedder, first, second)
    captions = (f"A: {first}", f"B: {second}")
    for values in explained(embedder, crops, request, words, captions):
        yield shown(*values)


def crops_of(view: DatasetView, embedder: Embedder, first: str, second: str) -> Crops:
    """What the network gets of two pictures, as in an evaluation: the whole image where no face was found."""
    one, other = (view.picture(row_id) for row_id in (first, second))
    crop = embedder.preprocess.crop
    return crop(one.decode(), one.face), crop(other.decode(), other.face)


def _shown_pair(view: DatasetView | None, event: gr.EventData) -> tuple[str, str]:
    first, second = events.texts(events.detail(event, "index"), 2)
    if view is None or first not in view or second not in view:
        raise gr.Error(NOT_LOADED, print_exception=False)
    return first, second
