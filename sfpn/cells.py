"""One cell of a report: the rates of one set of comparisons, with counts, intervals, curves and hardest pairs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sfpn import metrics
from sfpn.bootstrap import Draws, resample
from sfpn.comparisons import Comparisons, Samples
from sfpn.scores import Scores
from sfpn.tally import TREATMENTS, Pairs, Tally, grid_edges, tally, treat

WHOLE_IMAGE = TREATMENTS[0]
HISTOGRAM_STEP = 2.0**-10  # width of the bins that a report keeps for drawing and for live thresholds
CONFIDENCE = 0.95


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


@dataclass(frozen=True)
class Rates:
    """Rates (0-1) under one treatment of failures to acquire, with 95 % intervals by bootstrap over subjects.

    Where no error was seen, the upper end is the exact binomial bound for as many trials as there are subjects.
    `eer_span` encloses the EER whatever the order of tied scores (for a cell counted on the grid: the grid error).
    `operating_points` are `metrics.OperatingPoint` as dictionaries, with `fnmr_low` and `fnmr_high`.
    """

    genuine: int
    impostor: int
    eer: float | None
    eer_low: float | None
    eer_high: float | None
    eer_threshold: float | None
    eer_span: tuple[float | None, float | None]
    auc: float | None
    d_prime: float | None
    operating_points: tuple[dict, ...]


@dataclass(frozen=True)
class Cell:
    """Everything known about one set of comparisons. Rates are fractions; pairs are named by `row_id`.

    `images` and `failures` count, per pose, the images compared and those where no face was found. `grid_step` is 0
    where point estimates are exact. `tables` (pandas):
    * det: treatment, threshold, fmr, fnmr, exact at about 250 thresholds;
    * histogram: lower_edge, genuine, impostor, failed_genuine, failed_impostor (failed: a face was not found);
    * hardest: kind (genuine | impostor), rank from 1, row_id_a, row_id_b, template_a, template_b, score, acquired;
    * rounds: treatment, metric (eer | fnmr_at_0.01 ...), round, value.
    """

    protocol: str
    pose_pair: str | None
    fold: int | None
    template_size: int
    yaw_band: tuple[float, float] | None
    subjects: int
    images: dict[str, int]
    failures: dict[str, int]
    grid_step: float
    accuracy: float | None
    accuracy_deviation: float | None
    treatments: dict[str, Rates]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    def rates(self, treatment: str = WHOLE_IMAGE) -> Rates:
        """Rates with undetected faces embedded from the `whole_image` (default), `skip`ped, or `reject`ed."""
        return self.treatments[self._stored(treatment)]

    def det(self, treatment: str = WHOLE_IMAGE) -> pd.DataFrame:
        """DET points: threshold, fmr, fnmr."""
        return self._of("det", treatment)

    def hardest(self, kind: str) -> pd.DataFrame:
        """The up to 50 hardest `genuine` or `impostor` pairs, hardest first."""
        table = self.tables["hardest"]
        return table[table["kind"] == kind].reset_index(drop=True)

    def rounds(self, metric: str = "eer", treatment: str = WHOLE_IMAGE) -> np.ndarray:
        """The value of a metric in every bootstrap round (NaN where it is not defined)."""
        table = self._of("rounds", treatment)
        return table.loc[table["metric"] == metric, "value"].to_numpy()

    def rates_at(self, threshold: float, treatment: str = WHOLE_IMAGE) -> metrics.OperatingPoint:
        """Rates and counts at any threshold; exact at the edges of the histogram (steps of 1 / 1024)."""
        table = self.tables["histogram"]
        edges = table["lower_edge"].to_numpy()
        genuine, impostor = (
            treat(Scores.binned(edges, table[kind]), Scores.binned(edges, table[f"failed_{kind}"]), treatment)
            for kind in ("genuine", "impostor")
        )
        return metrics.rates_at(genuine, impostor, threshold)

    def _stored(self, treatment: str) -> str:
        """Without failures to acquire the three treatments are one, and only that is stored."""
        if treatment not in TREATMENTS:
            raise ValueError(f"unknown treatment {treatment!r}; treatments are {', '.join(TREATMENTS)}")
        return treatment if treatment in self.treatments else WHOLE_IMAGE

    def _of(self, name: str, treatment: str) -> pd.DataFrame:
        table = self.tables[name]
        chosen = table["treatment"] == self._stored(treatment)
        return table[chosen].drop(columns="treatment").reset_index(drop=True)


def measure(samples: Samples, plan: Plan, draws: Draws) -> Cell:
    """Compare, count, and bootstrap one cell."""
    counted = tally(samples, plan.comparisons)
    rounds = resample(samples, plan.comparisons, counted, draws)
    members = _members(plan.comparisons)
    subjects = counted.genuine_subjects(samples)
    treatments = TREATMENTS if counted.any_failed else TREATMENTS[:1]
    measured = {name: _rates(counted.treated(name), rounds.treated(name), subjects) for name in treatments}
    tables = {
        "det": pd.concat([_det(counted.treated(name)).assign(treatment=name) for name in treatments]),
        "histogram": _histogram(counted),
        "hardest": _hardest(samples, counted),
        "rounds": pd.concat([values.assign(treatment=name) for name, (_, values) in measured.items()]),
    }
    accuracy, deviation = plan.accuracy or (None, None)
    return Cell(
        plan.protocol, plan.pose_pair, plan.fold, plan.template_size, plan.yaw_band,
        len(np.unique(samples.subjects[members])), _by_pose(samples, members),
        _by_pose(samples, members[~samples.acquired[members]]), counted.grid_step, accuracy, deviation,
        {name: rates for name, (rates, _) in measured.items()}, tables,
    )


def _rates(scores: tuple[Scores, Scores], rounds, subjects: int) -> tuple[Rates, pd.DataFrame]:
    genuine, impostor = scores
    equal = metrics.eer(genuine, impostor)
    points = [metrics.operating_point(genuine, impostor, target) for target in metrics.FMR_TARGETS]
    values = _values_of_rounds(rounds, [point.target_fmr for point in points if point.supported])
    low, high = _interval(equal.rate, values["eer"], subjects)
    rates = Rates(
        genuine.total, impostor.total, _number(equal.rate), low, high, _number(equal.threshold),
        (_number(equal.low), _number(equal.high)), _number(metrics.auc(genuine, impostor)),
        _number(metrics.d_prime(genuine, impostor)), tuple(_with_interval(point, values, subjects) for point in points),
    )
    table = pd.DataFrame(values).melt(ignore_index=False, var_name="metric", value_name="value")
    return rates, table.rename_axis("round").reset_index()


def _values_of_rounds(rounds, targets: list[float]) -> dict[str, np.ndarray]:
    """Metric name -> (rounds,) values."""
    values = {"eer": [], **{metric_name(target): [] for target in targets}}
    for genuine, impostor in rounds:
        values["eer"].append(metrics.eer(genuine, impostor).rate)
        for target in targets:
            threshold = metrics.lowest_threshold(genuine, impostor, target)
            values[metric_name(target)].append(float(metrics.fnmr(genuine, threshold)) if impostor.total else np.nan)
    return {name: np.array(column, np.float32) for name, column in values.items()}


def metric_name(target_fmr: float) -> str:
    """The name under which the rounds of FNMR at an FMR target are kept."""
    return f"fnmr_at_{target_fmr:g}"


def _interval(rate: float, values: np.ndarray, subjects: int) -> tuple[float | None, float | None]:
    """Percentile interval; a rate of zero gets an upper bound instead of zero."""
    defined = values[np.isfinite(values)]
    if not np.isfinite(rate) or not len(defined):
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(max(high, metrics.zero_error_bound(subjects, CONFIDENCE)) if rate == 0 else high)


def _with_interval(point: metrics.OperatingPoint, values: dict[str, np.ndarray], subjects: int) -> dict:
    low, high = (None, None)
    if point.supported:
        low, high = _interval(point.fnmr, values[metric_name(point.target_fmr)], subjects)
    return {**vars(point), "fnmr_low": low, "fnmr_high": high}


def _det(scores: tuple[Scores, Scores]) -> pd.DataFrame:
    curve = metrics.det_curve(*scores)
    return pd.DataFrame({"threshold": curve.thresholds.astype(np.float64), "fmr": curve.fmr, "fnmr": curve.fnmr})


def _histogram(counted: Tally) -> pd.DataFrame:
    edges = grid_edges(HISTOGRAM_STEP)
    kinds = {
        "genuine": counted.acquired[0], "impostor": counted.acquired[1],
        "failed_genuine": counted.failed[0], "failed_impostor": counted.failed[1],
    }
    columns = {name: np.diff(scores.below(np.append(edges, 2.0))) for name, scores in kinds.items()}
    table = pd.DataFrame({"lower_edge": edges, **columns})
    return table[table[list(columns)].any(axis=1)].reset_index(drop=True)


def _hardest(samples: Samples, counted: Tally) -> pd.DataFrame:
    kinds = {"genuine": counted.hardest_genuine, "impostor": counted.hardest_impostors}
    return pd.concat([_named(samples, pairs).assign(kind=kind) for kind, pairs in kinds.items()], ignore_index=True)


def _named(samples: Samples, pairs: Pairs) -> pd.DataFrame:
    return pd.DataFrame({
        "rank": np.arange(1, len(pairs.scores) + 1),
        "row_id_a": samples.row_ids[pairs.first], "row_id_b": samples.row_ids[pairs.second],
        "template_a": samples.templates[pairs.first], "template_b": samples.templates[pairs.second],
        "score": pairs.scores, "acquired": samples.acquired[pairs.first] & samples.acquired[pairs.second],
    })


def _members(comparisons: Comparisons) -> np.ndarray:
    """Positions of the samples that are compared."""
    second = comparisons.first if comparisons.second is None else comparisons.second
    return np.unique(np.concatenate([comparisons.first, second]))


def _by_pose(samples: Samples, members: np.ndarray) -> dict[str, int]:
    poses, counts = np.unique(samples.poses[members], return_counts=True)
    return {str(pose): int(count) for pose, count in zip(poses, counts, strict=True)}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
