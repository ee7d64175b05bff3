"""The Embeddings tab: a map of the dataset under a model, similarities of chosen samples, a photo of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import pandas as pd

from demo.common.clickable import Clickable
from demo.common.dataset_view import DatasetView
from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.figures import message
from demo.common.handlers import LONG, ONE_AT_A_TIME, QUIET, SKIP, bound
from demo.common.jobs import WAITING, Stopped, follow, progress_html
from demo.common.links import EXPLORE, Links, goto, opened
from demo.common.model_choice import build_choice
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.common.photo_inputs import PhotoInput
from demo.common.plotly_view import PlotlyView
from demo.common.points import clicked_row, points_of
from demo.common.sample_html import neighbours_html
from demo.common.samples import open_clicked
from demo.common.uploads import take_upload
from demo.common.words import pose_label
from demo.embeddings import chosen as chosen_samples
from demo.embeddings.figures import COLOURS, MAP_NAME, add_own_photo, map_figure
from demo.embeddings.projection import available, kept_file, note, place, project
from demo.embeddings.similarity import nearest
from sfpn.errors import UserError
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import open_photo
from sfpn.verification.verifier import look
from sfpn.verification.wording import head_words

NO_DATASET = "No dataset is loaded. Start with `python app.py --dataset DIR`."
MISSING = "The embeddings under this model are not there yet: press “Compute embeddings”."
NOT_KEPT = "The dataset folder cannot be written here, so they are kept in a private temporary folder."
NOT_OFFERED = "There are no embeddings under this model, and this page computes none: run it on your own computer."
SOON = 5_000  # images whose most alike ones are found while a visitor waits
HINT = (
    '<p class="quiet">Each point is an image; near points have similar embeddings. Hover to see the face, '
    "<b>click</b> to open the sample, and choose many with the lasso or box tool of the figure's bar, "
    "or with the filters of Explore and its button “Show on the map”.</p>"
)
OWN_HINT = (
    '<p class="quiet">It is deleted from the disk as soon as it has been read into memory, and not kept; its embedding '
    "is forgotten five minutes after you close this page.</p>"
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


class OwnValues(NamedTuple):
    """What a photo of one's own changes: the components, or their values.

    `own` is the state with (model, embedding (D,) of length one), or None.
    """

    own: Any = SKIP
    photo: Any = SKIP
    notice: Any = SKIP
    neighbours: Any = SKIP


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
    own, drawn = gr.State(None), gr.State(None)
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
            photo = PhotoInput(
                label="A photo of your own",
                sources=["upload", "webcam", "clipboard"],
                height=190,
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
                elem_id="own-photo",
                elem_classes="photo-input",
                placeholder="Drop a photo here:\nwhere does it land on the map?",
            )
            gr.HTML(OWN_HINT)
            notice, alike = gr.HTML(elem_id="own-notice"), Clickable(elem_id="own-neighbours")
    shown: dict[str, Any] = {
        "fn": bound(draw, sets.store),
        "inputs": [*choice.all, own, drawn],
        "outputs": list(MapValues(status, chart, missing, drawn)),
        **QUIET,
        **LONG,
    }
    changes = [links.dataset.change, links.embedded.change]
    gr.on([tab.select, model.input, method.input, colour.input, *changes], **shown, trigger_mode="always_last")
    links.dataset.change(bound(offer, sets.store), None, [words, colour], **QUIET)
    alone = QUIET | ONE_AT_A_TIME
    if heavy:
        run = compute.click(bound(compute_embeddings, sets.store), model, status, **QUIET, **LONG)
        run.then(**shown)
        cancel.click(lambda: "", None, status, cancels=run, **QUIET)
        run.then(opened, model, links.embedded, **QUIET)
    placed = list(OwnValues(own, photo, notice, alike))
    photo.input(bound(place_photo, sets.store, detector), [photo, model], placed, **alone).then(**shown)
    chart.select(bound(open_point, sets.store), None, [links.tabs, links.sample], **QUIET)
    download(chart.csv, bound(map_csv, sets.store), [model, method])
    alike.select(bound(open_clicked, sets.view), None, [links.tabs, links.pair, links.sample], **QUIET)
    chosen_samples.build(sets, model, chart, links, tab)
    gr.on(None, bound(prepare, sets.store), None, None, **QUIET)


def offer(store: EmbeddingStore) -> tuple:
    """(words, colour) of another dataset."""
    return missing_words(store), gr.update(choices=colours(store.view), value="pose")


def offer_buttons(store: EmbeddingStore) -> tuple[dict, dict]:
    """(compute, cancel): shown where embeddings are computed."""
    return gr.update(visible=store.computes), gr.update(visible=store.computes)


def missing_words(store: EmbeddingStore) -> str:
    """What is said where there are no embeddings."""
    if not store.computes:
        return NOT_OFFERED
    return MISSING if store.writable else f"{MISSING} {NOT_KEPT}"


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
        yield f"{method} of {count:,} embeddings", lambda report: _coordinates(store, model, method)
    if colour == "error" and count > SOON and not store.has_derived("wrong", model):
        words = f"the most alike image of each of {count:,}"
        yield words, lambda report: _wrong(store, model, lambda *done: report(words, *done))


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


def compute_embeddings(store: EmbeddingStore, model: str, request: gr.Request | None = None) -> Iterator[str]:
    """Progress while the dataset is embedded; a cancelled run keeps nothing."""
    if not store.computes:
        yield notices_html([NOT_OFFERED])
        return
    try:
        yield from (
            progress_html(*progress)
            for progress in follow(
                lambda report: store.compute(model, lambda done, total: report("embedding", done, total)), request
            )
        )
    except UserError as error:
        yield notices_html([str(error)])
        return
    except Stopped:
        pass
    yield ""


def place_photo(store: EmbeddingStore, detector: FaceDetector, path: str | None, model: str) -> OwnValues:
    """Where a photo given by the visitor lies on the map; it is deleted from the disk here."""
    if not path:
        return OwnValues()
    try:
        name, encoded = take_upload(path)
        shot = look(detector, open_photo(encoded, name))
        embedder = store.models[model]
        embedding = embedder.embed([shot.crop(embedder.preprocess)])[0]
        neighbours = store.neighbours(model, embedding)
    except UserError as error:
        return OwnValues(None, None, notices_html([str(error)]), "")
    if neighbours is None:
        return OwnValues(None, None, notices_html([MISSING]), "")
    face = f"{pose_label(shot.face.pose)}, {head_words(shot.face, '°').replace('-', '−')}"
    return OwnValues(
        own=(model, embedding / np.linalg.norm(embedding)),
        photo=None,
        notice=f'<p class="quiet">Your photo ({face}) is the star on the map. Most alike:</p>',
        neighbours=neighbours_html(store.view, None, neighbours),
    )


def open_point(store: EmbeddingStore, event: gr.SelectData) -> tuple:
    """Open the clicked point in Explore."""
    return goto(EXPLORE), opened(clicked_row(store.view, event))


def _wrong(store: EmbeddingStore, model: str, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """(N,) whether the most alike other image is of another identity."""
    identity = store.view.rows["identity"].cat.codes.to_numpy()
    return store.derived("wrong", model, lambda values: identity[nearest(values, progress)] != identity)
