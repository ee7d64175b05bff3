"""Scores of pairs posed alike, against a loop over all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.posed_scores import AXIS, drawn_scores, surface_card

from sfpn.errors import UserError
from sfpn.evaluation import surface
from sfpn.evaluation.neighbourhood import EDGES, half_sides, scores_around, scores_in_cells, square_at
from sfpn.network.operating_surface import OperatingSurface
from sfpn.verification.decision import SURFACE, UNCERTAIN_FACTOR, histogram_of, rule_at_threshold, rule_for_fmr
from sfpn.verification.wording import provenance, square_words

PAIR = ("frontal", "profile")
POSES = ((0.0, 0.0), (-3.0, 70.0), (44.0, -31.0), (95.0, 12.0), (80.0, 88.0))
BIN = EDGES[1] - EDGES[0]


@pytest.fixture(scope="module")
def measured_on():
    return drawn_scores(seed=12, widest=100.0)


@pytest.fixture(scope="module")
def found(measured_on) -> OperatingSurface:
    return surface.measured(surface.set_surface(drawn_scores(), "people A", [300], AXIS), measured_on, "people B")


def slow_errors(compared, square, threshold: float) -> tuple[int, int, int, int]:
    """(impostor, false matches, genuine, false non-matches) of the pairs in a square, by a loop."""
    counts = [0, 0, 0, 0]
    for score, (a, b), same in zip(compared.scores.tolist(), compared.yaws.tolist(), compared.same, strict=True):
        (a0, a1), (b0, b1) = square
        a_in, b_in = a0 <= a and (a < a1 or a1 == AXIS[-1]), b0 <= b and (b < b1 or b1 == AXIS[-1])
        if a_in and b_in:
            counts[2 if same else 0] += 1
            counts[3 if same else 1] += (score >= threshold) != bool(same)
    return tuple(counts)


@pytest.mark.parametrize("yaws", POSES)
@pytest.mark.parametrize("target", [0.01, 0.001])
def test_the_rates_of_a_target_are_those_of_the_figure_and_of_a_loop(found, measured_on, yaws, target):
    card = surface_card(found)
    rule = rule_for_fmr(card, PAIR, target, yaws)
    key, histogram = histogram_of(card, rule)
    assert key == SURFACE and rule.square_degrees is not None
    point, threshold = rule.point, rule.point.threshold
    assert (sum(histogram.impostor), sum(histogram.genuine)) == (point.impostor, point.genuine)
    low, high = (slow_errors(measured_on, rule.square_degrees, t) for t in (threshold - BIN, threshold + BIN))
    here = slow_errors(measured_on, rule.square_degrees, threshold)
    assert (point.impostor, point.genuine) == (here[0], here[2])
    assert high[1] <= point.false_matches <= low[1] and low[3] <= point.false_non_matches <= high[3]
    assert abs(point.false_matches - here[1]) <= max(2, 0.06 * here[1])
    assert point.fmr == point.false_matches / point.impostor and point.fnmr == point.false_non_matches / point.genuine
    beyond = sum(n for n, edge in zip(histogram.impostor, histogram.edges, strict=False) if edge >= threshold)
    before = sum(n for n, edge in zip(histogram.impostor, histogram.edges[1:], strict=True) if edge > threshold)
    assert beyond <= point.false_matches <= before


@pytest.mark.parametrize("yaws", POSES)
def test_a_threshold_by_hand_is_exact_at_the_edges_of_bins(found, measured_on, yaws):
    card = surface_card(found)
    for edge in EDGES[[190, 230, 260]]:
        rule = rule_at_threshold(card, PAIR, float(edge), yaws)
        point = rule.point
        counts = (point.impostor, point.false_matches, point.genuine, point.false_non_matches)
        assert counts == slow_errors(measured_on, rule.square_degrees, edge)
        lower = slow_errors(measured_on, rule.square_degrees, rule.uncertain_from)
        assert lower[1] <= UNCERTAIN_FACTOR * max(point.false_matches, 1)
        assert rule.scores_of == SURFACE and "by hand" in provenance(rule)


def test_the_line_moved_to_the_threshold_of_a_target_shows_its_rates(found):
    card = surface_card(found)
    for yaws in POSES:
        of_target = rule_for_fmr(card, PAIR, 0.001, yaws)
        by_hand = rule_at_threshold(card, PAIR, of_target.point.threshold, yaws)
        assert by_hand.square_degrees == of_target.square_degrees
        assert (by_hand.point.fmr, by_hand.point.fnmr) == (of_target.point.fmr, of_target.point.fnmr)


def test_a_card_without_scores_by_angle_shows_those_of_the_pose_pair(found):
    from helpers.small_models import random_card

    old = random_card(surface=replace(found, scores=None))
    rule = rule_for_fmr(old, PAIR, 0.01, (2.0, 80.0))
    assert rule.scores_of == SURFACE and histogram_of(old, rule)[0] == "frontal-profile"
    assert rule_at_threshold(old, PAIR, 0.3, (2.0, 80.0)).scores_of == "frontal-profile"
    with pytest.raises(UserError, match="no score histograms"):
        histogram_of(replace(old, histograms={}), rule)


def test_the_squares_of_all_and_of_nothing(found, measured_on):
    whole = scores_around(found, square_at(AXIS, (30.0, 60.0), half_sides(AXIS)[-1]))
    assert sum(whole.impostor) + sum(whole.genuine) == len(measured_on.scores)
    none = scores_in_cells(AXIS, np.empty(0), np.empty((0, 2)), np.empty(0, bool))
    empty = scores_around(replace(found, scores=none), ((0.0, 30.0), (0.0, 30.0)))
    assert sum(empty.impostor) == 0
    rule = rule_at_threshold(surface_card(replace(found, scores=none)), PAIR, 0.3, (0.0, 0.0))
    assert np.isnan(rule.point.fmr) and rule.uncertain_from == 0.3


def test_scores_at_the_ends_are_kept():
    held = scores_in_cells(
        AXIS, np.array([1.0000001, -1.0000001, 1.0]), np.zeros((3, 2)), np.array([True, False, True])
    )
    first = held.cells[0]
    assert (first.genuine_from, first.genuine, first.impostor_from, first.impostor) == (399, (2,), 0, (1,))


def test_words_name_the_square(found):
    card = surface_card(found)
    rule = rule_for_fmr(card, PAIR, 0.01, (2.0, -62.0))
    assert square_words(rule) == "pairs of a face turned by 0 to 30 degrees and one by 30 to 90"
    assert "turned by 2 and 62 degrees. Counted were pairs of a face" in provenance(rule)
    assert square_words(replace(rule, square_degrees=((0.0, 30.0),) * 2)) == (
        "pairs of faces both turned by 0 to 30 degrees"
    )
