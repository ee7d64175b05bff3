"""The operating surface against a slow obvious version, on drawn scores; smooth, monotone, refused where it must be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.posed_scores import AXIS, drawn_scores, surface_card

from sfpn.evaluation import surface
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.posed_scores import PosedScores
from sfpn.network.card import Card
from sfpn.network.operating_surface import OperatingSurface
from sfpn.verification.decision import SURFACE, known_targets, rule_for_fmr, thresholds_for_fmr

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def compared() -> PosedScores:
    return drawn_scores()


@pytest.fixture(scope="module")
def found(compared) -> OperatingSurface:
    made = surface.set_surface(compared, "people A", [300], AXIS)
    return surface.measured(made, drawn_scores(seed=12), "people B")


def weights_at(compared: PosedScores, node: tuple[float, float], width: float) -> list[float]:
    return [float(np.exp(-((a - node[0]) ** 2 + (b - node[1]) ** 2) / (2 * width**2))) for a, b in compared.yaws]


def slow_threshold(scores: list[float], weights: list[float], target: float) -> float:
    whole, reached, threshold = sum(weights), 0.0, np.nan
    for score, weight in sorted(zip(scores, weights, strict=True), reverse=True):
        reached += weight
        if reached > target * whole:
            return threshold
        threshold = score
    return threshold


def slow_error(compared: PosedScores, weights: list[float], threshold: float) -> float:
    """The jackknife, a person at a time, with the comparisons without this person counted anew."""

    both = compared.couples[compared.couple]

    def rate(without: int) -> float:
        kept = [w for w, people in zip(weights, both, strict=True) if without not in people]
        rows = zip(compared.scores, weights, both, strict=True)
        return sum(w for score, w, people in rows if score >= threshold and without not in people) / sum(kept)

    rates = np.array([rate(person) for person in np.unique(both)])
    spread = float(np.sqrt((len(rates) - 1) / len(rates) * ((rates - rates.mean()) ** 2).sum()))
    return spread / rate(-1)


@pytest.mark.parametrize("target", [0.1, 0.01])
def test_thresholds_equal_a_loop(target):
    compared = drawn_scores(6_000, seed=21)
    found = surface.set_surface(compared, "people A", [300], AXIS)
    level, laxest = surface.level_of(found, target), surface.level_of(found, 0.1)
    impostor = compared.take(~compared.same)
    base, unit = np.zeros(len(impostor.scores)), np.ones(len(impostor.scores))
    at_node = {number: (0.0, 1.0) for number in range(len(level.threshold))}
    if target < 0.1:
        median = surface._set_level(impostor, surface.MEDIAN, [0], AXIS, [])
        at_node = {n: (laxest.threshold[n], laxest.threshold[n] - median.threshold[n]) for n in at_node}
        base = np.array([slow_bilinear(found, laxest.threshold, *map(float, yaws)) for yaws in impostor.yaws])
        unit = base - [slow_bilinear(found, median.threshold, *map(float, yaws)) for yaws in impostor.yaws]
    above = replace(impostor, scores=(impostor.scores - base) / unit)
    for number in (0, 3, 5, 9):
        slow, width = slow_shared(above, tuple(surface.nodes(AXIS)[number]), target)
        slow = at_node[number][0] + at_node[number][1] * slow
        assert level.threshold[number] == pytest.approx(slow, abs=2e-4)  # a card keeps four digits
        assert level.width_degrees[number] == pytest.approx(width)


def slow_shared(above: PosedScores, node: tuple[float, float], target: float) -> tuple[float, float]:
    """(threshold, width) of one dataset's node: each width gets its part of what the narrower ones leave."""
    everyone = len(above.couples)
    left, threshold, mean_width = 1.0, 0.0, 0.0
    for width in surface.WIDTHS_DEGREES:
        weights = weights_at(above, node, width)
        mass = [0.0] * everyone
        for couple, weight in zip(above.couple, weights, strict=True):
            mass[couple] += weight
        there = [sum(w) ** 2 / sum(one * one for one in w) for w in (weights, mass)]
        ratio = min(there[0] * target / 15, there[1] / min(300, everyone / 2))
        share = left if width == surface.WIDTHS_DEGREES[-1] else left * min(1.0, max(0.0, (ratio - 0.75) / 0.5))
        if share:
            error = slow_error(above, weights, slow_threshold(above.scores.tolist(), weights, target))
            assert 0.02 < error < 1
            threshold += share * slow_threshold(above.scores.tolist(), weights, target / (1 + error))
            mean_width += share * width
        left -= share
        if left < 0.02:
            break
    return threshold / (1 - left), mean_width / (1 - left)


