"""What the Pose errors tab shows: which report, which of its rates, which cell; chosen here, used by all its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.common.handlers import offer_kept
from demo.common.words import label_of, pair_names
from demo.pose_errors.compute import NO_OTHER
from demo.pose_errors.hardest import PAIRS_SHOWN
from sfpn.evaluation.report import Report
from sfpn.reporting.views import EER, METRICS, TREATMENTS, size_words
from sfpn.schema import pair_key

FIRST_CELL = ("frontal", "profile")  # opens first, where the report has it


@dataclass(frozen=True)
class Choice:
    """The components that say what is shown: reports, View, and the cell."""

    report: gr.Dropdown
    other: gr.Dropdown
    metric: gr.Radio
    size: gr.Radio
    treatment: gr.Radio
    pair: gr.Dropdown
    count: gr.Radio
    opened: Callable[..., Any]  # the event of the tab's first opening


def build_choice(named: Mapping[str, Report], opened: Callable[..., Any]) -> Choice:
    """Lay out the choice of report and rates; the cell's is rendered where the cell is shown."""
    first = next(iter(named.values()))
    look: dict[str, Any] = {"filterable": False, "min_width": 300}
    with gr.Row():
        report = gr.Dropdown(
            list(named), value=next(iter(named)), label="Report (model · dataset · protocol)", elem_id="report", **look
        )
        other = gr.Dropdown([NO_OTHER, *named], value=NO_OTHER, label="Compare with", elem_id="other-report", **look)
    with gr.Row():
        metric = gr.Radio(
            list(METRICS.items()), value=EER, label="Error rate", elem_id="metric", scale=4, min_width=300
        )
        size = gr.Radio(size_choices(first), value=1, label="Images per side", elem_id="template-size", scale=2)
        treatment = gr.Radio(
            list(TREATMENTS.items()),
            value="whole_image",
            label="Images in which no face was found are",
            elem_id="treatment",
            scale=4,
            min_width=300,
        )
    pair = gr.Dropdown(
        pair_choices(first),
        value=first_pair(first),
        label="Cell (pose pair)",
        elem_id="pose-pair",
        render=False,
        **look,
    )
    count = gr.Radio(
        list(PAIRS_SHOWN), value=PAIRS_SHOWN[0], label="Hardest pairs of each kind", elem_id="pair-count", render=False
    )
    return Choice(report, other, metric, size, treatment, pair, count, opened)


def list_reports(named: Mapping[str, Report], name: str, other: str) -> tuple:
    """(report, other): the choices as they are now; what is chosen stays as long as it is there."""
    known = list(named)
    return offer_kept(known, name, known[0]), offer_kept([NO_OTHER, *known], other, NO_OTHER)


def offer(named: Mapping[str, Report], name: str, size: int | str, key: str) -> tuple:
    """Template sizes and pose pairs of another report, keeping what was chosen where it has that."""
    report = named[name]
    return offer_kept(size_choices(report), size, 1), offer_kept(pair_choices(report), key, first_pair(report))


def size_choices(report: Report) -> list[tuple[str, int | str]]:
    """What a report offers for 'images per side'."""
    return [(size_words(size), size) for size in report.template_sizes()]


def pair_choices(report: Report) -> list[tuple[str, str]]:
    """The pose pairs of a report, e.g. ('F-P: frontal vs profile', 'frontal-profile')."""
    return [(f"{label_of(key)}: {pair_names(key)}", key) for key in map(pair_key, report.pose_pairs())]


def first_pair(report: Report) -> str | None:
    """The cell that opens first."""
    pairs = report.pose_pairs()
    return pair_key(FIRST_CELL if FIRST_CELL in pairs or not pairs else pairs[0])
