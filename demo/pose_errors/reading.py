"""A paragraph that reads a report's pose matrix aloud. Every number in it is taken from the report."""

from __future__ import annotations

import pandas as pd

from demo.common.figures import interval, percent
from demo.pose_errors.cells import View, table_of
from demo.pose_errors.matrix_figure import difference_table
from sfpn.evaluation.report import Difference, Report
from sfpn.schema import POSE_LABELS, pair_from_key

CLEAR_RATIO = 1.5  # below this factor two rates are called similar


def read_matrix(report: Report, view: View) -> str:
    """What the matrix says: who was measured, the worst and best pose pair, their counts, and what cannot be said."""
    table = table_of(report, view)
    known = table.dropna(subset=["rate"])
    if known.empty:
        return "No pose pair of this report has enough comparisons for this choice."
    sentences = [
        _measured(report, view),
        _extremes(known, view),
        _overlap(known),
        _unsupported(table),
        _failures(report, view),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def read_differences(differences: list[Difference], first: str, second: str) -> str:
    """Which pose pairs two models differ on, by the paired interval."""
    table = difference_table(differences).dropna(subset=["difference"])
    if table.empty:
        return "There are too few comparisons to tell the two models apart."
    shown = table[table["differs"]]
    if shown.empty:
        return f"On no pose pair is a difference between {first} and {second} shown: every paired 95 % interval includes zero."
    parts = [
        f"{_names(line.pose_pair)} by {100 * abs(line.difference):.2f} points [{100 * line.low:+.2f}, {100 * line.high:+.2f}] "
        f"in favour of {second if line.difference < 0 else first}"
        for line in shown.itertuples()
    ]
    rest = len(table) - len(shown)
    tail = f"; on the other {rest} pose pairs no difference is shown" if rest else ""
    return f"The paired bootstrap shows a difference on {', '.join(parts)}{tail}."


def _measured(report: Report, view: View) -> str:
    header = report.header
    images = "single images" if view.template_size == 1 else f"templates of {view.template_size} images"
    return f"{header['model']} on {header['dataset']} ({header['images']:,} images of {header['subjects']:,} subjects), {images}."


def _extremes(known: pd.DataFrame, view: View) -> str:
    worst, best = known.loc[known["rate"].idxmax()], known.loc[known["rate"].idxmin()]
    metric = view.metric_title
    stated = (
        f"The worst pose pair is **{_names(worst['pose_pair'])}**: {metric} {percent(worst['rate'])} {interval(worst['low'], worst['high'])} "
        f"from {worst['genuine']:,} genuine and {worst['impostor']:,} impostor comparisons"
    )
    if best["pose_pair"] == worst["pose_pair"]:
        return stated + "."
    ratio = worst["rate"] / best["rate"] if best["rate"] else None
    factor = "" if ratio is None else f", {ratio:.1f} times lower" if ratio >= CLEAR_RATIO else ", which is similar"
    return f"{stated}; the best is **{_names(best['pose_pair'])}** with {percent(best['rate'])} {interval(best['low'], best['high'])}{factor}."


def _overlap(known: pd.DataFrame) -> str:
    worst = known.loc[known["rate"].idxmax()]
    others = known[(known["pose_pair"] != worst["pose_pair"]) & (known["high"] >= worst["low"])]
    if others.empty or pd.isna(worst["low"]):
        return ""
    names = " and ".join(_names(key) for key in others["pose_pair"])
    return f"The interval of the worst overlaps that of {names}, so their order is not certain."


def _unsupported(table: pd.DataFrame) -> str:
    few = table[table["rate"].isna()]
    if few.empty:
        return ""
    return f"Too few impostor comparisons for this FMR: {', '.join(map(_names, few['pose_pair']))}."


def _failures(report: Report, view: View) -> str:
    found = {pose: counts for pose, counts in report.header["acquisition"].items() if counts["failures"] and pose}
    if not found:
        return "A face was found in every image."
    parts = [
        f"{counts['failures']} of {counts['images']:,} {POSE_LABELS.get(pose, pose)}" for pose, counts in found.items()
    ]
    how = {
        "whole_image": "are embedded from the whole image",
        "skip": "are left out of these rates",
        "reject": "count as rejections",
    }
    return f"No face was found in {', '.join(parts)} images, which {how[view.treatment]}."


def _names(key: str) -> str:
    return " vs ".join(POSE_LABELS[pose] for pose in pair_from_key(key))
