"""Registers the public endpoints: the only handlers of the app that are listed, and meant to be called by others.

Their docstrings are the manual: Gradio shows them on its API page, and an agent reads them as descriptions of tools.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import api

from demo.api.faces import detect, embed
from demo.api.photo_argument import PhotoArgument
from demo.api.reports import pose_errors, worst_pairs
from demo.api.samples import search_samples
from demo.api.verify import verify
from demo.common.dataset_view import DatasetView
from demo.common.handlers import ONE_AT_A_TIME, bound
from demo.common.words import titled
from demo.loaded import Loaded
from sfpn.verification.decision import DEFAULT_FMR

NAMES = ("verify", "detect", "embed", "search_samples", "pose_errors", "worst_pairs")


def build(loaded: Loaded, view: DatasetView | None) -> None:
    """Register all endpoints in the page that is being built; none of them is seen on it."""
    model = loaded.default_model
    with gr.Row(visible=False):
        sides = [PhotoArgument(label=label, file_count="multiple") for label in ("photos_a", "photos_b")]
        _with_photos(
            _documented(verify, loaded.models, loaded.detector),
            [*sides, gr.Textbox(model, label="model"), gr.Number(DEFAULT_FMR, label="fmr")],
        )
        _with_photos(_documented(detect, loaded.detector), [PhotoArgument(label="photo")])
        _with_photos(
            _documented(embed, loaded.models, loaded.detector),
            [PhotoArgument(label="photo"), gr.Textbox(model, label="model"), gr.Number(0, label="face", precision=0)],
        )
    reports = titled(loaded.reports)
    api(_documented(search_samples, view))
    api(_documented(pose_errors, reports))
    api(_documented(worst_pairs, reports, view))


def _with_photos(function: Callable[..., dict], inputs: list) -> None:
    """Photos need the detector, which works for one visitor at a time."""
    name = getattr(function, "__name__", "")
    gr.Button().click(function, inputs, gr.JSON(label=name), api_name=name, **ONE_AT_A_TIME)


def _documented(function: Callable[..., Any], *given: Any) -> Callable[..., Any]:
    handler = bound(function, *given)
    handler.__doc__ = unfolded(function.__doc__ or "")
    signature: Any = inspect.signature(handler)
    handler.__signature__ = signature.replace(return_annotation=dict)  # pyright: ignore[reportFunctionMemberAccess]
    return handler


def unfolded(docstring: str) -> str:
    r"""The docstring with every argument on one line, as Gradio reads it: it drops what is on further lines.

    >>> print(unfolded("Look.\nArgs:\n    a: one\n        word."))
    Look.
    <BLANKLINE>
    Args:
        a: one word.
    """
    head, *rest = re.split(r"\n\s*(?=(?:Args|Returns):\n)", docstring)
    sections = []
    for section in rest:
        title, *lines = section.splitlines()
        joined: list[str] = []
        for line in filter(str.strip, lines):
            starts = title == "Args:" and re.match(r"\s*\w+: ", line) and _indent(line) == _indent(lines[0])
            if starts or not joined:
                joined.append("    " + line.strip())
            else:
                joined[-1] += " " + line.strip()
        sections.append("\n".join([title, *joined]))
    return "\n\n".join([head.rstrip(), *sections])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
