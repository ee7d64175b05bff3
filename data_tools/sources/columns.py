"""Rows of any table -> items, through a column mapping: what `folder` (CSV, Parquet) and `hub` share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from data_tools.sources.base import Item, Problem
from sfpn.errors import UserError
from sfpn.schema import POSES

REQUIRED = ("image", "identity")
Pictures = Callable[[str], Callable[[], bytes]]  # a path in a table -> what reads that picture; raises OSError then


@dataclass(frozen=True)
class Columns:
    """The table's name of each of our columns."""

    image: str = "image"
    identity: str = "identity"
    row_id: str = "row_id"
    pose: str = "pose"
    yaw_degrees: str = "yaw_degrees"
    template: str = "template"
    split: str = "split"


def parse_columns(words: list[str]) -> Columns:
    """Columns from words such as 'image=img' and 'identity=person'. Raises UserError for an unknown name."""
    names = [field.name for field in fields(Columns)]
    given = {ours: theirs for ours, _, theirs in (word.partition("=") for word in words)}
    for ours, theirs in given.items():
        if ours not in names or not theirs:
            raise UserError(f"--columns {ours}={theirs}: write OURS=THEIRS with OURS one of {', '.join(names)}")
    return Columns(**given)


def require_columns(present: list[str], columns: Columns, table: str) -> None:
    """Raises UserError when the table lacks the image or identity column, or one that was named explicitly."""
    for field in fields(Columns):
        theirs = getattr(columns, field.name)
        if theirs not in present and (field.name in REQUIRED or theirs != field.name):
            raise UserError(
                f"{table} has no column {theirs!r} for {field.name}; it has {', '.join(present)}: "
                f"name the right one with --columns {field.name}=..."
            )


def item_from_row(row: dict[str, Any], columns: Columns, *, pictures: Pictures, default_id: str) -> Item | Problem:
    """One table row as an item.

    Args:
        row: the image cell is encoded bytes, a `{"bytes": ..., "path": ...}` or a path.
        pictures: finds the picture of a path.
        default_id: the row id where the table has none; also names the row in the ledger.
    """
    cell = {
        field.name: _text(row.get(getattr(columns, field.name))) for field in fields(Columns) if field.name != "image"
    }
    row_id = cell["row_id"] or default_id
    image = row.get(columns.image)
    path, content = (image.get("path"), image.get("bytes")) if isinstance(image, dict) else (None, image)
    path = path or (content if isinstance(content, str) else None)
    if cell["identity"] is None:
        return Problem(path or default_id, "no identity in this row", row_id)
    if not (path or isinstance(content, bytes)):
        return Problem(default_id, "no image in this row", row_id)
    read = partial(bytes, content) if isinstance(content, bytes) else pictures(str(path))
    pose, yaw, note = _labels(cell["pose"], cell["yaw_degrees"])
    return Item(row_id, cell["identity"], path or default_id, read, pose, yaw, cell["template"], cell["split"], note)


def files_below(base: Path) -> Pictures:
    """Pictures that are files, relative paths being below `base`; they may be written as Windows does."""

    def read(path: str) -> Callable[[], bytes]:
        file = base / path
        turned = "\\" in path and not file.is_file()
        return partial(Path.read_bytes, base / path.replace("\\", "/") if turned else file)

    return read


def _text(value: Any) -> str | None:
    if value is None or value == "" or isinstance(value, float) and math.isnan(value):
        return None
    return str(value)


def _labels(pose: str | None, yaw: str | None) -> tuple[str | None, float | None, str | None]:
    """Given pose and yaw where they can be used, and a note about what cannot."""
    notes = []
    if pose is not None and pose not in POSES:
        notes.append(f"pose {pose!r} is not one of {', '.join(POSES)}")
        pose = None
    try:
        degrees = None if yaw is None else float(yaw.replace(",", "."))  # as some countries write fractions
    except ValueError:
        degrees = math.nan
    if degrees is not None and not math.isfinite(degrees):
        notes.append(f"yaw_degrees {yaw!r} is not a finite number")
        degrees = None
    return pose, degrees, "; ".join(notes) or None
