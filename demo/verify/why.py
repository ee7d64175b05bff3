"""The fold-out "Why this score?" of Verify, about the photos of both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.common.handlers import LONG, QUIET, PerSession, bound
from demo.common.notices import notices_html
from demo.common.why_score import EXPLAINED, Crops, WhyValues, explained
from demo.verify.photos import Seen
from sfpn.network.embedders import Embedder
from sfpn.verification.occlusion import best_crops

SEVERAL = " Of several photos a side these two, the most alike, were taken."
NO_PHOTOS = "Give a photo of either person first."


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

    def crops() -> Crops:
        one, other = ([photo.shot() for photo in side] for side in (first, second))
        return best_crops(embedder, one, other)

    yield from explained(embedder, crops, request, SEVERAL if len(first) + len(second) > 2 else "")
