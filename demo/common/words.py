"""Rates, angles, poses and reports in the few words that fit into figures, tiles and lists."""

from __future__ import annotations

import pandas as pd

from sfpn.evaluation.report import Report
from sfpn.schema import POOLED, POSE_LABELS, pair_from_key, pair_label


def percent(rate: float | None, digits: int = 2) -> str:
    """A rate (0-1) in per cent, or a dash."""
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def interval(low: float | None, high: float | None) -> str:
    """An interval of rates (0-1) in per cent, '' where there is none."""
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


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


def pose_label(pose: str) -> str:
    """'three-quarter' for 'three_quarter'; a name that is no pose, such as 'unknown', stays."""
    return POSE_LABELS.get(pose, pose)


def pair_names(key: str) -> str:
    """'frontal vs profile' for 'frontal-profile'."""
    return " vs ".join(POSE_LABELS[pose] for pose in pair_from_key(key))


def label_of(key: str) -> str:
    """'F-P' for 'frontal-profile'; 'pooled' stays."""
    return key if key == POOLED else pair_label(pair_from_key(key))


def title_of(report: Report) -> str:
    """How lists name a report: model · dataset and folds · protocol."""
    header = report.header
    folds = f" folds {', '.join(map(str, header['folds']))}" if header.get("folds") else ""
    return f"{header['model']} · {header['dataset']}{folds} · {header['protocol']} protocol"


def titled(reports: tuple[Report, ...]) -> dict[str, Report]:
    """Reports by a title that is theirs alone."""
    found: dict[str, Report] = {}
    for report in reports:
        title, number = title_of(report), 2
        while title in found:
            title, number = f"{title_of(report)} ({number})", number + 1
        found[title] = report
    return found
