"""Reading cells of Reports for display: the metric, treatment and template size that were chosen. Computes no rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sfpn.evaluation.cells import Cell, Rates, metric_name
from sfpn.evaluation.difference import Difference
from sfpn.evaluation.metrics import FMR_TARGETS
from sfpn.evaluation.report import Report
from sfpn.reporting.words import label_of
from sfpn.schema import POSE_PAIRS, OperatingPoint, pair_key, pair_label

EER = "eer"
METRICS = {"EER": EER} | {f"FNMR at FMR {100 * target:g} %": metric_name(target) for target in FMR_TARGETS}
TREATMENTS = {
    "embedded from the whole image": "whole_image",
    "left out (acquired faces only)": "skip",
    "counted as rejections": "reject",
}


def target_of(metric: str) -> float | None:
    """The target FMR of a metric of METRICS; None for the equal error rate. Raises ValueError for another."""
    if metric == EER:
        return None
    return FMR_TARGETS[[metric_name(target) for target in FMR_TARGETS].index(metric)]


@dataclass(frozen=True)
class View:
    """What the tab shows: `metric` of METRICS, images per side, and treatment of faces that were not found."""

    metric: str = EER
    template_size: int | str = 1  # '5+4': five images against four
    treatment: str = "whole_image"

    @property
    def metric_title(self) -> str:
        """The metric as the tab's radio names it."""
        return next(title for title, name in METRICS.items() if name == self.metric)


def against(size: int | str) -> str:
    """Images per side as words; the sides in the order of the pose pair.

    >>> against(5), against("5+4")
    ('5', '5 against 4')
    """
    return str(size).replace("+", " against ")


def size_words(size: int | str) -> str:
    """How the tab's choice names the images per side."""
    return "one" if size == 1 else against(size) if isinstance(size, str) else f"template of {size}"


@dataclass(frozen=True)
class Value:
    """A rate (0-1) with its 95 % interval and the counts behind it; None where the comparisons are too few."""

    rate: float | None
    low: float | None
    high: float | None
    genuine: int
    impostor: int


def cell_of(report: Report, key: str, view: View) -> Cell | None:
    """The cell over all folds of a pose pair, None where the report has none of this template size."""
    try:
        return report.cell(key, template_size=view.template_size)
    except KeyError:
        return None


def value_of(cell: Cell, view: View) -> Value:
    """The chosen metric of a cell."""
    rates: Rates = cell.rates(view.treatment)
    if view.metric == EER:
        return Value(rates.eer, rates.eer_low, rates.eer_high, rates.genuine, rates.impostor)
    point = _point(rates, view.metric)
    supported = point.supported
    low, high = (point.fnmr_low, point.fnmr_high) if supported else (None, None)
    return Value(point.fnmr if supported else None, low, high, rates.genuine, rates.impostor)


def _point(rates: Rates, metric: str) -> OperatingPoint:
    return next(point for point in rates.operating_points if metric_name(point.target_fmr) == metric)


def table_of(report: Report, view: View) -> pd.DataFrame:
    """One line per pose pair that the report has.

    Columns: pose_pair, label, rate, low, high (0-1 or None), genuine, impostor, subjects, failures, protocol.
    """
    lines = []
    for pair in POSE_PAIRS:
        cell = cell_of(report, pair_key(pair), view)
        if cell is not None:
            value = value_of(cell, view)
            lines.append(
                {
                    "pose_pair": pair_key(pair),
                    "label": pair_label(pair),
                    **vars(value),
                    "subjects": cell.subjects,
                    "failures": sum(cell.failures.values()),
                    "protocol": cell.protocol,
                }
            )
    columns = ["pose_pair", "label", "rate", "low", "high", "genuine", "impostor", "subjects", "failures", "protocol"]
    return pd.DataFrame(lines, columns=columns)


def difference_table(differences: list[Difference]) -> pd.DataFrame:
    """pose_pair, label, a, b, difference, low, high (rates 0-1), differs; a caller drops undefined differences."""
    columns = ["pose_pair", "label", "a", "b", "difference", "low", "high", "differs"]
    lines = [
        {"pose_pair": d.pose_pair, "label": label_of(str(d.pose_pair))}
        | {name: getattr(d, name) for name in columns[2:]}
        for d in differences
    ]
    return pd.DataFrame(lines, columns=columns)


def yaw_table(cells: Sequence[Cell], treatment: str) -> pd.DataFrame:
    """band, eer, low, high (0-1), genuine, impostor, ascending."""
    lines = []
    for cell in cells:
        rates = cell.rates(treatment)
        low, high = cell.yaw_band or (0.0, 180.0)
        band = f"{low:.0f}°+" if high >= 180 else f"{low:.0f}–{high:.0f}°"
        lines.append(
            {
                "band": band,
                "eer": rates.eer,
                "low": rates.eer_low,
                "high": rates.eer_high,
                "genuine": rates.genuine,
                "impostor": rates.impostor,
            }
        )
    return pd.DataFrame(lines, columns=["band", "eer", "low", "high", "genuine", "impostor"]).astype(
        {"eer": float, "low": float, "high": float}
    )
