"""Points of a figure that stand for rows of the loaded dataset, a hundred thousand of them too.

The page gets the position of each point's row as a number, and what is said of a hovered point as codes into lists of
words. It answers with positions, and the dataset's mark: a figure that was drawn of another dataset is told apart.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
import numpy as np

from demo.common import events
from demo.common.dataset_view import DatasetView
from demo.common.words import angles, degrees, pose_label

# Of points inside an outline: one of one identity, some of one, some of several. The page says it as well.
COUNTED = (
    "{rows} image of {identities} identity",
    "{rows} images of {identities} identity",
    "{rows} images of {identities} identities",
)


def counted_words(rows: int, identities: int, mark: str = "{}") -> str:
    """'1,200 images of 30 identities', with the rows in a mark; at least one each."""
    return COUNTED[min(rows - 1, 1) + min(identities - 1, 1)].format(
        rows=mark.format(f"{rows:,}"), identities=f"{identities:,}"
    )


def points_of(view: DatasetView) -> dict[str, Any]:
    """What `layout.meta["points"]` of a PlotlyView says of all rows: 'Ann, profile +42° ↑7°' in parts, by position."""
    rows = view.rows
    poses = rows["pose"].cat
    return {
        "of": view.mark,
        "count": len(rows),
        "counted": COUNTED,
        "thumbnail": "/" + view.addresses,
        "words": [
            _coded(rows["identity"].cat.categories, rows["identity"].cat.codes),
            _coded([f", {pose_label(str(pose))}" for pose in poses.categories], poses.codes),
            _angles(rows["yaw_degrees"].to_numpy(float), degrees),
            _angles(rows["pitch_degrees"].to_numpy(float), lambda pitch: angles(np.nan, pitch)),
        ],
    }


def _angles(column: np.ndarray, words: Callable[[float], str]) -> list:
    found, codes = np.unique(np.round(column), return_inverse=True)
    return _coded([words(angle) for angle in found], codes)


def _coded(words: Sequence[str], codes: Any) -> list:
    """[words, codes (N,)] with numbers as small as they can be."""
    return [list(words), np.asarray(codes).astype(np.min_scalar_type(len(words)))]


def clicked_row(view: DatasetView, event: gr.EventData) -> str:
    """The row_id of the point that was clicked. Raises gr.Error for a figure of another dataset."""
    _check_mark(view, event)
    return str(view.rows.index[events.place(events.detail(event, "value"), len(view.rows))])


def enclosed_rows(view: DatasetView, event: gr.EventData) -> np.ndarray:
    """The positions (n,) of the points inside a lasso, ascending. Raises gr.Error as `clicked_row`."""
    _check_mark(view, event)
    return np.flatnonzero(events.mask(events.detail(event, "chosen"), len(view.rows)))


def highlight_of(view: DatasetView, positions: np.ndarray) -> str:
    """The `highlight` of a PlotlyView for the rows at these positions (n,); "" for all or none of them."""
    if not 0 < len(positions) < len(view.rows):
        return ""  # Gradio would leave None out of an update
    chosen = np.zeros(len(view.rows), bool)
    chosen[positions] = True
    return base64.b64encode(np.packbits(chosen).tobytes()).decode()


def _check_mark(view: DatasetView, event: gr.EventData) -> None:
    if events.detail(event, "of") != view.mark:
        raise events.gone()
