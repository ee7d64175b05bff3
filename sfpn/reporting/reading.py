"""A paragraph of Markdown that reads a report's pose matrix aloud. Every number in it is taken from the report."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sfpn.evaluation.cells import Cell
from sfpn.evaluation.difference import Difference
from sfpn.evaluation.pose_leak import ALL
from sfpn.evaluation.report import Report
from sfpn.evaluation.who_fails import WORST, Concentration
from sfpn.reporting.views import View, against, difference_table, table_of
from sfpn.reporting.words import in_markdown, interval, pair_names, percent, pose_label

CLEAR_RATIO = 1.5  # below this factor two rates are called similar
ERRORS = {"genuine": "false non-match", "impostor": "false match"}
ZOO = {"genuine": "Goats", "impostor": "Lambs and wolves"}
NO_PEOPLE = "This cell does not say who fails: the report is older, or its templates were drawn at random."


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


def read_people(cell: Cell | None, kind: str) -> str:
    """Whether few people carry the errors of a cell, against chance; `kind` genuine or impostor. In Markdown."""
    if cell is None or cell.who_fails is None:
        return NO_PEOPLE
    spread, error = cell.who_fails.of(kind), ERRORS[kind]
    if not spread.errors:
        return f"There is no {error} among {spread.comparisons:,} comparisons at the threshold of the EER."
    shares = [100 * (share or 0) for share in (spread.worst_share, spread.chance_low, spread.chance_high)]
    verdict = (
        "more than their images explain: it is these people"
        if spread.is_concentrated
        else "no more than chance: this cell does not show that people differ"
    )
    words = (
        f"The {min(WORST, spread.people)} worst of {spread.people:,} people carry **{shares[0]:.0f} %** of the "
        f"{spread.errors:,} {error}es; with the images shuffled among people {shares[1]:.0f} to {shares[2]:.0f} %: "
        f"{verdict}."
    )
    return f"{words} {_standing_out(spread, kind)}"


def _standing_out(spread: Concentration, kind: str) -> str:
    share = spread.standing_out / max(1, spread.people)
    return (
        f"{ZOO[kind]} (more errors than in 95 % of the shuffles): {spread.standing_out} of {spread.people:,} people, "
        f"{percent(share, 1)} {interval(spread.standing_out_low, spread.standing_out_high)}; "
        f"chance alone gives {percent(spread.standing_out_chance, 1)}."
    )


def read_leak(report: Report) -> str:
    """One sentence on how much of the nearest strangers is pose. In Markdown."""
    if not report.pose_leak:
        return "This report has no pose-leak meter: it is older, or its images have fewer than two poses."
    by_direction = {leak.direction: leak for leak in report.pose_leak}
    leak = by_direction.get("removed") or report.pose_leak[0]
    share = leak.shares[ALL]
    words = (
        f"Of the {leak.neighbours} strangers nearest to an image **{percent(share.same_pose, 0)}** share its pose, "
        f"where an embedding blind to pose would have {percent(share.chance, 0)}"
    )
    if "kept" in by_direction and leak.direction == "removed":
        kept = by_direction["kept"].shares[ALL]
        words += f"; with the model's pose direction kept it would be {percent(kept.same_pose, 0)}"
    hidden = (
        "pose is part of why strangers look alike to this model" if share.low > share.chance else "no leak is shown"
    )
    return f"{words}: {hidden}."


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
