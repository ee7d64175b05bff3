"""Why two crops have their score: squares of either are hidden, and what the score loses is drawn over it.

For the fold-outs of Verify and of the pairs in Pose errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from demo.common.jobs import Stopped, follow_shown
from demo.common.notices import notices_html
from demo.common.pictures import data_uri
from sfpn.errors import UserError
from sfpn.network.embedders import Embedder
from sfpn.progress import StageProgress
from sfpn.verification.occlusion import Occlusion, most_words, occlude

EXPLAINED = (
    "Hides one square after the other of either face with grey, and measures how much the score falls. <b>It shows "
    "what this network's score of these two crops rests on</b>; it does not show where two people look alike, nor "
    "whether the decision is right."
)
CAPTIONS = ("Person A", "Person B")
SHOWN_SIDE = 226  # px
STRONGEST = 0.8  # share of the colour where the change is greatest; the rest is the crop in grey
FALLS, RISES = (230, 97, 1), (94, 60, 153)  # orange and purple: told apart by the colour-blind (ColorBrewer PuOr)
SMALLEST_CHANGE = 0.01  # of the score: smaller ones are not blown up to the full colour
Crops = tuple[Image.Image, Image.Image]


class WhyValues(NamedTuple):
    """What an explanation changes: the components, or their values."""

    status: Any = ""
    faces: Any = ""


def explained(
    embedder: Embedder,
    crops: Callable[[], Crops],
    request: gr.Request | None,
    words: str = "",
    captions: tuple[str, str] = CAPTIONS,
) -> Iterator[WhyValues]:
    """Progress while parts of the two crops are hidden, then both with what was lost drawn over them.

    crops: gives them, in the thread of the job. words: put after the sentence about the score.
    """

    def work(progress: StageProgress) -> Occlusion:
        return occlude(embedder, *crops(), progress)

    try:
        found = yield from follow_shown(WhyValues, work, request)
        yield WhyValues(f'<p role="status">{escape(most_words(found) + words)}</p>', faces_html(found, captions))
    except UserError as error:
        yield WhyValues(notices_html([str(error)]))
    except Stopped:
        return


def faces_html(found: Occlusion, captions: tuple[str, str] = CAPTIONS) -> str:
    """Both crops with their maps, and one scale for both."""
    maps = found.maps
    most = max(SMALLEST_CHANGE, *(float(abs(each).max()) for each in maps))
    figures = "".join(_figure(*each, most) for each in zip("AB", captions, found.crops, maps, strict=True))
    return f'<div class="why-faces">{figures}</div>{_scale(most)}'


def _figure(name: str, caption: str, crop: Image.Image, falls: np.ndarray, most: float) -> str:
    most_there = (
        f"the score falls most where {_where(falls)} is hidden" if falls.max() > 0 else "no part lowers the score"
    )
    alt = f"The crop of {name}: {most_there}"
    picture = data_uri(overlay(crop, falls, most))
    return f'<figure><img src="{picture}" alt="{escape(alt)}"><figcaption>{escape(caption)}</figcaption></figure>'


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
