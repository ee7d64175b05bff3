"""Verification metrics: pure functions of genuine and impostor scores.

Conventions. Score = cosine, higher = more alike; match if `score >= threshold`.
* FMR(t) = impostor scores >= t / impostor comparisons; FNMR(t) = genuine scores < t / genuine comparisons.
* Operating point for a target: the lowest observed score t with FMR(t) <= target (equality counts as met, with no
  tolerance), or just above the highest score where none will do. The realised FMR and all counts are kept.
  A target is supported by at least 3 / target impostor comparisons (rule of three: with fewer, even zero false
  matches would not bound the FMR below the target with 95 % confidence); otherwise the point says "not supported".
* EER: as t passes an observed score s, (FMR, FNMR) jumps from its value at s to its value just above s. At the lowest
  s after which FNMR >= FMR, the EER is where the straight segment between the two crosses FMR = FNMR. If s is a
  genuine score only, that is FMR(s); if an impostor score only, FNMR(s): the crossing of the two step curves. Only a
  tie of genuine and impostor scores is split in proportion, as on scikit-learn's ROC polyline.
* AUC: chance that a genuine score exceeds an impostor score, ties counted half.
* d': difference of the means over the square root of the mean of the two variances.
Rates with an empty denominator are NaN. Arrays and `Scores` (sorted once, or binned) are accepted everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sfpn.evaluation.scores import Scores
from sfpn.schema import UNKNOWN, OperatingPoint

FMR_TARGETS = (0.01, 0.001, 0.0001)
SUPPORT = 3.0  # impostor comparisons needed, times the target: the rule of three

ScoreInput = np.ndarray | Scores
Numbers = TypeVar("Numbers", float, np.ndarray)


@dataclass(frozen=True)
class EqualErrorRate:
    """`rate` (0-1) and the observed score at which it is crossed.

    `low` and `high` enclose the rate whatever the order of tied scores; with binned scores they bound the grid error.
    """

    rate: float
    threshold: float
    low: float
    high: float


@dataclass(frozen=True)
class DetCurve:
    """Error rates (T,) at ascending thresholds (T,)."""

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray


def fmr(impostor: ScoreInput, thresholds: np.ndarray | float, inclusive: bool = True) -> np.ndarray:
    """Share of impostor scores >= each threshold (> if not inclusive)."""
    impostor = Scores.of(impostor)
    return _rate(impostor.total - impostor.below(thresholds, inclusive=not inclusive), impostor.total)


def fnmr(genuine: ScoreInput, thresholds: np.ndarray | float, inclusive: bool = False) -> np.ndarray:
    """Share of genuine scores < each threshold (<= if inclusive)."""
    genuine = Scores.of(genuine)
    return _rate(genuine.below(thresholds, inclusive=inclusive), genuine.total)


def rates_at(genuine: ScoreInput, impostor: ScoreInput, threshold: float, target: float = UNKNOWN) -> OperatingPoint:
    """Both error rates and their counts at one threshold."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)
    false_non_matches, false_matches = int(genuine.below(threshold)), impostor.total - int(impostor.below(threshold))
    return OperatingPoint(
        target_fmr=target,
        genuine=genuine.total,
        impostor=impostor.total,
        threshold=float(threshold),
        fmr=float(_rate(false_matches, impostor.total)),
        fnmr=float(_rate(false_non_matches, genuine.total)),
        false_matches=false_matches,
        false_non_matches=false_non_matches,
    )


def operating_point(genuine: ScoreInput, impostor: ScoreInput, target_fmr: float) -> OperatingPoint:
    """The point at the lowest threshold with FMR <= target_fmr; `supported` is False where counts cannot tell."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)
    if not is_supported(target_fmr, impostor.total) or not genuine.total:
        return OperatingPoint(target_fmr=target_fmr, supported=False, genuine=genuine.total, impostor=impostor.total)
    return rates_at(genuine, impostor, lowest_threshold(genuine, impostor, target_fmr), target_fmr)


def lowest_threshold(genuine: ScoreInput, impostor: ScoreInput, target_fmr: float) -> float:
    """The lowest observed score with FMR <= target_fmr, whatever the counts; just above all scores if none has it."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)

    def met(threshold: float) -> bool:
        return bool(fmr(impostor, threshold) <= target_fmr)

    return min(genuine.first(met), impostor.first(met), _just_above(genuine, impostor))


def is_supported(target_fmr: float, impostor: int) -> bool:
    """Whether this many impostor comparisons can state an FMR as low as the target (rule of three)."""
    return impostor * target_fmr >= SUPPORT * (1 - 1e-12)


