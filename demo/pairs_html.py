"""Pairs of pictures of the dataset as buttons, for demo.clickable: a click gives the pair's two row_ids."""

from __future__ import annotations

import json
from html import escape

import pandas as pd

from demo.dataset_view import DatasetView
from sfpn.schema import POSE_LABELS


def pairs_html(view: DatasetView | None, pairs: pd.DataFrame) -> str:
    """`pairs` has row_id_a, row_id_b, score, acquired. Without the pictures, the names of the rows are shown."""
    if pairs.empty:
        return '<p class="quiet">None.</p>'
    shown = view is not None and pairs[["row_id_a", "row_id_b"]].isin(view.rows.index).all(axis=None)
    if shown:
        view.make_thumbnails([*pairs["row_id_a"], *pairs["row_id_b"]])
        return f'<div class="pairs">{"".join(_button(view, pair) for pair in pairs.itertuples())}</div>'
    lines = "".join(f"<li><code>{escape(p.row_id_a)}</code> · <code>{escape(p.row_id_b)}</code> <b>{p.score:.3f}</b></li>" for p in pairs.itertuples())
    return f'<ol class="pair-names">{lines}</ol>'


def _button(view: DatasetView, pair) -> str:
    target = escape(json.dumps([pair.row_id_a, pair.row_id_b]))
    pictures = "".join(f'<img src="{view.address(row_id)}" loading="lazy" alt="{escape(row_id)}">' for row_id in (pair.row_id_a, pair.row_id_b))
    poses = " · ".join(_pose(view, row_id) for row_id in (pair.row_id_a, pair.row_id_b))
    failed = "" if pair.acquired else ' <em title="in one of the two, no face was found">no face found</em>'
    title = escape(f"{pair.row_id_a} and {pair.row_id_b}: open in Verify")
    return f'<button type="button" data-select="{target}" title="{title}"><span class="two">{pictures}</span><span><b>{pair.score:.3f}</b>{failed}<br>{poses}</span></button>'


def _pose(view: DatasetView, row_id: str) -> str:
    row = view.rows.loc[row_id]
    yaw = "" if pd.isna(row["yaw_degrees"]) else f" {row['yaw_degrees']:+.0f}°"
    return f"{POSE_LABELS.get(row['pose'], row['pose'])}{yaw}"
