"""Pairs of pictures of the dataset as buttons, for demo.common.clickable.

A click gives the pair's two row_ids, to open it (select) or to tell why it has its score (expand).
"""

from __future__ import annotations

import json
from html import escape

import pandas as pd

from demo.common.dataset_view import DatasetView
from demo.common.words import angles, pose_label

WHY = "Hide parts of both faces: what does this score rest on?"


def pairs_html(view: DatasetView | None, pairs: pd.DataFrame) -> str:
    """`pairs` has row_id_a, row_id_b, score, acquired. A pair without pictures in `view` is shown by its row_ids."""
    if pairs.empty:
        return '<p class="quiet">None.</p>'
    if view is None:
        return f'<ol class="pair-names">{"".join(f"<li>{_names(pair)}</li>" for pair in pairs.itertuples())}</ol>'
    return f'<div class="pairs">{"".join(_tile(view, pair) for pair in pairs.itertuples())}</div>'


def _names(pair) -> str:
    return f"<code>{escape(pair.row_id_a)}</code> · <code>{escape(pair.row_id_b)}</code> <b>{pair.score:.3f}</b>"


def _tile(view: DatasetView, pair) -> str:
    if pair.row_id_a in view and pair.row_id_b in view:
        return _button(view, pair)
    return f'<div class="absent" title="not in the loaded dataset">{_names(pair)}</div>'


def _button(view: DatasetView, pair) -> str:
    target = escape(json.dumps([pair.row_id_a, pair.row_id_b]))
    pictures = "".join(
        f'<img src="{view.address(row_id)}" loading="lazy" alt="{escape(row_id)}">'
        for row_id in (pair.row_id_a, pair.row_id_b)
    )
    poses = " · ".join(_pose(view, row_id) for row_id in (pair.row_id_a, pair.row_id_b))
    failed = "" if pair.acquired else ' <em title="in one of the two, no face was found">no face found</em>'
    title = escape(f"{pair.row_id_a} and {pair.row_id_b}: open in Verify")
    return (
        f'<div class="pair"><button type="button" data-select="{target}" title="{title}"><span class="two">{pictures}'
        f"</span><span><b>{pair.score:.3f}</b>{failed}<br>{poses}</span></button>"
        f'<button type="button" class="why" data-expand="{target}" title="{WHY}">why?</button></div>'
    )


def _pose(view: DatasetView, row_id: str) -> str:
    row = view.rows.loc[row_id]
    return escape(f"{pose_label(row['pose'])}{angles(row['yaw_degrees'], row['pitch_degrees'])}")
