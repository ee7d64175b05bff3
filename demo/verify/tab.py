"""The Verify tab: two sides of photos, the faces found, the score among those of its pose pair, and a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.handlers import COMPARING, QUIET, SKIP, PerSession, bound
from demo.common.links import Links, Opened
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.examples import examples_html
from demo.loaded import Loaded
from demo.verify import lost, why
from demo.verify.photos import Seen, add_photos
from demo.verify.result import (
    WAITING,
    Result,
    axis_figure,
    axis_title,
    compare_photos,
    has_thresholds,
    model_markdown,
    poses_html,
    rule_of,
    score_html,
    score_photos,
    summarize,
    threshold_range,
    verdict_html,
)
from demo.verify.result_view import JudgedValues, MovedValues, ResultValues, ResultView, build_result
from demo.verify.side import SIDE_HINT, UNCHANGED, SideView, build_side, show, wire_side
from sfpn.data.dataset import FaceDataset, Picture
from sfpn.errors import UserError
from sfpn.network.card import Card
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector
from sfpn.verification.decision import DecisionRule

PRIVACY = (
    "Your photos are deleted from the disk as soon as they have been read into memory, and forgotten when you remove "
    "them: with all results five minutes after you close this page, or two hours after your last click. An upload that "
    "was broken off goes within ten minutes. Nothing is sent elsewhere: no telemetry, no sharing. "
    "Made to study verification across poses, not to identify people."
)
PROGRAM = """
```python
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")  # this page's address
client.predict([handle_file("a.jpg")], [handle_file("b.jpg")], {model}, 0.001, api_name="/verify")
```
Each side is a list of 1 to 10 photos of one person; then the model and the target FMR. The answer is one object with
`score`, `threshold`, `match`, `pose_pair`, `fmr`, `fnmr`, their counts, `model` and both `faces`; a photo that cannot
be used is named in the error. *Use via API* at the foot of the page lists the other endpoints. On the command line:
`python -m sfpn verify a.jpg b.jpg --json`.
"""
BothSides = tuple[Any, ...]  # the SideValues of one side, then those of the other


def build(loaded: Loaded, links: Links, sets: Sets) -> None:
    """Lay out and wire the tab."""
    first, second = _build_sides()
    examples = Clickable(examples_html(loaded.examples), elem_id="examples", visible=bool(loaded.examples))
    view, model, fmr = build_result(loaded, links, sets.own_models)
    models = sets.own_models.here
    reasons = why.build()
    turned = lost.build()
    _explain_endpoint(loaded.default_model)
    gr.HTML(f'<p class="quiet">{PRIVACY}</p>')

    run = {
        "fn": bound(compare, models, loaded.detector),
        "inputs": [first.photos, second.photos, model, fmr, view.threshold],
        "outputs": view.shown,
        "show_progress_on": view.verdict,
        "api_visibility": "private",
        **COMPARING,
    }

    def compare_second(event: Dependency) -> None:
        event.then(**run)
        why.empty_after(reasons, event.then)

    def compare_and_empty(event: Dependency) -> None:
        compare_second(event)
        lost.empty_after(turned, event.then)

    wire_side(first, loaded.detector, compare_and_empty)
    wire_side(second, loaded.detector, compare_second)
    model.input(**run)
    _wire_threshold(models, view, fmr)
    lost.wire(turned, models, loaded.detector, first.photos, model, fmr)
    why.wire(reasons, models, first.photos, second.photos, model)
    both = {"outputs": [*first.shown, *second.shown], "api_visibility": "private", **COMPARING}
    compare_and_empty(examples.select(bound(open_example, loaded), None, **both))
    dataset = sets.dataset if sets.bundled else None
    compare_and_empty(links.pair.change(bound(open_pair, loaded.detector, dataset), links.pair, **both))


def _build_sides() -> list[SideView]:
    sides = []
    with gr.Row(equal_height=False):
        for name in ("a", "b"):
            with gr.Column(min_width=300):
                sides.append(build_side(f"Person {name.upper()}", SIDE_HINT, name))
    return sides


def _explain_endpoint(model: str) -> None:
    with gr.Accordion("Use it from a program", open=False):
        gr.Markdown(PROGRAM.format(model=json.dumps(model).replace("`", "")))


def _wire_threshold(models: PerSession, view: ResultView, fmr: gr.Radio) -> None:
    fmr.input(bound(judge, models), [view.result, fmr], view.judged, **QUIET)
    view.threshold.input(
        bound(move_threshold, models),
        [view.result, view.threshold],
        list(MovedValues(view.notice, view.verdict, view.poses, view.title, view.chart, view.as_json, fmr)),
        trigger_mode="always_last",
        **QUIET,
    )


def compare(
    models: Mapping[str, Embedder],
    detector: FaceDetector,
    first: Seen,
    second: Seen,
    model: str,
    fmr: float | None,
    threshold: float,
) -> ResultValues:
    """The result once both sides have a photo, at a target FMR or, if that is None, at a threshold."""
    card = models[model].card
    if not (first and second):
        return ResultValues(verdict=WAITING, about=model_markdown(card, models[model].backend))
    try:
        if not has_thresholds(card):
            return _score_alone(models, detector, first, second, model)
        comparison = compare_photos(models, detector, first, second, model, fmr)
        result = summarize(model, comparison)
        rule = comparison.rule if fmr is not None else rule_of(card, result, None, threshold)
        judged = _judged(card, result, rule)
    except UserError as error:
        return ResultValues(notice=notices_html([str(error)]))
    return ResultValues(
        result=result,
        details=gr.update(visible=True),
        crops=result.crops,
        about=model_markdown(card, models[model].backend, result.seconds),
        **judged._asdict(),
    )


def _score_alone(
    models: Mapping[str, Embedder], detector: FaceDetector, first: Seen, second: Seen, model: str
) -> ResultValues:
    """The score under a model whose card has no operating points. Raises UserError."""
    result = score_photos(models, detector, first, second, model)
    return ResultValues(
        result=result,
        verdict=score_html(result),
        details=gr.update(visible=True),
        crops=result.crops,
        poses=result.heads,
        axis=gr.update(visible=False),
        about=model_markdown(models[model].card, models[model].backend, result.seconds),
        as_json=result.record,
    )


def judge(
    models: Mapping[str, Embedder], result: Result | None, fmr: float | None, threshold: float = 0.0
) -> JudgedValues:
    """A comparison at the frozen point of a target FMR, or at a threshold if that is None."""
    if result is None:
        return JudgedValues(verdict=WAITING)
    card = models[result.model].card
    if not has_thresholds(card):
        return JudgedValues(*[SKIP] * len(JudgedValues._fields))
    try:
        return _judged(card, result, rule_of(card, result, fmr, threshold))
    except UserError as error:
        return JudgedValues(notice=notices_html([str(error)]))


def _judged(card: Card, result: Result, rule: DecisionRule) -> JudgedValues:
    """What the page shows of a rule. Raises UserError if the card has no histogram."""
    low, high, step = threshold_range(card, rule)
    return JudgedValues(
        verdict=verdict_html(card, result, rule),
        poses=poses_html(card, result, rule),
        title=axis_title(card, rule),
        chart=axis_figure(card, result, rule),
        threshold=gr.update(minimum=low, maximum=high, step=step, value=round(rule.point.threshold, 4)),
        as_json=result.as_json(card, rule),
    )


def move_threshold(models: Mapping[str, Embedder], result: Result | None, threshold: float) -> MovedValues:
    """A comparison at a threshold set by hand."""
    judged = judge(models, result, None, threshold)
    return MovedValues(judged.notice, judged.verdict, judged.poses, judged.title, judged.chart, judged.as_json)


def open_example(loaded: Loaded, event: gr.EventData) -> BothSides:
    """Both sides of the clicked example."""
    example = loaded.examples[events.place(events.detail(event, "index"), len(loaded.examples))]
    return _show_both(loaded.detector, example.first, example.second)


def open_pair(detector: FaceDetector, dataset: FaceDataset | None, pair: Opened | None) -> BothSides:
    """Both sides of a pair of row_ids of the dataset."""
    if pair is None:
        return *UNCHANGED, *UNCHANGED
    first, second = pair.value
    found = {picture.row_id: picture for picture in dataset.pictures({first, second})} if dataset else {}
    missing = [f"{row_id}: no such picture in the dataset" for row_id in (first, second) if row_id not in found]
    if missing:
        return *show((), missing[:1]), *show((), missing[1:])
    return _show_both(detector, [found[first]], [found[second]])


def _show_both(detector: FaceDetector, first: Sequence[Picture], second: Sequence[Picture]) -> BothSides:
    """Both sides with pictures of a dataset."""
    one, other = ([(picture.row_id, picture.encoded) for picture in side] for side in (first, second))
    return *show(*add_photos(detector, (), one)), *show(*add_photos(detector, (), other))
