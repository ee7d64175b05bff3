"""Block-wise counting and the bootstrap, against loops over every pair and against really drawing subjects."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sfpn.evaluation import comparisons, metrics
from sfpn.evaluation.bootstrap import Draws, resample
from sfpn.evaluation.comparisons import AllPairs, PairList, Samples
from sfpn.evaluation.scores import Scores
from sfpn.evaluation.tally import TREATMENTS, tally


def people(seed: int = 0, subjects: int = 9, failures: bool = True) -> Samples:
    """A small set with uneven subjects, two poses, unknown yaws, ties (a coarse embedding) and faces not found."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(subjects), rng.integers(1, 8, subjects))
    n = len(identity)
    embeddings = np.round(rng.normal(size=(subjects, 6))[identity] + rng.normal(size=(n, 6))) + 0.1
    yaw = np.where(rng.random(n) < 0.2, np.nan, rng.uniform(-90, 90, n))
    return Samples.build(
        [f"r{i:03d}" for i in rng.permutation(n)],
        [f"s{i}" for i in identity],
        rng.choice(["frontal", "profile"], n),
        embeddings,
        yaw,
        rng.random(n) > 0.15 * failures,
    )


def pair_sets(samples: Samples) -> dict[str, tuple[object, list[tuple[int, int]]]]:
    """Comparisons of each kind beside the obvious list of what they must compare."""
    everything = list(itertools.combinations(range(len(samples)), 2))
    frontal, profile = samples.of_pose("frontal"), samples.of_pose("profile")
    listed = everything[::3][::-1]
    yaw = samples.yaw_degrees
    band = [(a, b) for a, b in everything if 20 <= abs(float(yaw[a] - yaw[b])) < 70]
    return {
        "within": (AllPairs(profile), list(itertools.combinations(profile.tolist(), 2))),
        "between": (AllPairs(frontal, profile), list(itertools.product(frontal.tolist(), profile.tolist()))),
        "list": (PairList(*map(np.array, zip(*listed, strict=True))), listed),
        "yaw": (AllPairs(np.arange(len(samples)), yaw_band=(20, 70)), band),
    }


KINDS = ("within", "between", "list", "yaw")


