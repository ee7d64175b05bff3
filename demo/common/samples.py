"""Samples of the loaded dataset, in whichever tab they are shown: what a click opens, and a selection as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence

import gradio as gr

from demo.common import events
from demo.common.dataset_view import DatasetView
from demo.common.links import EXPLORE, VERIFY, goto, opened


def open_clicked(view: DatasetView, event: gr.EventData) -> tuple:
    """(tab, pair, sample) of a click on a thumbnail or on 'compare'."""
    what, *row_ids = events.texts(events.detail(event, "index"), 2, 3)
    if not all(row_id in view for row_id in row_ids):
        raise gr.Error("This picture is not in the loaded dataset.", print_exception=False)
    if what == "pair" and len(row_ids) == 2:
        return goto(VERIFY), opened(tuple(row_ids)), gr.skip()
    return goto(EXPLORE), gr.skip(), opened(row_ids[0])


def selection_csv(view: DatasetView, row_ids: Sequence[str]) -> tuple[str, bytes]:
    """(file name, CSV) of all columns of the chosen rows; lists as JSON."""
    chosen = view.rows.loc[list(row_ids)].drop(columns="detected")
    for name in ("box_xyxy", "landmarks_xy"):
        chosen[name] = [
            None if value is None else json.dumps([round(float(v), 2) for v in value]) for value in chosen[name]
        ]
    return "selection.csv", chosen.to_csv(index=False).encode()
