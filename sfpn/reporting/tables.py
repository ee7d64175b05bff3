"""The tables of a report file: texts in rows, whatever the file's format. Computes no rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sfpn.evaluation.cells import Cell, mix_words
from sfpn.evaluation.difference import Difference
from sfpn.evaluation.pose_leak import ALL
from sfpn.evaluation.report import Report
from sfpn.evaluation.tally import TREATMENTS
from sfpn.evaluation.who_fails import WORST
from sfpn.reporting.reading import ERRORS
from sfpn.reporting.views import METRICS, View, cell_of
from sfpn.reporting.words import interval, label_of, percent, pose_label
from sfpn.schema import POSE_PAIRS, POSES, pair_key

KINDS = ("genuine", "impostor")
LEAKS = {"none": "as used (no pose direction)", "removed": "as used (pose direction removed)", "kept": "direction kept"}


@dataclass(frozen=True)
class Table:
    """Texts, not escaped; the first column is of words, the others of numbers, unless `wordy`."""

    head: Sequence[object]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    wordy: bool = False


def names_of(reports: Sequence[Report]) -> list[str]:
    """The models, told apart where both are called the same."""
    names = [report.header["model"] for report in reports]
    return names if len(set(names)) == len(names) else [f"{name} ({i})" for i, name in enumerate(names, 1)]


def rates(reports: Sequence[Report]) -> Table:
    """Every pooled cell of every model: counts, EER and FNMR at each target, with intervals."""
    head = ["comparison", "images", "model", "subjects", "genuine", "impostor", "EER %"]
    head += [title.replace("FNMR", "FNMR %") for title in METRICS if title != "EER"] + ["d′"]
    rows = [
        [_cell_name(cell), cell.images_a_side, name, f"{cell.subjects:,}", *_numbers(cell)]
        for key in _keys(reports)
        for report, name in zip(reports, names_of(reports), strict=True)
        for cell in report.cells
        if _key(cell) == key
    ]
    caption = "Rates in per cent, with 95 % intervals; – : too few impostor comparisons for that FMR"
    return Table(head, rows, caption)


def acquisition(reports: Sequence[Report]) -> Table:
    """Images and failures by pose."""
    rows = [
        [name, pose_label(pose) or "unknown", f"{counts['images']:,}", counts["failures"], _share(counts)]
        for report, name in zip(reports, names_of(reports), strict=True)
        for pose, counts in sorted(report.header["acquisition"].items(), key=lambda item: _place(item[0]))
    ]
    return Table(["model", "pose", "images", "no face found", "share"], rows)


def treatments(reports: Sequence[Report]) -> Table:
    """The EER under each treatment of the failures, of the cells that have some."""
    rows = [
        [label_of(cell.pose_pair or ""), cell.images_a_side, name, sum(cell.failures.values()), *_treated(cell)]
        for report, name in zip(reports, names_of(reports), strict=True)
        for cell in report.cells
        if len(cell.treatments) > 1 and cell.pose_pair and cell.fold is None
    ]
    head = ["comparison", "images", "model", "failures", "EER %: whole image", "left out", "rejected"]
    return Table(head, rows)


def paired(reports: Sequence[Report], found: dict[str, list[Difference]]) -> Table:
    """Second minus first model; `found` by the title of the metric."""
    first, second = names_of(reports)
    rows = [
        [label_of(str(d.pose_pair)), d.template_size, title, *(f"{100 * n:.2f}" for n in (d.a, d.b)), _difference(d)]
        for title, of in found.items()
        for d in of
        if d.a is not None and d.b is not None and d.difference is not None
    ]
    head = ["comparison", "images", "rate", f"{first} %", f"{second} %", "difference, points [95 %]"]
    return Table(head, rows, "* the paired interval leaves out zero")


def people(report: Report) -> Table:
    """The ten worst people of each cell and kind of error."""
    rows = [
        [label_of(cell.pose_pair or ""), f"{ERRORS[kind]}es", _listed(cell, kind)]
        for cell in single_cells(report)
        for kind in KINDS
        if cell.who_fails and cell.who_fails.of(kind).worst
    ]
    head = ["comparison", "errors", f"the {WORST} worst: errors / comparisons (* more than in 95 % of the shuffles)"]
    return Table(head, rows, wordy=True)


def leak(report: Report) -> Table:
    """The pose leak by pose, of a report that has it."""
    poses = [pose for pose in (*POSES, ALL) if pose in report.pose_leak[0].shares]
    rows = [
        [LEAKS[each.direction]]
        + [with_interval(s.same_pose, s.low, s.high) for s in (each.shares[pose] for pose in poses)]
        for each in report.pose_leak
    ]
    rows.append(["by chance", *(f"{100 * report.pose_leak[0].shares[pose].chance:.2f}" for pose in poses)])
    caption = f"Pose leak: of the {report.pose_leak[0].neighbours} nearest strangers, % of the same pose"
    return Table(["embedding", *map(pose_label, poses)], rows, caption)


def single_cells(report: Report) -> list[Cell]:
    """The cells of single images, by pose pair."""
    found = [cell_of(report, pair_key(pair), View()) for pair in report.pose_pairs()]
    return [cell for cell in found if cell is not None]


def with_interval(rate: float | None, low: float | None, high: float | None) -> str:
    """A rate (0-1) in per cent with its interval, without a sign."""
    return "–" if rate is None else f"{100 * rate:.2f} {interval(low, high)}".strip()


def _keys(reports: Sequence[Report]) -> list[tuple]:
    """Which cells there are: pooled over folds, of pose pairs or mixes."""
    found = {
        _key(cell): None for report in reports for cell in report.cells if cell.fold is None and cell.yaw_band is None
    }
    order = {pair_key(pair): number for number, pair in enumerate(POSE_PAIRS)}
    return sorted(found, key=lambda key: (order.get(key[0] or "", len(order)), str(key[1]).zfill(3)))


def _key(cell: Cell) -> tuple:
    if cell.fold is not None or cell.yaw_band is not None:
        return ()
    return cell.pose_pair, cell.images_a_side, cell.sides, cell.protocol


def _cell_name(cell: Cell) -> str:
    if cell.pose_pair is not None:
        return label_of(cell.pose_pair)
    return " | ".join(map(mix_words, cell.sides or ()))


def _numbers(cell: Cell) -> list[str]:
    rates = cell.rates()
    points = [
        with_interval(point.fnmr, point.fnmr_low, point.fnmr_high) if point.supported else "–"
        for point in rates.operating_points
    ]
    deviation = "–" if rates.d_prime is None else f"{rates.d_prime:.2f}"
    eer = with_interval(rates.eer, rates.eer_low, rates.eer_high)
    return [f"{rates.genuine:,}", f"{rates.impostor:,}", eer, *points, deviation]


def _treated(cell: Cell) -> list[str]:
    rates = [cell.rates(name) for name in TREATMENTS]
    return [with_interval(each.eer, each.eer_low, each.eer_high) for each in rates]


def _place(pose: str) -> int:
    return POSES.index(pose) if pose in POSES else len(POSES)


def _share(counts: dict[str, Any]) -> str:
    return percent(counts["failures"] / counts["images"] if counts["images"] else None)


def _difference(found: Difference) -> str:
    if found.difference is None or found.low is None or found.high is None:
        return "–"
    mark = " *" if found.differs else ""
    return f"{100 * found.difference:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]{mark}"


def _listed(cell: Cell, kind: str) -> str:
    people = cell.who_fails.of(kind).worst if cell.who_fails else ()
    return ", ".join(f"{p.identity} {p.errors:,}/{p.comparisons:,}{'*' if p.stands_out else ''}" for p in people)
