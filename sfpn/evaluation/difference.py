"""Two reports on the same pairs: the difference of a metric in each cell, with its paired interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sfpn.errors import UserError
from sfpn.evaluation.cells import CONFIDENCE, Cell, Rates, metric_name
from sfpn.evaluation.plain import plain
from sfpn.schema import pair_record


@dataclass(frozen=True)
class Difference:
    """A metric of report B minus that of report A on the same pairs, with the interval of the paired bootstrap.

    `differs` is True where the 95 % interval leaves out zero.
    """

    protocol: str
    pose_pair: str | None
    fold: int | None
    template_size: int | str  # as Cell.images_a_side
    yaw_band: tuple[float, float] | None
    metric: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    differs: bool

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return plain(asdict(self) | pair_record(self.pose_pair))


def differences(a: Sequence[Cell], b: Sequence[Cell], metric: str, treatment: str) -> list[Difference]:
    """`b` minus `a` in every cell that both have. Raises UserError for a metric that does not exist."""
    theirs = {_key(cell): cell for cell in b}
    return [_difference(cell, theirs[_key(cell)], metric, treatment) for cell in a if _key(cell) in theirs]


def _key(cell: Cell) -> tuple:
    return cell.protocol, cell.pose_pair, cell.fold, cell.template_size, cell.yaw_band, cell.sides


def _difference(a: Cell, b: Cell, metric: str, treatment: str) -> Difference:
    of_a, of_b = (_value(cell.rates(treatment), metric) for cell in (a, b))
    rounds = b.rounds(metric, treatment) - a.rounds(metric, treatment) if None not in (of_a, of_b) else np.array([])
    rounds = rounds[np.isfinite(rounds)]
    difference = low = high = None
    if of_a is not None and of_b is not None and len(rounds):
        tail = (1 - CONFIDENCE) / 2
        low, high = (float(end) for end in np.quantile(rounds, [tail, 1 - tail]))
        difference = of_b - of_a
    return Difference(
        protocol=a.protocol,
        pose_pair=a.pose_pair,
        fold=a.fold,
        template_size=a.images_a_side,
        yaw_band=a.yaw_band,
        metric=metric,
        a=of_a,
        b=of_b,
        difference=difference,
        low=low,
        high=high,
        differs=low is not None and high is not None and (low > 0 or high < 0),
    )


def _value(rates: Rates, metric: str) -> float | None:
    if metric == "eer":
        return rates.eer
    found = [point.fnmr for point in rates.operating_points if metric == metric_name(point.target_fmr)]
    if not found:
        raise UserError(
            f"unknown metric {metric!r}: choose eer or fnmr_at_ with one of the FMR targets, e.g. fnmr_at_0.01"
        )
    return found[0]
