"""Rates, poses and reports in the few words that fit into figures, tables and lists."""

from __future__ import annotations

import re

from sfpn.evaluation.report import Report
from sfpn.schema import POOLED, POSE_LABELS, pair_from_key, pair_label

MARKUP = re.compile(r"[\\`*_\[\]<>&~$|#!\"']")


def percent(rate: float | None, digits: int = 2) -> str:
    """A rate (0-1) in per cent, or a dash."""
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def interval(low: float | None, high: float | None) -> str:
    """An interval of rates (0-1) in per cent, '' where there is none."""
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


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


def in_markdown(text: object) -> str:
    """Text for the inside of a line of Markdown, as it reads: no character of it is taken for markup or HTML."""
    line = " ".join(str(text).split())
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", line)
