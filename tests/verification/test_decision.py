"""Decision rules against the obvious count over the same histogram."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.small_models import random_card

from sfpn.errors import UserError
from sfpn.network.card import ScoreHistogram
from sfpn.verification.decision import (
    MATCH,
    NO_MATCH,
    UNCERTAIN,
    genuine_quantile,
    histogram_for,
    known_targets,
    rule_at_threshold,
    rule_for_fmr,
)

PAIR, WITHOUT = ("frontal", "profile"), ("profile", "profile")
RNG = np.random.default_rng(5)
GENUINE, IMPOSTOR = np.clip(RNG.normal(0.5, 0.2, 3000), -1, 0.999), np.clip(RNG.normal(0.0, 0.15, 20000), -1, 0.999)


def histogram_card():
    counts = (np.histogram(scores, 400, (-1, 1))[0].tolist() for scores in (GENUINE, IMPOSTOR))
    histogram = ScoreHistogram(-1.0, 1.0, *map(tuple, counts), "people B")
    return random_card(histograms={"frontal-profile": histogram}, operating_points={})


def test_frozen_point_of_the_pair_and_its_zones():
    rule = rule_for_fmr(random_card(), PAIR, 0.001)
    assert rule.scores_of == "frontal-profile" and not rule.is_fallback
    assert (rule.uncertain_from, rule.point.threshold) == (0.3, 0.4)  # the thresholds of FMR 1 % and 0.1 %
    assert [rule.decide(score) for score in (0.4, 0.3999, 0.3, 0.2999)] == [MATCH, UNCERTAIN, UNCERTAIN, NO_MATCH]


def test_pair_without_scores_falls_back_to_pooled():
    rule = rule_for_fmr(random_card(), WITHOUT)
    assert rule.is_fallback and rule.point.threshold == 0.5
    assert histogram_for(random_card(), WITHOUT)[0] == "pooled"


def test_what_the_card_lacks_is_a_user_error():
    with pytest.raises(UserError, match="no operating point at FMR 0.5 .* it has 0.01, 0.001"):
        rule_for_fmr(random_card(), PAIR, 0.5)
    bare = random_card(operating_points={}, histograms={})
    assert known_targets(bare, PAIR) == [] and genuine_quantile(bare, PAIR, 0.01) is None
    with pytest.raises(UserError, match="no operating points"):
        rule_for_fmr(bare, PAIR)
    with pytest.raises(UserError, match="no score histograms"):
        rule_at_threshold(bare, PAIR, 0.3)


@pytest.mark.parametrize("bin_number", [180, 200, 260, 333])
def test_rates_at_a_bin_edge_are_exact(bin_number):
    threshold = float(np.linspace(-1, 1, 401)[bin_number])
    point = rule_at_threshold(histogram_card(), PAIR, threshold).point
    assert point.false_matches == sum(score >= threshold for score in IMPOSTOR)
    assert point.false_non_matches == sum(score < threshold for score in GENUINE)
    assert point.fmr == pytest.approx(np.mean(IMPOSTOR >= threshold))
    assert point.fnmr == pytest.approx(np.mean(GENUINE < threshold))


def test_uncertain_zone_of_any_threshold_accepts_ten_times_as_many():
    rule = rule_at_threshold(histogram_card(), PAIR, 0.4)
    edge = rule.uncertain_from
    assert np.mean(IMPOSTOR >= edge) <= 10 * rule.point.fmr < np.mean(IMPOSTOR >= edge - 0.0051)


def test_genuine_quantile():
    edge = genuine_quantile(histogram_card(), PAIR, 0.01)
    assert np.mean(GENUINE < edge) <= 0.01 < np.mean(GENUINE < edge + 0.0051)
