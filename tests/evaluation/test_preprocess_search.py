"""How sure the choice of a preprocessing is: the bootstrap by weights against one that repeats every comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpn.errors import UserError
from sfpn.evaluation import metrics
from sfpn.evaluation.preprocess_search import Tried, _best_shares, doubts, resampled_eers
from sfpn.photos.preprocess import Preprocess


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10_000), st.integers(4, 30), st.booleans())
def test_weights_count_as_repeated_comparisons_do(seed, count, coarse):
    random = np.random.default_rng(seed)
    scores = random.normal(size=count).round(1 if coarse else 6)  # coarse: with ties
    same = random.random(count) < 0.4
    same[:2] = True, False
    weights = random.integers(0, 4, (5, count))
    weights[:, :2] = np.maximum(weights[:, :2], 1)
    found = resampled_eers(scores, same, weights.astype(np.float32))
    for rate, times in zip(found, weights, strict=True):
        genuine, impostor = (np.repeat(scores[kind], times[kind]) for kind in (same, ~same))
        assert rate == pytest.approx(metrics.eer(genuine, impostor).rate)


def test_the_share_of_rounds_that_each_setting_wins():
    rates = np.array([[0.1, 0.2, np.inf, 0.3], [0.2, 0.1, np.inf, 0.3], [np.inf] * 4])
    np.testing.assert_allclose(_best_shares(rates), [(1 + 0 + 0 + 0.5) / 4, (0 + 1 + 0 + 0.5) / 4, 0])


@pytest.mark.parametrize(
    ("eers", "share", "words"),
    [
        ([0.05, 0.2], 0.99, "The first is the best in 99 % of 200 resamples of the people."),
        ([0.05, 0.06], 0.6, "too close to tell apart"),
        ([0.4, 0.5], 0.99, "No setting tells these people apart"),
        ([0.05], 1.0, ""),
    ],
)
def test_what_is_said_of_the_choice(eers, share, words):
    tried = [Tried(Preprocess(), eer, 10, 20, 1.0, share) for eer in eers]
    assert words in doubts(tried) and bool(doubts(tried)) == bool(words)


def test_nothing_measured_is_an_error():
    with pytest.raises(UserError, match="not finite numbers or all zero"):
        doubts([Tried(Preprocess(), float("nan"), 10, 20)])