def test_a_few_comparisons_more_or_less_move_no_threshold():
    """Where a neighbourhood holds just enough, the next wider one gives nearly the same: there is no step."""
    impostor, target, node = drawn_scores(40_000, seed=31), 0.01, (30.0, 30.0)
    impostor = impostor.take(~impostor.same)
    shuffled = impostor.take(RNG.permutation(len(impostor.scores)))
    counts = range(2_000, len(shuffled.scores), 200)
    near = [surface.effective_number(np.array(weights_at(shuffled.take(slice(0, n)), node, 8.0))) for n in counts]
    edge = counts[int(np.argmin(np.abs(np.array(near) * target - surface.ENOUGH)))]
    assert min(near) * target < surface.ENOUGH < max(near) * target
    number = surface.nodes(AXIS).tolist().index(list(node))
    found = [
        surface.level_of(surface.set_surface(shuffled.take(slice(0, edge + more)), "x", [300], AXIS), target)
        for more in (-60, -30, 0, 30, 60)
    ]
    widths, thresholds = (
        np.array([getattr(f, name)[number] for f in found]) for name in ("width_degrees", "threshold")
    )
    assert np.abs(np.diff(widths)).max() < 0.5 and np.abs(np.diff(thresholds)).max() < 0.004


def test_rare_matches_of_one_person_are_trusted_less():
    """As many high scores, once spread over all people and once all of one of them: then the threshold is higher."""
    spread = drawn_scores()
    both = spread.couples[spread.couple]
    one = (both == 0).any(axis=1) & ~spread.same
    high = np.flatnonzero(~spread.same)[:: round((~spread.same).sum() / one.sum())][: one.sum()]
    lifted = [spread.scores.copy(), spread.scores.copy()]
    lifted[0][high] += np.float32(0.4)
    lifted[1][one] += np.float32(0.4)
    thresholds = [
        surface.level_of(surface.set_surface(replace(spread, scores=scores), "x", [300], AXIS), 0.1).threshold[0]
        for scores in lifted
    ]
    assert thresholds[1] > thresholds[0] + 0.05


def test_a_few_people_who_look_alike_do_not_set_a_threshold():
    """All photos near 30 degrees are of three people, who are alike: other people join, and no hill is left."""
    compared = drawn_scores()
    near = (np.abs(compared.yaws - 30) < 14).all(axis=1) & ~compared.same
    three = np.flatnonzero((compared.couples < 3).all(axis=1) & (np.diff(compared.couples, axis=1)[:, 0] != 0))
    alike = replace(
        compared,
        scores=compared.scores + np.float32(0.3) * near,
        couple=np.where(near, RNG.choice(three, len(near)), compared.couple),
    )
    node = surface.nodes(AXIS).tolist().index([30.0, 30.0])
    usual, level = (surface.level_of(surface.set_surface(c, "x", [300], AXIS), 0.1) for c in (compared, alike))
    assert level.width_degrees[node] > 1.5 * usual.width_degrees[node]
    trusted = replace(alike, couple=compared.couple)  # the same scores, of thirty people
    hill = surface.level_of(surface.set_surface(trusted, "x", [300], AXIS), 0.1)
    assert level.threshold[node] < hill.threshold[node] - 0.05


def test_rates_at_a_node_are_counts_around_it(found):
    compared, level = drawn_scores(seed=12), surface.level_of(found, 0.01)
    for number, node in enumerate(surface.nodes(AXIS)):
        counts = {"impostor": 0, "false_matches": 0, "genuine": 0, "false_non_matches": 0}
        for score, (a, b), same in zip(compared.scores, compared.yaws, compared.same, strict=True):
            if max(abs(a - node[0]), abs(b - node[1])) <= level.within_degrees[number]:
                match = score >= slow_bilinear(found, level.threshold, float(a), float(b))
                counts["genuine" if same else "impostor"] += 1
                counts["false_matches"] += bool(match and not same)
                counts["false_non_matches"] += bool(same and not match)
        assert counts == {name: getattr(level, name)[number] for name in counts}


