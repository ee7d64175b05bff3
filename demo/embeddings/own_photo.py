"""A photo of one's own on the map of the Embeddings tab: where it lands, and which images are most alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from gradio.events import Dependency

from demo.common.clickable import Clickable
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import ONE_AT_A_TIME, QUIET, SKIP, bound
from demo.common.links import Links
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.common.photo_inputs import PhotoInput
from demo.common.sample_html import neighbours_html
from demo.common.samples import open_clicked
from demo.common.uploads import take_upload
from demo.common.words import pose_label
from demo.embeddings.compute import MISSING
from sfpn.errors import UserError
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import open_photo
from sfpn.verification.verifier import look
from sfpn.verification.wording import head_words

HINT = (
    '<p class="quiet">It is deleted from the disk as soon as it has been read into memory, and not kept; its embedding '
    "is forgotten five minutes after you close this page.</p>"
)


class OwnValues(NamedTuple):
    """What a photo of one's own changes: the components, or their values.

    `own` is the state with (model, embedding (D,) of length one), or None.
    """

    own: Any = SKIP
    photo: Any = SKIP
    notice: Any = SKIP
    neighbours: Any = SKIP


def build() -> OwnValues:
    """Lay out; these are the components, `wire` connects them."""
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
    gr.HTML(HINT)
    return OwnValues(gr.State(None), photo, gr.HTML(elem_id="own-notice"), Clickable(elem_id="own-neighbours"))


def wire(placed: OwnValues, sets: Sets, detector: FaceDetector, model: gr.Dropdown, links: Links) -> Dependency:
    """Connect the events; the one after which the photo has a place of its own."""
    opens = [links.tabs, links.pair, links.sample]
    placed.neighbours.select(bound(open_clicked, sets.view), None, opens, **QUIET)
    return placed.photo.input(
        bound(place_photo, sets.store, detector), [placed.photo, model], list(placed), **QUIET, **ONE_AT_A_TIME
    )


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
