"""Every rate against an obvious loop in exact fractions and against scikit-learn, ties and empty cells included."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from sfpn.evaluation import metrics
from sfpn.evaluation.scores import Scores


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Genuine and impostor scores; odd seeds are coarse, hence full of ties, within and between the two."""
    rng = np.random.default_rng(seed)
    genuine = rng.normal(0.5, 0.3, rng.integers(1, 60)).astype(np.float32)
    impostor = rng.normal(rng.uniform(-0.5, 0.5), 0.3, rng.integers(1, 400)).astype(np.float32)
    step = 5 if seed % 2 else 1e6
    return np.round(genuine * step) / np.float32(step), np.round(impostor * step) / np.float32(step)


def slow_rates(genuine, impostor, threshold: float) -> tuple[Fraction, Fraction]:
    false_matches = sum(1 for score in impostor if score >= threshold)
    false_non_matches = sum(1 for score in genuine if not score >= threshold)
    return Fraction(false_matches, len(impostor)), Fraction(false_non_matches, len(genuine))


def slow_eer(genuine, impostor) -> Fraction:
    """Walk along the polyline of all operating points, in fractions, until FNMR overtakes FMR."""
    points = [slow_rates(genuine, impostor, t) for t in sorted({*genuine, *impostor})] + [(Fraction(0), Fraction(1))]
    for (fmr_0, fnmr_0), (fmr_1, fnmr_1) in zip(points, points[1:], strict=False):
        if fnmr_1 >= fmr_1:
            share = (fmr_0 - fnmr_0) / ((fmr_0 - fnmr_0) + (fnmr_1 - fmr_1))
            return fmr_0 + share * (fmr_1 - fmr_0)
    raise AssertionError("the curves always cross")


@pytest.mark.parametrize("seed", range(24))
def test_eer_equals_the_slow_walk_and_scikit_learn(seed):
    genuine, impostor = samples(seed)
    found = metrics.eer(genuine, impostor)
    assert found.rate == pytest.approx(float(slow_eer(genuine.tolist(), impostor.tolist())), abs=1e-12)
    labels = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    fpr, tpr, _ = roc_curve(labels, np.r_[genuine, impostor], drop_intermediate=False)
    gap = fpr - (1 - tpr)  # rises from -1 to 1 along the polyline; its zero is the EER
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    assert found.rate == pytest.approx(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]), abs=1e-12)
    assert found.low - 1e-12 <= found.rate <= found.high + 1e-12


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("target", [0.02, 0.1, 0.5, 1.0])
def test_operating_point_is_the_best_one_that_meets_the_target(seed, target):
    genuine, impostor = samples(seed)
    point = metrics.operating_point(genuine, impostor, target)
    assert point.supported == (len(impostor) * target >= 3)
    if not point.supported:
        assert point.threshold is point.fnmr is point.fmr is None
        return
    everywhere = [
        slow_rates(genuine.tolist(), impostor.tolist(), t) for t in [*genuine.tolist(), *impostor.tolist(), 9.0]
    ]
    best = min(fnmr for fmr, fnmr in everywhere if float(fmr) <= target)
    assert point.fnmr == pytest.approx(float(best), abs=1e-12)
    fmr, fnmr = slow_rates(genuine.tolist(), impostor.tolist(), point.threshold)
    assert (point.false_matches, point.false_non_matches) == (fmr * len(impostor), fnmr * len(genuine))
    assert point.fmr == float(fmr) <= target


@pytest.mark.parametrize("seed", range(12))
def test_auc_and_accuracy_and_d_prime(seed):
    genuine, impostor = samples(seed)
    scores, labels = np.r_[genuine, impostor], np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    assert metrics.auc(genuine, impostor) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    right = {t: np.mean((scores >= t) == labels) for t in np.unique(scores)}
    threshold = metrics.best_accuracy_threshold(genuine, impostor)
    assert threshold == min(t for t in right if right[t] == max(right.values()))
    assert metrics.accuracy(genuine, impostor, threshold) == pytest.approx(max(right.values()))
    if len(genuine) > 1:
        spread = math.sqrt((np.var(genuine, dtype=float) + np.var(impostor, dtype=float)) / 2)
        expected = (np.mean(genuine, dtype=float) - np.mean(impostor, dtype=float)) / spread
        assert metrics.d_prime(genuine, impostor) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
