"""The data card of a drawn dataset: what the other cards say, and how well the detector reads what was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_tools.card import card_counts, count_folder, save_card
from data_tools.ledger import Ledger

DESCRIPTION = (
    "People who do not exist, drawn by this project's own renderer (data_tools/synthetic): 3-D heads of random shape, "
    "skin, hair and age under random light. Yaw, pitch, roll and the five landmarks are exact (landmarks_xy holds the "
    "projected points of the model, hidden or not); box_xyxy, quality and pose_estimated are the detector's, null where "
    "it found no face."
)


def save_synthetic_card(
    folder: Path, rows: list[dict[str, Any]], command: str, detector: str | None, ledger: Ledger
) -> dict[str, Any]:
    """Write dataset.json and README.md for the shards in `folder` and return the card."""
    card = {
        "name": "synthetic",
        "title": "Synthetic people",
        "description": DESCRIPTION,
        "licence": "CC0-1.0 (drawn by this project's own code; no real person)",
        "citation": "this project",
        "url": "",
    }
    card |= card_counts(count_folder(folder))
    card |= {
        "detector": detector,
        "command": command,
        "ledger": ledger.counts(),
        "fingerprint": ledger.fingerprint(),
        "detected_per_pose": detection_table(rows),
    }
    save_card(folder, card)
    return card


def detection_table(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Pictures, and pictures whose face was found, by drawn pose."""
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = table.setdefault(row["pose"], {"images": 0, "found": 0})
        counts["images"] += 1
        counts["found"] += row["box_xyxy"] is not None
    return table
