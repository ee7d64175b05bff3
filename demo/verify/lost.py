"""The fold-out "At what angle do you lose me?": a frontal photo's face, turned by computation, against the photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from demo.common.figures import GENUINE_LINE, NEUTRAL_LINE, finish
from demo.common.handlers import LONG, QUIET, PerSession, bound
from demo.common.jobs import Stopped, follow_shown
from demo.common.notices import notices_html
from demo.common.pictures import data_uri
from demo.common.plotly_view import PlotlyView
from demo.verify.photos import Seen
from sfpn.errors import UserError
from sfpn.network.card import Card
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector
from sfpn.progress import StageProgress
from sfpn.verification.decision import DEFAULT_FMR
from sfpn.verification.turned import YAWS_DEGREES, Turn, frontal_shot, lost_words, rule_turned, turn_and_compare

EXPLAINED = (
    "Takes one photo of person A that looks into the camera, turns its face by computation, and compares each turned "
    "face with the photo. <b>The turned faces are computed, not photographed</b>: they keep the light, the expression "
    "and the camera of the photo, so that a real photo from the same angle scores lower."
)
NO_PHOTO = "Give a photo of person A first."
THUMBNAIL = 96  # px
EMPTY = "() => ['', {visible: false, __type__: 'update'}, null, '']"  # the browser needs nobody for it
STEP = 2.5  # degrees of yaw between points of the threshold's curve


class LostValues(NamedTuple):
    """What the button changes: the components, or their values."""

    status: Any = ""
    room: Any = gr.update(visible=False)
    chart: Any = None
    faces: Any = ""


@dataclass(frozen=True)
class LostView:
    """The components of the fold-out."""

    start: gr.Button
    shown: LostValues


def build() -> LostView:
    """Lay out the fold-out."""
    with gr.Accordion("At what angle do you lose me?", open=False, elem_id="lost"):
        gr.HTML(f'<p class="quiet">{EXPLAINED}</p>')
        start = gr.Button("Turn the face of person A", elem_id="lost-start")
        status = gr.HTML(elem_id="lost-status", padding=False)
        with gr.Row(visible=False) as room:  # a figure that is hidden itself would come without its properties
            chart = PlotlyView(height=320, save=False, elem_id="lost-chart")
        faces = gr.HTML(elem_id="lost-faces", padding=False)
    return LostView(start, LostValues(status, room, chart, faces))


def wire(
    view: LostView, models: PerSession, detector: FaceDetector, photos: gr.State, model: gr.Dropdown, fmr: gr.Radio
) -> None:
    """Connect the button; another model empties the fold-out."""
    shown = list(view.shown)
    view.start.click(bound(turn, models, detector), [photos, model, fmr], shown, **QUIET, **LONG)
    empty_after(view, model.input)


def empty_after(view: LostView, event: Callable[..., Any]) -> None:
    """Empty the fold-out after something that makes it outdated; `event` is a component's event or an event's then."""
    event(None, None, list(view.shown), js=EMPTY, api_visibility="private")


def turn(
    models: Mapping[str, Embedder],
    detector: FaceDetector,
    photos: Seen,
    model: str,
    fmr: float | None,
    request: gr.Request | None = None,
) -> Iterator[LostValues]:
    """Progress while the face is turned, then the curve; the usual target FMR where the threshold was set by hand."""
    if not photos:
        yield LostValues(notices_html([NO_PHOTO]))
        return
    embedder, target = models[model], DEFAULT_FMR if fmr is None else fmr
    try:
        shot = frontal_shot([photo.shot() for photo in photos])

        def work(progress: StageProgress) -> list[Turn]:
            return turn_and_compare(embedder, detector, shot, target, progress)

        turns = yield from follow_shown(LostValues, work, request)
        yaw = shot.face.yaw_degrees
        yield LostValues(
            f'<p role="status">{escape(_sentence(turns, target))}</p>',
            gr.update(visible=True),
            figure(embedder.card, yaw, turns, target),
            faces_html(turns),
        )
    except UserError as error:
        yield LostValues(notices_html([str(error)]))
    except Stopped:
        return


def _sentence(turns: Sequence[Turn], target: float) -> str:
    unseen = [f"{turn.yaw_degrees:+.0f}" for turn in turns if turn.score is None]
    words = f"{lost_words(turns)} Threshold for 1 stranger in {round(1 / target):,}."
    if unseen:
        words += f" No face was found in the one turned to {', '.join(unseen)} degrees.".replace("-", "−")
    return words


def figure(card: Card, yaw_degrees: float, turns: Sequence[Turn], target: float) -> go.Figure:
    """Scores over the yaw of the turned face, with the threshold and the uncertain zone below it."""
    axis = np.arange(YAWS_DEGREES[0], YAWS_DEGREES[-1] + STEP / 2, STEP)
    rules = [rule_turned(card, yaw_degrees, float(yaw), target) for yaw in axis]
    thresholds, lower = [rule.point.threshold for rule in rules], [rule.uncertain_from for rule in rules]
    scored = [turn for turn in turns if turn.score is not None]
    dash = {"color": NEUTRAL_LINE, "dash": "dash", "width": 2}
    traces = [
        go.Scatter(x=axis, y=lower, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip"),
        go.Scatter(
            x=axis,
            y=thresholds,
            name="threshold, uncertain zone below",
            mode="lines",
            line=dash,
            fill="tonexty",
            fillcolor="rgba(140, 107, 177, 0.22)",
            hovertemplate="threshold %{y:.3f}<extra></extra>",
        ),
        go.Scatter(
            x=[turn.yaw_degrees for turn in scored],
            y=[turn.score for turn in scored],
            name="turned face against the photo",
            mode="lines+markers",
            line={"color": GENUINE_LINE, "width": 2},
            marker={"size": 8},
            hovertemplate="%{x:+d}°: score %{y:.3f}<extra></extra>",
        ),
    ]
    made = go.Figure(traces, {"template": go.layout.Template()})
    ticks = list(YAWS_DEGREES[::2]) if 0 in YAWS_DEGREES[::2] else list(YAWS_DEGREES[1::2])
    return finish(
        made,
        "lost",
        margin={"l": 48, "r": 12, "t": 12, "b": 44},
        dragmode=False,
        legend={"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"},
        xaxis={"title": {"text": "yaw of the turned face", "standoff": 4}, "tickvals": ticks, "ticksuffix": "°"}
        | {"fixedrange": True, "zeroline": False},
        yaxis={"title": {"text": "score (cosine)", "standoff": 4}, "fixedrange": True, "zeroline": False},
    )


def faces_html(turns: Sequence[Turn]) -> str:
    """The turned faces in the order of the curve, each with its angle and score."""
    figures = "".join(_face(turn) for turn in turns)
    return f'<div class="turned-faces">{figures}</div><p class="quiet">Computed pictures, not photographs.</p>'


def _face(turn: Turn) -> str:
    angle = f"{turn.yaw_degrees:+.0f}°".replace("+0", "0").replace("-", "−")
    words = "no face found" if turn.score is None else f"{turn.score:.2f}".replace("-", "−")
    verdict = "lost" if turn.is_lost else "match"
    alt = f"Computed face turned to {angle}: {words}, {verdict}"
    return (
        f'<figure class="{verdict}"><img src="{data_uri(turn.picture, THUMBNAIL)}" alt="{escape(alt)}">'
        f"<figcaption>{angle}<br>{words} {'✗' if turn.is_lost else '✓'}</figcaption></figure>"
    )