def slow_bilinear(found: OperatingSurface, thresholds, a: float, b: float) -> float:
    value = {
        tuple(sorted(node)): threshold for node, threshold in zip(surface.nodes(AXIS).tolist(), thresholds, strict=True)
    }
    step = AXIS[1]
    low = [min(int(yaw // step), len(AXIS) - 2) * step for yaw in (a, b)]
    u, v = (a - low[0]) / step, (b - low[1]) / step
    corners = [
        ((1 - u) * (1 - v), (low[0], low[1])),
        (u * (1 - v), (low[0] + step, low[1])),
        ((1 - u) * v, (low[0], low[1] + step)),
        (u * v, (low[0] + step, low[1] + step)),
    ]
    return sum(weight * value[tuple(sorted(corner))] for weight, corner in corners)


def test_smooth_symmetric_and_lower_targets_higher(found):
    grid = np.linspace(-120, 120, 481)
    a, b = (axis.ravel() for axis in np.meshgrid(grid, grid))
    below = np.full(len(a), -1.0)
    for level in found.levels:
        table = surface.interpolate(found, level, a, b)
        assert (table >= below).all()
        np.testing.assert_allclose(table, surface.interpolate(found, level, -b, a), atol=1e-12)
        per_degree = np.abs(np.diff(table.reshape(len(grid), -1), axis=1)).max() / (grid[1] - grid[0])
        assert per_degree < 0.02
        below = table


def test_realised_rates_follow_the_target_everywhere(compared):
    found = surface.set_surface(compared, "people A", [300])
    fresh = drawn_scores(400_000, seed=13)
    impostor = fresh.take(~fresh.same)
    matched = impostor.scores >= surface.interpolate(found, surface.level_of(found, 0.01), *impostor.yaws.T)
    for low in (0, 30, 60):
        for high in (0, 30, 60):
            cell = (impostor.yaws >= (low, high)).all(axis=1) & (impostor.yaws < (low + 30, high + 30)).all(axis=1)
            if cell.sum() > 3000:
                assert 0.5 < matched[cell].mean() / 0.01 < 1.5


def test_few_comparisons_widen_and_fewer_are_refused():
    few = surface.set_surface(drawn_scores(4000), "few", [300], AXIS)
    assert [level.target_fmr for level in few.levels] == [0.1, 0.01, 0.001]  # 3,600 impostors: none at 0.01 %
    strict, lax = surface.level_of(few, 0.001), surface.level_of(few, 0.1)
    assert min(strict.width_degrees) > max(lax.width_degrees)
    assert surface.set_surface(drawn_scores(20), "none", [5], AXIS).levels == ()


def test_the_first_dataset_counts_and_others_fill_up():
    alike = replace(drawn_scores(seed=4, source=1), scores=drawn_scores(seed=4).scores + np.float32(0.3))
    first = drawn_scores()
    alone = surface.set_surface(first, "a", [300], AXIS)
    both = PosedScores.joined([first, alike])
    together = surface.level_of(surface.set_surface(both, "b", [300, 300], AXIS), 0.1)
    assert together.threshold == pytest.approx(surface.level_of(alone, 0.1).threshold, abs=2e-3)
    same = [a == b for a, b in zip(together.comparisons, surface.level_of(alone, 0.1).comparisons, strict=True)]
    assert sum(same) >= 8  # of 10 nodes: where the first has just enough, the others share a little
    thin = PosedScores.joined([first.take(first.yaws[:, 1] < 20), alike])
    filled = surface.level_of(surface.set_surface(thin, "c", [300, 300], AXIS), 0.01)
    assert filled.threshold[-1] > surface.level_of(alone, 0.01).threshold[-1] + 0.2
    assert filled.threshold[0] == pytest.approx(surface.level_of(alone, 0.01).threshold[0], abs=0.02)


def test_a_dataset_of_a_few_people_cannot_speak_of_rare_matches():
    assert surface.datasets_for(0.01, [50, 6, 400]) == [0, 2]
    assert surface.datasets_for(0.1, [50, 6, 400]) == [0, 1, 2]
    assert surface.datasets_for(0.0001, [5]) == [0]


def test_comparisons_of_samples_leave_out_unknown_yaws_and_failures():
    vectors = RNG.normal(size=(6, 4))
    yaws = [10.0, -40.0, np.nan, 80.0, 5.0, 0.0]
    acquired = [True, True, True, True, False, True]
    samples = Samples.build(list("abcdef"), list("pppqqq"), ["frontal"] * 6, vectors, yaws, acquired)
    compared = PosedScores.of(samples)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = {
        (round(float(units[i] @ units[j]), 5), *sorted((abs(yaws[i]), abs(yaws[j]))))
        for i, j in ((0, 1), (0, 3), (0, 5), (1, 3), (1, 5), (3, 5))
    }
    assert {(round(float(s), 5), *map(float, y)) for s, y in zip(compared.scores, compared.yaws, strict=True)} == wanted
    assert compared.same.sum() == 2


def test_a_card_keeps_its_surface_and_decides_by_it(found):
    card = Card.from_json(surface_card(found).to_json())
    assert card.surface == found and known_targets(card, ("frontal", "profile")) == [0.01, 0.001, 0.0001]
    yaws = (np.array([-3.0, 44.0, 90.0]), np.array([70.0, -31.0, 12.0]))
    poses = (np.array(["frontal", "three_quarter", "profile"]), np.array(["profile", "three_quarter", "frontal"]))
    at_once = thresholds_for_fmr(card, 0.01, poses, yaws)
    old = surface_card(replace(found, scores=None))  # has no scores by angle
    for number, pair in enumerate(zip(*yaws, strict=True)):
        rule = rule_for_fmr(card, ("frontal", "profile"), 0.01, pair)
        assert rule.scores_of == SURFACE and not rule.is_fallback
        assert rule.point.threshold == pytest.approx(at_once[number]) and rule.uncertain_from <= rule.point.threshold
        node = surface.nearest_node(found, *pair)
        level = surface.level_of(found, 0.01)
        assert (rule.point.impostor, rule.point.genuine) == (level.impostor[node], level.genuine[node])
        at_own = rule_for_fmr(old, ("frontal", "profile"), 0.01, pair)
        assert at_own.point.fmr == level.false_matches[node] / level.impostor[node]
        assert (at_own.point.threshold, at_own.point.impostor) == (rule.point.threshold, rule.point.impostor)
        lax = surface.point_at(found, 0.1, *pair)
        assert rule.uncertain_from == pytest.approx(lax.threshold)


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda s: s | {"yaw_degrees": [0.0, 30.0, 30.0, 90.0]}, "yaw_degrees must rise"),
        (lambda s: s | {"yaw_degrees": [0.0, 90.0]}, "must hold 3 values each"),
        (lambda s: s | {"levels": [s["levels"][0] | {"impostor": [-1] * 10}]}, "impostor"),
        (lambda s: s | {"levels": [s["levels"][0] | {"threshold": ["a"] * 10}]}, "threshold"),
        (lambda s: s | {"colour": 1}, "colour"),
        (lambda s: s | {"scores": s["scores"] | {"cells": s["scores"]["cells"][1:]}}, "must hold 6 cells, not 5"),
        (lambda s: s | {"scores": s["scores"] | {"low": 1.0}}, "scores.low must be below"),
        (lambda s: s | {"scores": s["scores"] | {"bins": 30}}, "no bin beyond the 30"),
        (lambda s: s | {"scores": s["scores"] | {"bins": 10**9}}, "bins"),
        (lambda s: s | {"scores": s["scores"] | {"cells": [{"genuine": [10**30]}]}}, "scores.cells.0"),
    ],
)
def test_a_card_with_a_wrong_surface_is_refused(found, change, says):
    record = surface_card(found).to_json()
    with pytest.raises(ValueError, match=says):
        Card.from_json(record | {"surface": change(record["surface"])})
