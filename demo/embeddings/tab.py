"""The Embeddings tab: a map of the dataset under a model, similarities of chosen samples, a photo of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import pandas as pd

from demo.common.dataset_view import DatasetView
from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.figures import message
from demo.common.handlers import LONG, QUIET, SKIP, bound, on_latest
from demo.common.jobs import WAITING, Stopped, ending, follow, progress_html
from demo.common.links import EXPLORE, Links, goto, opened
from demo.common.model_choice import build_choice
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.common.plotly_view import PlotlyView
from demo.common.points import clicked_row, points_of
from demo.embeddings import chosen as chosen_samples
from demo.embeddings import own_photo
from demo.embeddings.compute import JOB, MISSING, compute_embeddings, missing_words, offer_buttons
from demo.embeddings.figures import COLOURS, MAP_NAME, add_own_photo, map_figure
from demo.embeddings.projection import available, kept_file, note, place, project
from demo.embeddings.similarity import nearest
from sfpn.errors import UserError
from sfpn.photos.detector import FaceDetector

NO_DATASET = "No dataset is loaded. Start with `python app.py --dataset DIR`."
SOON = 5_000  # images whose most alike ones are found while a visitor waits
HINT = (
    '<p class="quiet">Each point is an image; near points have similar embeddings. Hover to see the face, '
    "<b>click</b> to open the sample, and choose many with the lasso or box tool of the figure's bar, "
    "or with the filters of Explore and its button “Show on the map”.</p>"
)


@dataclass(frozen=True)
class Choice:
    """What the map shows."""

    model: gr.Dropdown
    method: gr.Radio
    colour: gr.Radio

    @property
    def all(self) -> list:
        """All three."""
        return [self.model, self.method, self.colour]


class MapValues(NamedTuple):
    """What `draw` changes: the components, or their values. `drawn` is the state that says what is drawn."""

    status: Any = ""
    chart: Any = SKIP
    missing: Any = SKIP
    drawn: Any = SKIP


def build(sets: Sets, detector: FaceDetector, links: Links, tab: gr.Tab) -> None:
    """Lay out and wire the tab; the map is drawn when it is opened."""
    store = sets.bundled
    if store is None:
        gr.Markdown(NO_DATASET)
        return
    with gr.Row():
        model = build_choice(sets.own_models, links, label="Model", elem_id="map-model", min_width=300)
        method = gr.Radio(available(), value="PCA", label="Projection to the plane", elem_id="map-method")
        colour = gr.Radio(colours(store.view), value="pose", label="Colour", elem_id="map-colour")
    choice = Choice(model, method, colour)
    drawn = gr.State(None)
    heavy = store.computes or sets.rules is not None
    with gr.Row(visible=False) as missing:
        words = gr.Markdown(missing_words(store))
        if heavy:
            compute = gr.Button("Compute embeddings", variant="primary", elem_id="compute", visible=store.computes)
            cancel = gr.Button("Cancel", elem_id="cancel-compute", visible=store.computes)
            links.dataset.change(bound(offer_buttons, sets.store), None, [compute, cancel], **QUIET)
    status = gr.HTML(elem_id="map-status", padding=False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=310):
            gr.HTML(HINT)
            chart = PlotlyView(height=520, elem_id="map")
        with gr.Column(scale=2, min_width=310):
            placed = own_photo.build()
    shown: dict[str, Any] = {
        "fn": bound(draw, sets.store),
        "inputs": [*choice.all, placed.own, drawn],
        "outputs": list(MapValues(status, chart, missing, drawn)),
        **QUIET,
        **LONG,
    }
    changes = [links.dataset.change, links.embedded.change]
    on_latest([tab.select, model.input, method.input, colour.input, *changes], **shown)
    links.dataset.change(bound(offer, sets.store), None, [words, colour], **QUIET)
    if heavy:
        run = compute.click(bound(compute_embeddings, sets.store), model, status, **QUIET, **LONG)
        cancel.click(ending(JOB), None, None, **QUIET)
        run.then(**shown)
        run.then(opened, model, links.embedded, **QUIET)
    own_photo.wire(placed, sets, detector, model, links).then(**shown)
    chart.select(bound(open_point, sets.store), None, [links.tabs, links.sample], **QUIET)
    download(chart.csv, bound(map_csv, sets.store), [model, method])
    chosen_samples.build(sets, model, chart, links, tab)
    gr.on(None, bound(prepare, sets.store), None, None, **QUIET)


def offer(store: EmbeddingStore) -> tuple:
    """(words, colour) of another dataset."""
    return missing_words(store), gr.update(choices=colours(store.view), value="pose")


def colours(view: DatasetView) -> list[str]:
    """What the points can be coloured by; not by a pitch that no image has."""
    return [name for name in COLOURS if name != "pitch" or view.has_pitch]


def draw(
    store: EmbeddingStore,
    model: str,
    method: str,
    colour: str,
    own: tuple | None,
    drawn: tuple | None,
    request: gr.Request | None = None,
) -> Iterator[MapValues]:
    """The map, or the button that computes embeddings; nothing for what is drawn already.

    Slow projections run in a thread that the status follows.
    """
    values = store.get(model)
    if values is None:
        yield MapValues(chart=message("No embeddings yet"), missing=gr.update(visible=True), drawn=None)
        return
    own_key = None if own is None else own[1].tobytes()
    wanted = (id(store), model, method, colour, own_key)
    if wanted == drawn:
        yield MapValues()
        return
    try:
        for words, work in _long_work(store, model, method, colour):
            for stage, *counts in follow(work, request):
                yield MapValues(progress_html(stage if stage.startswith(WAITING) else words, *counts))
    except Stopped:
        return
    except UserError as error:
        yield MapValues(notices_html([str(error)]))
        return
    coordinates = _coordinates(store, model, method)
    wrong = _wrong(store, model) if colour == "error" else np.zeros(len(values), bool)
    points = store.derived("points", model, lambda values: points_of(store.view))
    figure = map_figure(store.view.rows, coordinates, colour, points, wrong)
    if own is not None and own[0] == model:
        figure = add_own_photo(figure, place(own[1], values, coordinates, method))
    said = note(len(values), method)
    yield MapValues(f'<p class="quiet">{said}</p>' if said else "", figure, gr.update(visible=False), wanted)


def _long_work(store: EmbeddingStore, model: str, method: str, colour: str) -> Iterator[tuple[str, Callable]]:
    """(words, work for `follow`) of what the map needs, has not yet, and takes long."""
    count = len(store.view.rows)
    values, folder = store.get(model), store.view.thumbnails
    slow = method != "PCA" and not store.has_derived(method, model)
    if slow and values is not None and not kept_file(values, method, folder).is_file():
        yield f"{method} of {count:,} embeddings", lambda progress: _coordinates(store, model, method)
    if colour == "error" and count > SOON and not store.has_derived("wrong", model):
        words = f"the most alike image of each of {count:,}"
        yield words, lambda progress: _wrong(store, model, lambda *done: progress(words, *done))


def _coordinates(store: EmbeddingStore, model: str, method: str) -> np.ndarray:
    folder = store.view.thumbnails
    return store.derived(method, model, lambda values: project(values, method, folder))


def map_csv(store: EmbeddingStore, model: str, method: str) -> tuple[str, bytes]:
    """(file name, CSV) of the points of the map."""
    if store.get(model) is None:
        raise gr.Error(MISSING, print_exception=False)
    x, y = _coordinates(store, model, method).T
    table = pd.DataFrame({"row_id": store.view.rows.index, "x": x, "y": y})
    return f"{MAP_NAME}.csv", table.to_csv(index=False, float_format="%.6g").encode()


def prepare(store: EmbeddingStore) -> None:
    """What the map shows first is read and computed while its visitor looks at the first tab."""
    for _ in draw(store, next(iter(store.models)), "PCA", "pose", None, None):
        pass


def open_point(store: EmbeddingStore, event: gr.SelectData) -> tuple:
    """Open the clicked point in Explore."""
    return goto(EXPLORE), opened(clicked_row(store.view, event))


def _wrong(store: EmbeddingStore, model: str, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """(N,) whether the most alike other image is of another identity."""
    identity = store.view.rows["identity"].cat.codes.to_numpy()
    return store.derived("wrong", model, lambda values: identity[nearest(values, progress)] != identity)
