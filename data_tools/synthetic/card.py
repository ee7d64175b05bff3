"""The data card of a drawn dataset: what the other cards say, and how well the detector reads what was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from data_tools.card import card_counts, count_folder, files_sha256, save_card
from data_tools.ledger import Ledger
from sfpn.schema import POSES

YAW_STEP = 5

DESCRIPTION = (
    "People who do not exist, drawn by this project's own renderer (data_tools/synthetic): 3-D heads of random shape, "
    "skin, hair and age under random light. Yaw, pitch, roll and the five landmarks are exact (landmarks_xy holds the "
    "projected points of the model, hidden or not); box_xyxy, quality and pose_estimated are the detector's, null "
    "where it found no face."
)


@dataclass(frozen=True)
class Drawn:
    """A picture's dataset row, and the yaw in degrees that the detector's landmarks give (None without a face)."""

    row: dict[str, Any]
    yaw_estimated: float | None


def save_synthetic_card(
    folder: Path, drawn: list[Drawn], command: str, made_by: dict[str, str | None], ledger: Ledger
) -> dict[str, Any]:
    """Write dataset.json and README.md for the shards in `folder` and return the card.

    made_by: the names of the "detector" and of the "pose_estimator".
    """
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
        **made_by,
        "command": command,
        "ledger": ledger.counts(),
        "fingerprint": ledger.fingerprint(),
        "files_sha256": files_sha256(folder),
        "detection": detection_table(drawn),
        "yaw_curve": yaw_curve(drawn),
    }
    save_card(folder, card)
    return card


def detection_table(drawn: list[Drawn]) -> dict[str, dict[str, float | None]]:
    """By drawn pose: pictures, faces found, and the median |estimated - true yaw| in degrees over the found ones."""
    return {pose: _summary([d for d in drawn if d.row["pose"] == pose]) for pose in POSES}


def yaw_curve(drawn: list[Drawn]) -> list[dict[str, float | None]]:
    """The same by |yaw| in steps of YAW_STEP degrees, with the median of the estimated |yaw|."""
    curve = []
    for low in range(0, 90, YAW_STEP):
        within = [d for d in drawn if low <= abs(d.row["yaw_degrees"]) < low + YAW_STEP]
        estimated = [abs(d.yaw_estimated) for d in within if d.yaw_estimated is not None]
        middle = round(median(estimated), 1) if estimated else None
        curve.append({"yaw_from": low, "yaw_to": low + YAW_STEP, **_summary(within), "median_estimated_yaw": middle})
    return [point for point in curve if point["images"]]


def _summary(drawn: list[Drawn]) -> dict[str, float | None]:
    errors = [abs(d.yaw_estimated - d.row["yaw_degrees"]) for d in drawn if d.yaw_estimated is not None]
    return {
        "images": len(drawn),
        "found": len(errors),
        "median_yaw_error": round(median(errors), 1) if errors else None,
    }
