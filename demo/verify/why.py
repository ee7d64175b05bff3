"""The fold-out "Why this score?": squares of either crop are hidden, and what the score loses is drawn over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from demo.common.handlers import LONG, QUIET, PerSession, bound
from demo.common.jobs import Report, Stopped, follow_shown
from demo.common.notices import notices_html
from demo.common.pictures import data_uri
from demo.verify.photos import Seen
from sfpn.errors import UserError
from sfpn.network.embedders import Embedder
from sfpn.verification.occlusion import Occlusion, best_crops, most_words, occlude

EXPLAINED = (
    "Hides one square after the other of either face with grey, and measures how much the score falls. <b>It shows "
    "what this network's score of these two crops rests on</b>; it does not show where two people look alike, nor "
    "whether the decision is right."
)
SEVERAL = " Of several photos a side these two, the most alike, were taken."
NO_PHOTOS = "Give a photo of either person first."
SHOWN_SIDE = 226  # px
STRONGEST = 0.8  # share of the colour where the change is greatest; the rest is the crop in grey
FALLS, RISES = (230, 97, 1), (94, 60, 153)  # orange and purple: told apart by the colour-blind (ColorBrewer PuOr)
SMALLEST_CHANGE = 0.01  # of the score: smaller ones are not blown up to the full colour


class WhyValues(NamedTuple):
    """What the button changes: the components, or their values."""

    status: Any = ""
    faces: Any = ""


@dataclass(frozen=True)
class WhyView:
    """The components of the fold-out."""

    start: gr.Button
    shown: WhyValues


def build() -> WhyView:
    """Lay out the fold-out."""
    with gr.Accordion("Why this score?", open=False, elem_id="why"):
        gr.HTML(f'<p class="quiet">{EXPLAINED}</p>')
        start = gr.Button("Hide parts of both faces", elem_id="why-start")
        status = gr.HTML(elem_id="why-status", padding=False)
        faces = gr.HTML(elem_id="why-faces", padding=False)
    return WhyView(start, WhyValues(status, faces))


def wire(view: WhyView, models: PerSession, first: gr.State, second: gr.State, model: gr.Dropdown) -> None:
    """Connect the button; another model empties the fold-out."""
    view.start.click(bound(explain, models), [first, second, model], list(view.shown), **QUIET, **LONG)
    empty_after(view, model.input)


def empty_after(view: WhyView, event: Callable[..., Any]) -> None:
    """Empty the fold-out after something that makes it outdated; `event` is a component's event or an event's then."""
    event(None, None, list(view.shown), js="() => ['', '']", api_visibility="private")


def explain(
    models: Mapping[str, Embedder], first: Seen, second: Seen, model: str, request: gr.Request | None = None
) -> Iterator[WhyValues]:
    """Progress while parts are hidden, then both crops with what was lost drawn over them."""
    if not (first and second):
        yield WhyValues(notices_html([NO_PHOTOS]))
        return
    embedder = models[model]

    def work(report: Report) -> Occlusion:
        one, other = ([photo.shot() for photo in side] for side in (first, second))
        return occlude(embedder, *best_crops(embedder, one, other), report)

    try:
        found = yield from follow_shown(WhyValues, work, request)
        words = most_words(found) + (SEVERAL if len(first) + len(second) > 2 else "")
        yield WhyValues(f'<p role="status">{escape(words)}</p>', faces_html(found))
    except UserError as error:
        yield WhyValues(notices_html([str(error)]))
    except Stopped:
        return


def faces_html(found: Occlusion) -> str:
    """Both crops with their maps, and one scale for both."""
    maps = found.maps
    most = max(SMALLEST_CHANGE, *(float(abs(each).max()) for each in maps))
    figures = "".join(_figure(name, crop, each, most) for name, crop, each in zip("AB", found.crops, maps, strict=True))
    return f'<div class="why-faces">{figures}</div>{_scale(most)}'


def _figure(name: str, crop: Image.Image, falls: np.ndarray, most: float) -> str:
    most_there = (
        f"the score falls most where {_where(falls)} is hidden" if falls.max() > 0 else "no part lowers the score"
    )
    alt = f"The crop of person {name}: {most_there}"
    picture = overlay(crop, falls, most)
    return f'<figure><img src="{data_uri(picture)}" alt="{escape(alt)}"><figcaption>Person {name}</figcaption></figure>'


def overlay(crop: Image.Image, falls: np.ndarray, most: float) -> Image.Image:
    """The crop in grey with falls (size, size) of the score in orange and rises in purple; full colour at `most`."""
    share = Image.fromarray((np.clip(falls / most, -1, 1) * STRONGEST).astype(np.float32))
    share = np.asarray(share.resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BILINEAR))[..., None]
    grey = np.asarray(crop.convert("L").convert("RGB").resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC))
    colour = np.where(share > 0, np.array(FALLS), np.array(RISES))
    return Image.fromarray((grey * (1 - abs(share)) + colour * abs(share)).round().astype(np.uint8))


def _where(falls: np.ndarray) -> str:
    """'the middle', 'the upper left': in which ninth of the crop the greatest fall lies."""
    row, column = np.unravel_index(np.argmax(falls), falls.shape)
    down, across = (("upper", "", "lower")[3 * row // len(falls)], ("left", "", "right")[3 * column // len(falls)])
    return f"the {' '.join(word for word in (down, across) if word) or 'middle'}"


def _scale(most: float) -> str:
    return (
        '<div class="why-scale"><span class="bar"></span><p class="quiet">'
        f"<span>rises by {most:.2f}</span><span>no change</span><span>falls by {most:.2f}</span></p>"
        '<p class="quiet">Change of the score when the part is hidden: the mean of all squares that hide a place.</p>'
        "</div>"
    )
