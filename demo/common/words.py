"""Rates, angles, poses and reports in the few words that fit into figures, tiles and lists.

Those that a report file needs too are of sfpn.reporting.words.
"""

from __future__ import annotations

import pandas as pd

from sfpn.evaluation.report import Report
from sfpn.reporting.words import interval, label_of, pair_names, percent, pose_label, title_of

__all__ = ["angles", "degrees", "interval", "label_of", "pair_names", "percent", "pose_label", "title_of", "titled"]


def degrees(yaw: float) -> str:
    """' +42°' to stand behind a pose; '' where the yaw is unknown."""
    return "" if pd.isna(yaw) else f" {round(yaw) or 0:+d}°"  # `or 0`: no minus before zero


def angles(yaw: float, pitch: float) -> str:
    """' +42° ↑7°' to stand behind a pose: the yaw, and by how much the face is lifted (↓ lowered).

    What is unknown is left out.
    """
    if pd.isna(pitch):
        return degrees(yaw)
    tilted = round(pitch)
    return f"{degrees(yaw)} {'↑' if tilted > 0 else '↓' if tilted < 0 else '↕'}{abs(tilted)}°"


def titled(reports: tuple[Report, ...]) -> dict[str, Report]:
    """Reports by a title that is theirs alone."""
    found: dict[str, Report] = {}
    for report in reports:
        title, number = title_of(report), 2
        while title in found:
            title, number = f"{title_of(report)} ({number})", number + 1
        found[title] = report
    return found