def test_det_points_are_exact_and_reach_both_ends(seed):
    genuine, impostor = samples(seed)
    curve = metrics.det_curve(genuine, impostor, points=64)
    assert len(curve.thresholds) <= 64 and np.all(np.diff(curve.thresholds) > 0)
    slow = [slow_rates(genuine.tolist(), impostor.tolist(), t) for t in curve.thresholds]
    np.testing.assert_allclose(np.c_[curve.fmr, curve.fnmr], np.array(slow, dtype=float))
    assert curve.thresholds[0] == min(genuine.min(), impostor.min())
    assert curve.thresholds[-1] == max(genuine.max(), impostor.max())


@pytest.mark.parametrize("seed", range(8))
def test_binned_scores_are_exact_at_the_edges_and_bound_the_eer(seed):
    genuine, impostor = samples(seed)
    edges = np.arange(-64, 65) / 32.0
    binned = [Scores.binned(edges[:-1], np.histogram(s, edges)[0]) for s in (genuine, impostor)]
    for edge in edges[:-1]:
        fast, slow = metrics.rates_at(*binned, edge), slow_rates(genuine.tolist(), impostor.tolist(), edge)
        assert (fast.fmr, fast.fnmr) == tuple(map(float, slow))
    coarse, exact = metrics.eer(*binned), metrics.eer(genuine, impostor)
    assert coarse.low - 1e-12 <= exact.rate <= coarse.high + 1e-12
    weighted = Scores.binned(np.unique(genuine), np.unique(genuine, return_counts=True)[1])
    assert metrics.eer(weighted, impostor) == metrics.eer(genuine, impostor)
    assert metrics.auc(weighted, impostor) == metrics.auc(genuine, impostor)


def test_a_float64_threshold_is_compared_without_rounding():
    scores = np.array([0.1, 0.3, 0.5], np.float32)
    for threshold in (np.nextafter(np.float64(scores[1]), 1), float(scores[1]), np.nextafter(np.float64(scores[1]), 0)):
        assert Scores.of(scores).below(threshold) == sum(float(s) < threshold for s in scores)
        assert Scores.of(scores).below(threshold, inclusive=True) == sum(float(s) <= threshold for s in scores)


def test_perfect_reversed_and_constant_scores():
    low, high = np.array([0.0, 0.1]), np.array([0.8, 0.9])
    assert metrics.eer(high, low).rate == 0 and metrics.auc(high, low) == 1
    assert metrics.eer(low, high).rate == 1 and metrics.auc(low, high) == 0
    same = np.full(7, 0.5)
    assert metrics.eer(same, same).rate == 0.5 == metrics.auc(same, same)
    assert math.isnan(metrics.d_prime(same, same))
    strict = metrics.operating_point(np.full(300, 0.5), np.full(300, 0.5), 0.01)
    assert strict.fmr == 0 and strict.fnmr == 1 and strict.threshold > 0.5


def test_empty_cells_say_so():
    some, none = np.array([0.5]), np.array([])
    assert math.isnan(metrics.eer(some, none).rate) and math.isnan(metrics.eer(none, some).rate)
    assert math.isnan(metrics.auc(none, some)) and math.isnan(metrics.d_prime(none, some))
    assert not metrics.operating_point(none, np.zeros(1000), 0.01).supported
    assert len(metrics.det_curve(none, none).thresholds) == 0
    with pytest.raises(ValueError, match="NaN"):
        Scores.of(np.array([0.1, math.nan]))


def test_rejected_comparisons_never_match():
    genuine, impostor = Scores.of(np.array([0.4, 0.6, 0.8])), Scores.of(np.linspace(0, 0.5, 300))
    rejected = genuine.with_rejections(2)
    assert rejected.total == 5
    assert metrics.rates_at(rejected, impostor, -1.0).fnmr == 2 / 5
    assert metrics.operating_point(rejected, impostor, 0.01).fnmr == 3 / 5
    assert metrics.d_prime(rejected, impostor) == metrics.d_prime(genuine, impostor)
    assert genuine.with_rejections(0) is genuine


def test_zero_errors_give_an_upper_bound():
    assert metrics.zero_error_bound(368) == pytest.approx(3 / 368, rel=0.01)
    assert (1 - metrics.zero_error_bound(50)) ** 50 == pytest.approx(0.05)
    assert metrics.zero_error_bound(0) == 1.0
