"""One sample and grids of samples as HTML for demo.common.clickable.

What a click gives: ["sample", row_id] or ["pair", a, b].
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from html import escape
from typing import Any

import pandas as pd
from PIL import Image

from demo.common.dataset_view import DatasetView, Row
from demo.common.pictures import data_uri
from demo.common.words import angles

TILE_POSES = {"three_quarter": "3/4"}
OF_TILES = ("identity", "pose", "yaw_degrees", "pitch_degrees", "detected")
NOT_SHOWN = ("box_xyxy", "landmarks_xy", "detected")


def grid_html(view: DatasetView, row_ids: Iterable[str]) -> str:
    """Thumbnails as buttons, each carrying its own row_id."""
    row_ids = list(row_ids)
    if not row_ids:
        return '<p class="quiet">No image fits these filters.</p>'
    rows = view.rows.loc[row_ids, list(OF_TILES)].to_dict("index")
    return f'<div class="grid">{"".join(_tile(view, row_id, rows[row_id]) for row_id in row_ids)}</div>'


def _tile(view: DatasetView, row_id: str, row: Row) -> str:
    mark = "" if row["detected"] else '<i title="no face found">∅</i>'
    return (
        f'<button type="button" data-select="{_target("sample", row_id)}" title="{escape(row_id)}">'
        f'<img src="{view.address(row_id)}" loading="lazy" alt="{escape(row_id)}">{mark}'
        f"<span>{escape(str(row['identity']))}<br>{pose_words(row)}</span></button>"
    )


def neighbours_html(view: DatasetView, row_id: str | None, neighbours: pd.DataFrame) -> str:
    """The most alike samples (row_id, score) with their scores; blue frame: the same identity, orange: another."""
    found = zip(neighbours["row_id"], neighbours["score"], strict=True)
    tiles = "".join(_neighbour(view, row_id, other, score) for other, score in found)
    return f'<div class="grid neighbours">{tiles}</div>'


def _neighbour(view: DatasetView, row_id: str | None, other: str, score: float) -> str:
    row, kind, words, compare = view.rows.loc[other], "", "", ""
    if row_id is not None:
        same = row["identity"] == view.rows.at[row_id, "identity"]
        kind, words = ("same", "same identity") if same else ("different", "another identity")
        compare = (
            f'<button type="button" class="compare" data-select="{_target("pair", row_id, other)}" '
            'title="Compare the two in Verify">compare</button>'
        )
    return (
        f'<div class="tile {kind}">'
        f'<button type="button" data-select="{_target("sample", other)}" title="{escape(other)}: {words}">'
        f'<img src="{view.address(other)}" loading="lazy" alt="{escape(other)}, {words}">'
        f"<span><b>{score:.3f}</b> {escape(str(row['identity']))}<br>{pose_words(row)}</span></button>{compare}</div>"
    )


def sample_html(row: Row, photo: Image.Image, crop: Image.Image | None) -> str:
    """The photo with its box and landmarks, the crop that the network gets, and all columns."""
    size = f"{photo.width} × {photo.height} px; {_found(row)}"
    whole = f"<figure>{_overlay(photo, row)}<figcaption>{size}</figcaption></figure>"
    seen = ""
    if crop is not None:
        picture = f'<img class="crop" src="{data_uri(crop)}" alt="crop">'
        seen = f"<figure>{picture}<figcaption>what the network sees</figcaption></figure>"
    lines = "".join(_line(str(name), value) for name, value in row.items() if name not in NOT_SHOWN)
    return f'<div class="sample">{whole}{seen}<table>{lines}</table></div>'


def pose_words(row: Row) -> str:
    """'3/4', and under it '+42° ↑7°', yaw and pitch where they are known, as HTML for a tile."""
    found = angles(row["yaw_degrees"], row["pitch_degrees"]).strip()
    pose = str(row["pose"])
    return escape(TILE_POSES.get(pose, pose)) + (f"<br>{escape(found)}" if found else "")


def _overlay(photo: Image.Image, row: Row) -> str:
    width, height = photo.size
    marks, stroke = "", max(width, height) / 130
    if row["box_xyxy"] is not None:
        left, top, right, bottom = row["box_xyxy"]
        marks = (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'stroke-width="{stroke:.2f}"/>'
        )
    if row["landmarks_xy"] is not None:
        points = row["landmarks_xy"]
        marks += "".join(
            f'<circle cx="{points[i]:.1f}" cy="{points[i + 1]:.1f}" r="{stroke * 1.1:.2f}"/>' for i in range(0, 10, 2)
        )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="photo with face box and landmarks">'
        f'<image href="{data_uri(photo, 480)}" width="{width}" height="{height}"/>{marks}</svg>'
    )


def _found(row: Row) -> str:
    if row["detected"]:
        return f"face found, confidence {row['quality']:.3f}"
    return "no face found: the network gets the whole image"


def _line(name: str, value: Any) -> str:
    return f"<tr><th>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>"


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _target(*parts: str) -> str:
    return escape(json.dumps(parts))
