"""Example pairs for the demo: one genuine and one impostor comparison of each kind of pose, by row id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from sfpn.files import write_text
from sfpn.schema import POSE_LABELS

KINDS = (
    ("frontal", "frontal", True),
    ("frontal", "three_quarter", True),
    ("frontal", "profile", True),
    ("three_quarter", "profile", True),
    ("frontal", "frontal", False),
    ("frontal", "three_quarter", False),
    ("frontal", "profile", False),
    ("profile", "profile", False),
)
CLEAR = 0.99  # detector confidence


def save_examples(rows: list[dict[str, Any]], file: Path) -> None:
    """Write a list of {label, a, b, same, title, first, second}; `first` and `second` are sides, lists of row ids.

    Every pair shows people that no pair before it showed, while there are any.
    """
    clear = [row for row in rows if row["box_xyxy"] is not None and row["quality"] >= CLEAR]
    used: set[str] = set()
    pairs = []
    for first, second, same in KINDS:
        found = next(_fitting(clear, first, second, same, used), None)
        if found is None:
            continue
        used |= {row["identity"] for row in found}
        people = "same person" if same else "different people"
        label = f"{POSE_LABELS[first]} vs {POSE_LABELS[second]}, {people}"
        a, b = (row["row_id"] for row in found)
        pairs.append({"label": label, "a": a, "b": b, "same": same, "title": label, "first": [a], "second": [b]})
    write_text(json.dumps(pairs, indent=1) + "\n", file)


def _fitting(rows: list[dict[str, Any]], first: str, second: str, same: bool, used: set[str]) -> Iterator[tuple]:
    """Pairs of different pictures with those poses whose detector agrees with the drawing; unused people first."""
    good = [row for row in rows if row["pose_estimated"] == row["pose"]]
    for fresh in (True, False):
        free = [row for row in good if not fresh or row["identity"] not in used]
        for a, b in product((r for r in free if r["pose"] == first), (r for r in free if r["pose"] == second)):
            if a["row_id"] != b["row_id"] and (a["identity"] == b["identity"]) == same:
                yield a, b
