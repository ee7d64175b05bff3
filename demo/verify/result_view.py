"""Where the Verify tab shows a comparison: the layout, and what each event changes in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from demo.common.handlers import SKIP
from demo.common.links import Links
from demo.common.model_choice import build_choice
from demo.common.own_models import OwnModels
from demo.common.page import may_be_empty
from demo.common.plotly_view import PlotlyView
from demo.loaded import Loaded
from demo.verify.result import WAITING, model_markdown
from sfpn.evaluation.metrics import FMR_TARGETS
from sfpn.verification.decision import DEFAULT_FMR


class JudgedValues(NamedTuple):
    """What follows from a threshold: the components, or their values."""

    notice: Any = ""
    verdict: Any = ""
    poses: Any = ""
    title: Any = ""
    chart: Any = None
    threshold: Any = SKIP
    as_json: Any = None


class MovedValues(NamedTuple):
    """What follows from a threshold moved by hand, and the target FMR, which is then none."""

    notice: Any
    verdict: Any
    poses: Any
    title: Any
    chart: Any
    as_json: Any
    fmr: Any = None


class ResultValues(NamedTuple):
    """What a comparison changes: the fields of ResultView, or their values."""

    result: Any = None
    notice: Any = ""
    verdict: Any = ""
    details: Any = gr.update(visible=False)
    crops: Any = ""
    poses: Any = ""
    axis: Any = gr.update(visible=True)
    title: Any = ""
    chart: Any = None
    threshold: Any = SKIP
    about: Any = SKIP
    as_json: Any = None


@dataclass(frozen=True)
class ResultView:
    """The components that show a comparison, and the state that keeps it (Result or None)."""

    result: gr.State
    notice: gr.HTML
    verdict: gr.HTML
    details: gr.Row
    crops: gr.HTML
    poses: gr.HTML
    axis: gr.Column
    title: gr.HTML
    chart: PlotlyView
    threshold: gr.Slider
    about: gr.Markdown
    as_json: gr.JSON

    @property
    def shown(self) -> list:
        """What `compare` gives values for."""
        return list(ResultValues(**vars(self)))

    @property
    def judged(self) -> list:
        """What `judge` gives values for."""
        return [getattr(self, name) for name in JudgedValues._fields]


def build_result(loaded: Loaded, links: Links, models: OwnModels) -> tuple[ResultView, gr.Dropdown, gr.Radio]:
    """Lay out: (result, choice of the model, target FMR)."""
    result = gr.State(None)
    notice = gr.HTML(elem_id="notice")
    verdict = gr.HTML(WAITING, elem_id="verdict")
    with gr.Row(visible=False, equal_height=False) as details:
        with gr.Column(scale=2, min_width=260):
            gr.HTML('<p class="section-title">What the network sees</p>')
            crops = gr.HTML(elem_id="crops")
            gr.HTML('<p class="section-title">How both heads are turned</p>')
            poses = gr.HTML(elem_id="poses")
        with gr.Column(scale=5, min_width=300):
            with gr.Column() as axis:  # hidden for a model without thresholds
                title = gr.HTML(elem_id="axis-title")
                chart = PlotlyView(height=300, save=False, elem_id="score-axis")
                threshold = gr.Slider(
                    -1,
                    1,
                    value=0,
                    step=0.005,
                    label="Threshold: move it to see both error rates change",
                    elem_id="threshold",
                )
    model, fmr = _build_controls(links, models)
    with gr.Accordion("Model, speed and the result as JSON", open=False):
        shown = loaded.models[loaded.default_model]
        about = gr.Markdown(model_markdown(shown.card, shown.backend))
        as_json = gr.JSON(show_label=False, elem_id="result-json")
    return (
        ResultView(result, notice, verdict, details, crops, poses, axis, title, chart, threshold, about, as_json),
        model,
        fmr,
    )


def _build_controls(links: Links, models: OwnModels) -> tuple[gr.Dropdown, gr.Radio]:
    with gr.Row():
        model = build_choice(models, links, label="Model", elem_id="model", min_width=260)
        targets = [(f"1 in {round(1 / target):,}", target) for target in FMR_TARGETS]
        fmr = may_be_empty(  # it is after the threshold was moved by hand
            gr.Radio(
                targets,
                value=DEFAULT_FMR,
                label="Strangers accepted at most (target FMR)",
                elem_id="fmr",
                min_width=260,
            )
        )
    return model, fmr
