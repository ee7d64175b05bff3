"""A paragraph of Markdown that reads a report's pose matrix aloud. Every number in it is taken from the report."""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo.common.notices import in_markdown
from demo.common.words import interval, pair_names, percent, pose_label
from demo.pose_errors.cells import View, against, table_of
from demo.pose_errors.matrix_figure import difference_table
from sfpn.evaluation.report import Difference, Report

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
    """Which pose pairs two models differ on, by the paired interval; in Markdown."""
    first, second = in_markdown(first), in_markdown(second)
    table = difference_table(differences).dropna(subset=["difference"])
    if table.empty:
        return "There are too few comparisons to tell the two models apart."
    shown = table[table["differs"]]
    if shown.empty:
        return (
            f"On no pose pair is a difference between {first} and {second} shown: "
            "every paired 95 % interval includes zero."
        )
    lines = shown.loc[:, ["pose_pair", "difference", "low", "high"]].to_numpy()
    parts = [
        f"{pair_names(key)} by {100 * abs(difference):.2f} points [{100 * low:+.2f}, {100 * high:+.2f}] "
        f"in favour of {second if difference < 0 else first}"
        for key, difference, low, high in lines
    ]
    rest = len(table) - len(shown)
    tail = f"; on the other {rest} pose pairs no difference is shown" if rest else ""
    return f"The paired bootstrap shows a difference on {', '.join(parts)}{tail}."


def _measured(report: Report, view: View) -> str:
    header = report.header
    images = "single images" if view.template_size == 1 else f"templates of {against(view.template_size)} images"
    return (
        f"{in_markdown(header['model'])} on {in_markdown(header['dataset'])} "
        f"({header['images']:,} images of {header['subjects']:,} subjects), {images}."
    )


def _extremes(known: pd.DataFrame, view: View) -> str:
    worst, best = known.loc[known["rate"].idxmax()], known.loc[known["rate"].idxmin()]
    metric = view.metric_title
    stated = (
        f"The worst pose pair is **{pair_names(worst['pose_pair'])}**: {metric} {_rate(worst)} "
        f"from {worst['genuine']:,} genuine and {worst['impostor']:,} impostor comparisons"
    )
    if best["pose_pair"] == worst["pose_pair"]:
        return stated + "."
    ratio = worst["rate"] / best["rate"] if best["rate"] else None
    factor = "" if ratio is None else f", {ratio:.1f} times lower" if ratio >= CLEAR_RATIO else ", which is similar"
    return f"{stated}; the best is **{pair_names(best['pose_pair'])}** with {_rate(best)}{factor}."


def _rate(line: Any) -> str:
    return f"{percent(line['rate'])} {interval(line['low'], line['high'])}"


def _overlap(known: pd.DataFrame) -> str:
    worst = known.loc[known["rate"].idxmax()]
    others = known[(known["pose_pair"] != worst["pose_pair"]) & (known["high"] >= worst["low"])]
    if others.empty or pd.isna(worst["low"]):
        return ""
    names = " and ".join(pair_names(key) for key in others["pose_pair"])
    return f"The interval of the worst overlaps that of {names}, so their order is not certain."


def _unsupported(table: pd.DataFrame) -> str:
    few = table[table["rate"].isna()]
    if few.empty:
        return ""
    return f"Too few impostor comparisons for this FMR: {', '.join(map(pair_names, few['pose_pair']))}."


def _failures(report: Report, view: View) -> str:
    found = {pose: counts for pose, counts in report.header["acquisition"].items() if counts["failures"] and pose}
    if not found:
        return "A face was found in every image."
    parts = [
        f"{counts['failures']} of {counts['images']:,} {in_markdown(pose_label(pose))}"
        for pose, counts in found.items()
    ]
    how = {
        "whole_image": "are embedded from the whole image",
        "skip": "are left out of these rates",
        "reject": "count as rejections",
    }
    return f"No face was found in {', '.join(parts)} images, which {how[view.treatment]}."