def eer(genuine: ScoreInput, impostor: ScoreInput) -> EqualErrorRate:
    """Equal error rate as the module docstring defines it; NaN where there is no genuine or no impostor score."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)
    if not genuine.total or not impostor.total:
        return EqualErrorRate(math.nan, math.nan, math.nan, math.nan)

    def crossed(score: float) -> bool:
        return bool(fnmr(genuine, score, inclusive=True) >= fmr(impostor, score, inclusive=False))

    score = min(genuine.first(crossed), impostor.first(crossed))
    fmr_at, fmr_above = float(fmr(impostor, score)), float(fmr(impostor, score, inclusive=False))
    fnmr_at, fnmr_above = float(fnmr(genuine, score)), float(fnmr(genuine, score, inclusive=True))
    rate = crossing(fmr_at, fnmr_at, fmr_above, fnmr_above)
    return EqualErrorRate(rate, score, max(fnmr_at, fmr_above), min(fnmr_above, fmr_at))


def crossing(fmr_at: Numbers, fnmr_at: Numbers, fmr_above: Numbers, fnmr_above: Numbers) -> Numbers:
    """Where the segment from the rates at a score to those just above it crosses FMR = FNMR (numbers or arrays)."""
    gap_at, gap_above = fmr_at - fnmr_at, fnmr_above - fmr_above
    return (fmr_at * gap_above + fmr_above * gap_at) / (gap_at + gap_above)


def auc(genuine: ScoreInput, impostor: ScoreInput) -> float:
    """Area under the ROC curve (0-1)."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)
    if not genuine.total or not impostor.total:
        return math.nan
    beaten = impostor.below(genuine.values) + impostor.below(genuine.values, inclusive=True)
    return float(beaten @ genuine.counts) / (2.0 * genuine.total * impostor.total)


def d_prime(genuine: ScoreInput, impostor: ScoreInput) -> float:
    """Separation of the two distributions in standard deviations; rejected comparisons (-inf) are left out."""
    (mean_g, variance_g), (mean_i, variance_i) = _moments(Scores.of(genuine)), _moments(Scores.of(impostor))
    spread = math.sqrt((variance_g + variance_i) / 2)
    return (mean_g - mean_i) / spread if spread > 0 else math.nan


def det_curve(genuine: ScoreInput, impostor: ScoreInput, points: int = 256) -> DetCurve:
    """The DET curve thinned to at most about `points` observed thresholds, the rates at them exact."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)
    thresholds = curve_thresholds(genuine, impostor, points)
    return DetCurve(thresholds, fmr(impostor, thresholds), fnmr(genuine, thresholds))


def curve_thresholds(genuine: Scores, impostor: Scores, points: int) -> np.ndarray:
    """Ascending observed scores (<= points,), half at equal steps of log FMR and half at equal steps of log FNMR."""
    ranks_g = np.unique(np.geomspace(1, max(genuine.total, 1), points // 2).astype(np.int64)) - 1
    ranks_i = impostor.total - np.unique(np.geomspace(1, max(impostor.total, 1), points // 2).astype(np.int64))
    values = np.concatenate([_at_ranks(genuine, ranks_g), _at_ranks(impostor, ranks_i)])
    return np.unique(values[np.isfinite(values)])


def best_accuracy_threshold(genuine: ScoreInput, impostor: ScoreInput) -> float:
    """The lowest observed score at which most comparisons are decided rightly."""
    genuine, impostor = Scores.of(genuine), Scores.of(impostor)
    thresholds = np.unique(np.concatenate([genuine.values, impostor.values]))
    errors = genuine.below(thresholds) + impostor.total - impostor.below(thresholds)
    return float(thresholds[np.argmin(errors)])


def accuracy(genuine: ScoreInput, impostor: ScoreInput, threshold: float) -> float:
    """Share of all comparisons decided rightly at a threshold."""
    point = rates_at(genuine, impostor, threshold)
    total = point.genuine + point.impostor
    return float(1 - _rate(point.false_matches + point.false_non_matches, total))


def zero_error_bound(trials: int, confidence: float = 0.95) -> float:
    """Upper bound of an error rate when `trials` independent trials showed none: 1 - (1 - confidence)^(1 / trials).

    The exact binomial (Clopper-Pearson, one-sided) bound; about 3 / trials at 95 %, the rule of three.
    """
    return 1.0 if trials < 1 else -math.expm1(math.log1p(-confidence) / trials)


def _rate(errors: np.ndarray | int, total: int) -> np.ndarray:
    return np.asarray(errors) / total if total else np.full(np.shape(errors), math.nan)


def _just_above(genuine: Scores, impostor: Scores) -> float:
    highest = max((scores.values[-1] for scores in (genuine, impostor) if scores.total), default=np.float64(1.0))
    return float(np.nextafter(highest, highest.dtype.type(np.inf)))


def _moments(scores: Scores) -> tuple[float, float]:
    start = np.searchsorted(scores.values, -np.inf, side="right")
    values = scores.values[start:]
    if not values.size:
        return math.nan, math.nan
    if scores.cumulative is None:
        return float(values.mean(dtype=np.float64)), float(values.var(dtype=np.float64))
    counts, values = scores.counts[start:], values.astype(np.float64)
    mean = np.average(values, weights=counts)
    return float(mean), float(np.average((values - mean) ** 2, weights=counts))


def _at_ranks(scores: Scores, ranks: np.ndarray) -> np.ndarray:
    """The scores at ranks 0 (lowest) to total - 1."""
    if not scores.total:
        return np.empty(0)
    if scores.cumulative is None:
        return scores.values[ranks]
    return scores.values[np.searchsorted(scores.cumulative, ranks, side="right") - 1]