def split(samples: Samples, pairs: list[tuple[int, int]], treatment: str) -> tuple[list[float], list[float]]:
    """Genuine and impostor scores by a loop over the pairs."""
    scores = ([], [])
    for a, b in pairs:
        found = samples.acquired[a] and samples.acquired[b]
        if treatment == "skip" and not found:
            continue
        score = float(samples.embeddings[a].astype(float) @ samples.embeddings[b])
        scores[int(samples.subjects[a] != samples.subjects[b])].append(
            -np.inf if treatment == "reject" and not found else score
        )
    return scores


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_tally_finds_every_comparison_once(kind, block, monkeypatch):
    monkeypatch.setattr(comparisons, "BLOCK_SCORES", block)
    samples = people()
    compared, pairs = pair_sets(samples)[kind]
    counted = tally(samples, compared)
    assert counted.grid_step == 0 and len(pairs) <= compared.size
    for treatment in TREATMENTS:
        for found, expected in zip(counted.treated(treatment), split(samples, pairs, treatment), strict=True):
            np.testing.assert_allclose(np.repeat(found.values, found.counts), np.sort(expected), atol=1e-6)
    by_score = sorted(
        (-(samples.embeddings[a] @ samples.embeddings[b]), a, b)
        for a, b in pairs
        if samples.subjects[a] != samples.subjects[b]
    )
    np.testing.assert_allclose(counted.hardest_impostors.scores, [-score for score, _, _ in by_score[:50]], atol=1e-6)
    lowest = np.sort(split(samples, pairs, "whole_image")[0])[:50]
    np.testing.assert_allclose(counted.hardest_genuine.scores, lowest, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_counting_on_the_grid_is_exact_at_its_edges(kind):
    samples = people(1)
    compared, _ = pair_sets(samples)[kind]
    exact, gridded = tally(samples, compared), tally(samples, compared, exact_limit=0)
    edges = np.arange(-1, 1, gridded.grid_step * 64)
    for treatment in TREATMENTS:
        for fine, coarse in zip(exact.treated(treatment), gridded.treated(treatment), strict=True):
            np.testing.assert_array_equal(fine.below(edges), coarse.below(edges))
        bound, point = metrics.eer(*gridded.treated(treatment)), metrics.eer(*exact.treated(treatment))
        assert bound.low - 1e-9 <= point.rate <= bound.high + 1e-9


def drawn(samples: Samples, pairs: list[tuple[int, int]], weights: np.ndarray, treatment: str):
    """Really draw: every subject as often as its weight says, copies compared with others but not each other."""
    scores = ([], [])
    for a, b in pairs:
        copies_a, copies_b = int(weights[samples.subjects[a]]), int(weights[samples.subjects[b]])
        same = samples.subjects[a] == samples.subjects[b]
        times = copies_a if same else copies_a * copies_b
        for one, many in zip(scores, split(samples, [(a, b)], treatment), strict=True):
            one.extend(many * times)
    return scores


def as_scores(rounds, treatment: str) -> list[tuple[Scores, Scores]]:
    """Genuine and impostor scores of each round; rejected comparisons below all others."""
    held = rounds.treated(treatment)
    edges = rounds.edges if held.genuine.shape[1] == len(rounds.edges) else np.r_[-np.inf, rounds.edges]
    return [
        (Scores.binned(edges, g), Scores.binned(edges, i)) for g, i in zip(held.genuine, held.impostor, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failures", [True, False])
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_rounds_equal_drawing_subjects_with_replacement(kind, failures, block, monkeypatch):
    monkeypatch.setattr(comparisons, "BLOCK_SCORES", block)
    samples = people(2, failures=failures)
    compared, pairs = pair_sets(samples)[kind]
    draws = Draws.of(samples.subject_count, rounds=5, seed=3)
    rounds = resample(samples, compared, tally(samples, compared), draws)
    inside = rounds.edges[1:-1]
    for treatment in TREATMENTS:
        for weights, found in zip(draws.weights, as_scores(rounds, treatment), strict=True):
            for scores, expected in zip(found, drawn(samples, pairs, weights, treatment), strict=True):
                slow = (np.array(expected)[:, None] < inside - 1e-9).sum(axis=0) if expected else np.zeros(len(inside))
                np.testing.assert_array_equal(scores.below(inside), slow)
                assert scores.total == len(expected)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_rates_of_all_rounds_are_those_of_each_one(treatment):
    samples = people(5)
    compared, _ = pair_sets(samples)["within"]
    rounds = resample(samples, compared, tally(samples, compared), Draws.of(samples.subject_count, rounds=30, seed=1))
    one_by_one = as_scores(rounds, treatment)
    np.testing.assert_array_equal(rounds.treated(treatment).eer(), [metrics.eer(*found).rate for found in one_by_one])
    for target in (0.0, 0.1, 0.4):
        expected = [float(metrics.fnmr(found[0], metrics.lowest_threshold(*found, target))) for found in one_by_one]
        np.testing.assert_array_equal(rounds.treated(treatment).fnmr_at_fmr(target), expected)


def test_rates_of_a_round_are_those_of_the_drawn_scores():
    samples = people(4, subjects=30, failures=False)
    compared, pairs = pair_sets(samples)["within"]
    draws = Draws.of(samples.subject_count, rounds=8, seed=1)
    found = resample(samples, compared, tally(samples, compared), draws).treated("skip").eer()
    slow = [metrics.eer(*map(np.array, drawn(samples, pairs, weights, "skip"))).rate for weights in draws.weights]
    np.testing.assert_allclose(found, slow, atol=0.01)


def test_draws_are_reproducible_and_keep_the_number_of_subjects():
    draws = Draws.of(40, rounds=50, seed=9)
    assert draws.weights.shape == (50, 40) and (draws.weights.sum(axis=1) == 40).all()
    np.testing.assert_array_equal(draws.weights, Draws.of(40, rounds=50, seed=9).weights)
    assert (draws.weights != Draws.of(40, rounds=50, seed=8).weights).any()


def test_an_embedding_without_direction_is_refused():
    with pytest.raises(ValueError, match="zero or not finite"):
        Samples.build(["a", "b"], ["x", "y"], ["frontal"] * 2, np.array([[0, 0], [1, 2]]))
