"""Measures one cell: compares, counts, and bootstraps over subjects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sfpn.evaluation import metrics
from sfpn.evaluation.bootstrap import Draws, RoundHistograms, resample
from sfpn.evaluation.cells import CONFIDENCE, Cell, Rates, Sides, metric_name
from sfpn.evaluation.comparisons import Comparisons, Samples
from sfpn.evaluation.scores import Scores
from sfpn.evaluation.tally import TREATMENTS, Tally, grid_edges, pairs_table, tally
from sfpn.evaluation.who_fails import who_fails
from sfpn.schema import OperatingPoint

HISTOGRAM_STEP = 2.0**-10  # width of the bins that a report keeps for drawing and for live thresholds


@dataclass(frozen=True)
class Plan:
    """What a cell is called and which comparisons it holds; `accuracy` (mean, deviation) where the protocol has it."""

    protocol: str
    pose_pair: str | None
    comparisons: Comparisons
    fold: int | None = None
    template_size: int = 1
    yaw_band: tuple[float, float] | None = None
    accuracy: tuple[float, float] | None = None
    sides: Sides | None = None


def measure(samples: Samples, plan: Plan, draws: Draws) -> Cell:
    """Compare, count, and bootstrap one cell."""
    counted = tally(samples, plan.comparisons)
    rounds = resample(samples, plan.comparisons, counted, draws)
    members = plan.comparisons.members
    subjects = counted.genuine_subjects(samples)
    treatments = TREATMENTS if counted.any_failed else TREATMENTS[:1]
    measured = {name: _rates(counted.treated(name), rounds.treated(name), subjects) for name in treatments}
    tables = {
        "det": pd.concat([_det(counted.treated(name)).assign(treatment=name) for name in treatments]),
        "histogram": _histogram(counted),
        "hardest": _hardest(samples, counted),
        "rounds": pd.concat([values.assign(treatment=name) for name, (_, values) in measured.items()]),
    }
    failing = None
    if plan.pose_pair is not None and plan.fold is None and plan.sides is None:
        threshold = measured[TREATMENTS[0]][0].eer_threshold
        failing, tables["people_pairs"] = who_fails(samples, plan.comparisons, counted, threshold, draws)
    accuracy, deviation = plan.accuracy or (None, None)
    return Cell(
        protocol=plan.protocol,
        pose_pair=plan.pose_pair,
        fold=plan.fold,
        template_size=plan.template_size,
        yaw_band=plan.yaw_band,
        subjects=len(np.unique(samples.subjects[members])),
        images=_by_pose(samples, members),
        failures=_by_pose(samples, members[~samples.acquired[members]]),
        grid_step=counted.grid_step,
        accuracy=accuracy,
        accuracy_deviation=deviation,
        treatments={name: rates for name, (rates, _) in measured.items()},
        sides=plan.sides,
        who_fails=failing,
        tables=tables,
    )


def _rates(scores: tuple[Scores, Scores], rounds: RoundHistograms, subjects: int) -> tuple[Rates, pd.DataFrame]:
    genuine, impostor = scores
    equal = metrics.eer(genuine, impostor)
    points = [metrics.operating_point(genuine, impostor, target) for target in metrics.FMR_TARGETS]
    values = _values_of_rounds(rounds, [point.target_fmr for point in points if point.supported])
    low, high = interval(equal.rate, values["eer"], subjects)
    rates = Rates(
        genuine=genuine.total,
        impostor=impostor.total,
        eer=_number(equal.rate),
        eer_low=low,
        eer_high=high,
        eer_threshold=_number(equal.threshold),
        eer_span=(_number(equal.low), _number(equal.high)),
        auc=_number(metrics.auc(genuine, impostor)),
        d_prime=_number(metrics.d_prime(genuine, impostor)),
        operating_points=tuple(_with_interval(point, values, subjects) for point in points),
    )
    table = pd.DataFrame(values).melt(ignore_index=False, var_name="metric", value_name="value")
    return rates, table.rename_axis("round").reset_index()


def _values_of_rounds(rounds: RoundHistograms, targets: list[float]) -> dict[str, np.ndarray]:
    """Metric name -> (rounds,) values."""
    values = {"eer": rounds.eer(), **{metric_name(target): rounds.fnmr_at_fmr(target) for target in targets}}
    return {name: column.astype(np.float32) for name, column in values.items()}


def interval(rate: float, values: np.ndarray, subjects: int) -> tuple[float | None, float | None]:
    """95 % percentile interval of a rate (0-1) from its value in each bootstrap round (NaN where it has none).

    The upper end of a rate of zero is the exact binomial bound for as many trials as there are subjects.
    """
    defined = values[np.isfinite(values)]
    if not np.isfinite(rate) or not len(defined):
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(max(high, metrics.zero_error_bound(subjects, CONFIDENCE)) if rate == 0 else high)


def _with_interval(point: OperatingPoint, values: dict[str, np.ndarray], subjects: int) -> OperatingPoint:
    if not point.supported:
        return point
    low, high = interval(point.fnmr, values[metric_name(point.target_fmr)], subjects)
    return replace(point, fnmr_low=low, fnmr_high=high)


def _det(scores: tuple[Scores, Scores]) -> pd.DataFrame:
    curve = metrics.det_curve(*scores)
    return pd.DataFrame({"threshold": curve.thresholds.astype(np.float64), "fmr": curve.fmr, "fnmr": curve.fnmr})


def _histogram(counted: Tally) -> pd.DataFrame:
    edges = grid_edges(HISTOGRAM_STEP)
    kinds = {
        "genuine": counted.acquired[0],
        "impostor": counted.acquired[1],
        "failed_genuine": counted.failed[0],
        "failed_impostor": counted.failed[1],
    }
    columns = {name: np.diff(scores.below(np.append(edges, 2.0))) for name, scores in kinds.items()}
    table = pd.DataFrame({"lower_edge": edges, **columns})
    return table.loc[table[list(columns)].any(axis=1)].reset_index(drop=True)


def _hardest(samples: Samples, counted: Tally) -> pd.DataFrame:
    kinds = {"genuine": counted.hardest_genuine, "impostor": counted.hardest_impostors}
    return pd.concat(
        [pairs_table(samples, pairs).assign(kind=kind) for kind, pairs in kinds.items()], ignore_index=True
    )


def _by_pose(samples: Samples, members: np.ndarray) -> dict[str, int]:
    poses, counts = np.unique(samples.poses[members], return_counts=True)
    return {str(pose): int(count) for pose, count in zip(poses, counts, strict=True)}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
