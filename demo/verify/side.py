"""One side of the Verify tab: give photos (files, camera, clipboard), see the faces found, choose among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.handlers import COMPARING, QUIET, SKIP
from demo.common.notices import notices_html
from demo.common.photo_inputs import PhotoButton, PhotoInput
from demo.verify.photo_html import photos_html
from demo.verify.photos import Seen, add_uploads
from sfpn.errors import UserError
from sfpn.photos.detector import FaceDetector
from sfpn.verification.verifier import MAX_PHOTOS

SIDE_HINT = f"one photo, or up to {MAX_PHOTOS} of the same person"


class SideValues(NamedTuple):
    """What the photos of a side change: the components of SideView, or their values."""

    photos: Any
    view: Any
    notice: Any
    image: Any
    buttons: Any


UNCHANGED = SideValues(SKIP, SKIP, SKIP, SKIP, SKIP)


@dataclass(frozen=True)
class SideView:
    """The components of one side; `photos` is the state (demo.verify.photos.Seen)."""

    photos: gr.State
    view: Clickable
    notice: gr.HTML
    image: PhotoInput
    buttons: gr.Row
    more: PhotoButton
    camera: gr.Button
    clear: gr.Button

    @property
    def shown(self) -> list:
        """What `show` gives values for."""
        return list(SideValues(self.photos, self.view, self.notice, self.image, self.buttons))


def build_side(title: str, hint: str, name: str) -> SideView:
    """Lay out one side; `name` ('a' or 'b') is part of the element ids."""
    gr.HTML(f'<p class="side-title">{title} <span>{hint}</span></p>')
    photos = gr.State(())
    view = Clickable(elem_id=f"photos-{name}", visible=False)
    image = PhotoInput(
        label=f"Photo of {title.lower()}",
        sources=["upload", "webcam", "clipboard"],
        height=230,
        buttons=[],
        webcam_options=gr.WebcamOptions(mirror=False),
        elem_id=f"input-{name}",
        elem_classes="photo-input",
        show_label=False,
        placeholder="Drop a photo here\nor click to choose one",
    )
    with gr.Row(visible=False, elem_classes="side-buttons") as buttons:
        more = PhotoButton(
            "Add photos", file_count="multiple", file_types=["image"], size="sm", min_width=80, elem_id=f"more-{name}"
        )
        camera = gr.Button("Camera, paste", size="sm", min_width=80)
        clear = gr.Button("Clear", size="sm", min_width=80, elem_id=f"clear-{name}")
    notice = gr.HTML(elem_id=f"notice-{name}")
    return SideView(photos, view, notice, image, buttons, more, camera, clear)


def show(photos: Seen, refused: list[str]) -> SideValues:
    """A side with these photos, and sentences about those that were refused."""
    return SideValues(
        photos=photos,
        view=gr.update(value=photos_html(photos), visible=bool(photos)),
        notice=notices_html(refused),
        image=gr.update(value=None, visible=not photos),
        buttons=gr.update(visible=bool(photos)),
    )


def take_one(detector: FaceDetector, photos: Seen, path: str | None) -> SideValues:
    """A photo dropped, taken or pasted; nothing changes when the input was only emptied."""
    return show(*add_uploads(detector, photos, [path])) if path else UNCHANGED


def take_many(detector: FaceDetector, photos: Seen, paths: list[str] | None) -> SideValues:
    """Photos chosen with the button."""
    return show(*add_uploads(detector, photos, paths or []))


def choose_face(photos: Seen, event: gr.EventData) -> SideValues:
    """A face was clicked: event.index = [photo, face]."""
    number, index = events.pair(events.detail(event, "index"))
    photo = photos[events.place(number, len(photos))]
    try:
        chosen = photo.with_face(events.place(index, len(photo.faces)))
    except UserError as error:
        return show(photos, [str(error)])
    return show((*photos[:number], chosen, *photos[number + 1 :]), [])


def remove_photo(photos: Seen, event: gr.EventData) -> SideValues:
    """The cross of a photo was clicked: event.index = photo."""
    number = events.place(events.detail(event, "index"), len(photos))
    return show((*photos[:number], *photos[number + 1 :]), [])


def wire_side(side: SideView, detector: FaceDetector, then: Callable[[Dependency], Any]) -> None:
    """Connect the events of a side; `then` is told each one that changes its photos."""
    busy = {"api_visibility": "private", **COMPARING}
    # a pasted photo comes as two events, the first of them empty: the last one counts
    given = {"trigger_mode": "always_last", **busy}
    then(side.image.input(partial(take_one, detector), [side.photos, side.image], side.shown, **given))
    then(side.more.upload(partial(take_many, detector), [side.photos, side.more], side.shown, **busy))
    then(side.view.select(choose_face, side.photos, side.shown, **QUIET))
    then(side.view.remove(remove_photo, side.photos, side.shown, **QUIET))
    then(side.clear.click(lambda: show((), []), None, side.shown, **QUIET))
    side.camera.click(lambda: gr.update(visible=True), None, side.image, **QUIET)
