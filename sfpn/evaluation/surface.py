"""The operating surface: the threshold for a target FMR as a smooth function of the two estimated poses.

A table of thresholds per pose pair jumps where a pose gets another name. Here the threshold at (a, b), a <= b, is the
lowest score t whose weighted FMR is at most the aim, over all impostor comparisons weighted by how near their two
|yaw|, the smaller one first, are to (a, b): a Gaussian in each, of one width. It is set at the nodes of a grid and
interpolated bilinearly between them. Rare matches need wide neighbourhoods, in which other poses blur the threshold: so
only that of the laxest target is taken from the scores, and each next one from how far scores lie above the one before,
in units of the spread at their own poses: the distance from the median score of strangers to that laxest threshold.
Scores of strangers spread differently at different poses, but in these units their upper ends are alike.

Where too little stands behind a node (fewer than ENOUGH / target comparisons, or COUPLES pairs of people, both counted
as the effective number (sum w)^2 / (sum w^2)), its width grows, up to NEAR_DEGREES; then the comparisons of the next
dataset join, and the width starts anew; only then come comparisons from further away, at last all. A neighbourhood that
has about enough shares the node with the next ones, so that a threshold is a continuous function of the poses that it
is set on. Datasets come in the order in which they are named, because strangers in one are more alike than in another,
and that moves a threshold more than some degrees of yaw do: the first one is the population that the rates are promised
for. Each node keeps its width.

The aim is below the target, by what these people leave open: with other people the FMR at a threshold would be another
one, and rare matches are of few people. target / (1 + s) is aimed at, where s is the standard error of the FMR at the
target's own threshold as a share of it, by leaving out one person after the other (the jackknife: B. Efron, C. Stein,
"The jackknife estimate of variance", 1981). So about one standard error lies between what is aimed at and the target.

The error rates at a node are counts over other people: of all comparisons in a square around the node, each judged by
the threshold at its own two poses. The scores of these comparisons are kept too, by cells of |yaw|, so that the rates
of any threshold can be counted for a pair (sfpn.evaluation.neighbourhood).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sfpn.evaluation import metrics, neighbourhood
from sfpn.evaluation.posed_scores import PosedScores
from sfpn.network.operating_surface import OperatingSurface, SurfaceLevel
from sfpn.schema import OperatingPoint

NODES_DEGREES = tuple(np.arange(0.0, 91.0, 10.0).tolist())
NARROWEST_DEGREES = 8.0
WIDTHS_DEGREES = (*np.round(NARROWEST_DEGREES * 1.25 ** np.arange(11), 1).tolist(), neighbourhood.EVERYWHERE_DEGREES)
NEAR_DEGREES = 20.0  # up to this width, comparisons of one dataset come before those of the next
EVERYWHERE_DEGREES = neighbourhood.EVERYWHERE_DEGREES
MEDIAN = 0.5
LEAST_SPREAD = 1e-3  # in score: where all strangers score alike
TARGETS = (0.1, *metrics.FMR_TARGETS)  # 10 %: the lower end of the uncertain zone at 1 %
ENOUGH = 15.0  # false matches to be expected among the comparisons behind a threshold: what is set on fewer is chance
ENOUGH_BETWEEN = (0.75, 1.25)  # times enough: a neighbourhood with less has no say, one with more has all of it
LEAST_SHARE = 0.02  # of a node: what is left below it is not worth another neighbourhood
COUPLES = 300  # pairs of people behind a threshold, as of 25 people; or half of all, where there are fewer


def nodes(axis: Sequence[float]) -> np.ndarray:
    """(n * (n + 1) / 2, 2) nodes (a, b) with a <= b, in the order in which a surface keeps their values."""
    first, second = np.triu_indices(len(axis))
    return np.column_stack([np.asarray(axis)[first], np.asarray(axis)[second]])


def set_surface(
    compared: PosedScores, set_on: str, people: Sequence[int], axis: Sequence[float] = NODES_DEGREES
) -> OperatingSurface:
    """Thresholds at all nodes, from the impostor comparisons; error rates are not measured yet.

    people: how many there are in each dataset. A target that all comparisons together cannot support is left out.
    """
    impostor = compared.take(~compared.same)
    levels: list[SurfaceLevel] = []
    for target in (MEDIAN, *TARGETS):
        if metrics.is_supported(target, len(impostor.scores)):
            levels.append(_set_level(impostor, target, datasets_for(target, people), axis, levels))
    return OperatingSurface(tuple(map(float, axis)), tuple(levels[1:]), set_on=set_on)


def _set_level(
    impostor: PosedScores, target: float, datasets: Sequence[int], axis: Sequence[float], laxer: list[SurfaceLevel]
) -> SurfaceLevel:
    """The thresholds of one target; with two laxer ones or more, as distances above the last of them.

    laxer: from the median on. The unit of distances is that between the first two.
    """
    from_scores = len(laxer) < 2
    base = np.zeros(len(nodes(axis))) if from_scores else np.array(laxer[-1].threshold)
    unit = np.ones(len(base)) if from_scores else np.subtract(laxer[1].threshold, laxer[0].threshold)
    unit = np.maximum(unit, LEAST_SPREAD)
    there = [interpolate_on(axis, v.tolist(), *impostor.yaws.T).astype(np.float32) for v in (base, unit)]
    above = replace(impostor, scores=(impostor.scores - there[0]) / there[1])
    falling = above.take(np.argsort(-above.scores, kind="stable"))
    found = [_threshold_at(falling, node, target, datasets) for node in nodes(axis)]
    distance, width, effective = zip(*found, strict=True)
    thresholds = np.array(distance) if from_scores else base + unit * np.maximum(distance, 0.0)
    return SurfaceLevel(
        target_fmr=target,
        threshold=tuple(round(float(value), 4) for value in thresholds),
        width_degrees=width,
        comparisons=tuple(int(value) for value in effective),
    )


def datasets_for(target: float, people: Sequence[int]) -> list[int]:
    """Numbers of the datasets whose strangers can speak of such a target: the first one always does.

    Of six people there are fifteen pairs of strangers. Two of them who look alike are one in fifteen, however many
    photos there are of them, and would set every threshold for one in a thousand.
    """
    return [number for number, n in enumerate(people) if number == 0 or n * (n - 1) / 2 * target >= 1]


def neighbourhoods(datasets: Sequence[int]) -> list[tuple[tuple[int, ...], float]]:
    """(datasets, width in degrees) in the order in which they are tried at a node."""
    joined = [tuple(datasets[:count]) for count in range(1, len(datasets) + 1)]
    near = [(some, width) for some in joined for width in WIDTHS_DEGREES if width <= NEAR_DEGREES]
    return near + [(joined[-1], width) for width in WIDTHS_DEGREES if width > NEAR_DEGREES]


def _threshold_at(
    falling: PosedScores, node: np.ndarray, target: float, datasets: Sequence[int]
) -> tuple[float, float, float]:
    """(threshold, width, effective comparisons), the means over the neighbourhoods that share a node.

    falling: impostor comparisons by falling score.
    """
    squared = np.square(falling.yaws - node.astype(np.float32)).sum(axis=1)
    tried, left, mean = neighbourhoods(datasets), 1.0, np.zeros(3)
    for number, (some, width) in enumerate(tried, start=1):
        weights = np.exp(squared / np.float32(-2 * width**2)) * np.isin(falling.source, some)
        mass = np.bincount(falling.couple, weights, len(falling.couples))
        effective = effective_number(weights)
        couples = effective_number(mass) / min(COUPLES, len(mass) / 2)
        share = left * (enough(min(effective * target / ENOUGH, couples)) if number < len(tried) else 1.0)
        if share:
            mean += share * np.array([_cautious_threshold(falling, weights, mass, target), width, effective])
        left -= share
        if left < LEAST_SHARE:
            break
    threshold, width, effective = mean / (1 - left)
    return float(threshold), float(width), float(effective)


def enough(ratio: float) -> float:
    """How much (0-1) of what is left a neighbourhood gets that holds `ratio` times what is enough.

    A rise instead of a step: one comparison more or less must not move a threshold.
    """
    low, high = ENOUGH_BETWEEN
    return float(np.clip((ratio - low) / (high - low), 0, 1))


def _cautious_threshold(falling: PosedScores, weights: np.ndarray, mass: np.ndarray, target: float) -> float:
    """The threshold of one neighbourhood for what is aimed at; mass: (m,) weight of each couple's comparisons."""
    matches = falling.scores >= _threshold(falling.scores, weights, target)
    matched = np.bincount(falling.couple[matches], weights[matches], len(mass))
    aim = target / (1 + _relative_error(matched, mass, falling.couples))
    return _threshold(falling.scores, weights, aim)


def _relative_error(matched: np.ndarray, mass: np.ndarray, couples: np.ndarray) -> float:
    """Standard error of sum(matched) / sum(mass) as a share of it, by leaving out each person; 0 without matches.

    matched, mass: (m,) weight of the comparisons of each couple, of those that match and of all.
    """
    people = int(couples.max(initial=-1)) + 1
    matched_with, mass_with = (np.bincount(couples.ravel(), np.repeat(m, 2), people) for m in (matched, mass))
    there = mass_with > 0
    if not matched.any() or there.sum() < 2:
        return 0.0
    rest = np.maximum(mass.sum() - mass_with[there], np.finfo(float).tiny)
    without = (matched.sum() - matched_with[there]) / rest
    variance = (there.sum() - 1) / there.sum() * np.square(without - without.mean()).sum()
    return float(np.sqrt(variance)) / (matched.sum() / mass.sum())


def effective_number(weights: np.ndarray) -> float:
    """(sum w)^2 / (sum w^2): as many equally weighted comparisons would say as much."""
    squares = float(np.square(weights).sum(dtype=np.float64))
    return float(weights.sum(dtype=np.float64)) ** 2 / squares if squares else 0.0


def _threshold(falling: np.ndarray, weights: np.ndarray, target: float) -> float:
    """The lowest of the scores (falling) at which at most a share `target` of the weight matches."""
    from_here = np.cumsum(weights, dtype=np.float64)
    last_of_score = np.append(falling[1:] != falling[:-1], True)  # ties match together
    allowed = np.flatnonzero(last_of_score & (from_here <= target * from_here[-1]))
    return float(falling[allowed[-1]]) if len(allowed) else float(np.nextafter(falling[0], np.float32(2)))


def measured(surface: OperatingSurface, compared: PosedScores, measured_on: str) -> OperatingSurface:
    """The surface with the errors of other people's comparisons counted in the neighbourhood of each node."""
    yaws, axis = compared.yaws, surface.yaw_degrees
    numbers = neighbourhood.intervals(axis, yaws)
    matched = [compared.scores >= interpolate(surface, level, yaws[:, 0], yaws[:, 1]) for level in surface.levels]
    counts: list[list[tuple[float, int, int, int, int]]] = [[] for _ in surface.levels]
    for node in nodes(axis):
        near = {}
        for level, matches, lines in zip(surface.levels, matched, counts, strict=True):
            for degrees in neighbourhood.half_sides(axis):
                if degrees not in near:
                    square = neighbourhood.square_at(axis, node.tolist(), degrees)
                    inside = np.flatnonzero(neighbourhood.inside(axis, numbers, square))
                    near[degrees] = inside[~compared.same[inside]], inside[compared.same[inside]]
                impostor, genuine = near[degrees]
                enough = metrics.is_supported(level.target_fmr, len(impostor)) and len(genuine)
                if enough or degrees == EVERYWHERE_DEGREES:
                    break
            errors = int(matches[impostor].sum()), int((~matches[genuine]).sum())
            lines.append((degrees, len(impostor), errors[0], len(genuine), errors[1]))
    columns = ("within_degrees", "impostor", "false_matches", "genuine", "false_non_matches")
    levels = (
        replace(level, **dict(zip(columns, zip(*lines, strict=True), strict=True)))
        for level, lines in zip(surface.levels, counts, strict=True)
    )
    scores = neighbourhood.scores_in_cells(axis, compared.scores, yaws, compared.same)
    return replace(surface, measured_on=measured_on, levels=tuple(levels), scores=scores)


def interpolate(surface: OperatingSurface, level: SurfaceLevel, yaw_a: np.ndarray, yaw_b: np.ndarray) -> np.ndarray:
    """(n,) thresholds for pairs of yaws in degrees, of either sign, in either order; beyond the grid as at its edge."""
    return interpolate_on(surface.yaw_degrees, level.threshold, yaw_a, yaw_b)


def interpolate_on(
    yaw_degrees: Sequence[float], thresholds: Sequence[float], yaw_a: np.ndarray, yaw_b: np.ndarray
) -> np.ndarray:
    """As `interpolate`, from the axis and the thresholds at its nodes."""
    axis, table = np.asarray(yaw_degrees), _square(thresholds)
    places = [_place(axis, np.abs(np.asarray(yaw, float))) for yaw in (yaw_a, yaw_b)]
    (i, u), (j, v) = places
    return (
        (1 - u) * (1 - v) * table[i, j]
        + u * (1 - v) * table[i + 1, j]
        + (1 - u) * v * table[i, j + 1]
        + u * v * table[i + 1, j + 1]
    )


def _place(axis: np.ndarray, yaw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the node below, and how far (0-1) the yaw lies on the way to the next one."""
    inside = np.clip(yaw, axis[0], axis[-1])
    below = np.clip(np.searchsorted(axis, inside, side="right") - 1, 0, len(axis) - 2)
    return below, (inside - axis[below]) / (axis[below + 1] - axis[below])


def _square(values: Sequence[float]) -> np.ndarray:
    """(n, n) symmetric table of the values at the nodes."""
    size = int((np.sqrt(8 * len(values) + 1) - 1) / 2)
    table = np.empty((size, size))
    first, second = np.triu_indices(size)
    table[first, second] = table[second, first] = values
    return table


def point_at(surface: OperatingSurface, target_fmr: float, yaw_a: float, yaw_b: float) -> OperatingPoint | None:
    """Threshold at two poses, with the error rates of the nearest node; None for a target that the surface lacks."""
    level = level_of(surface, target_fmr)
    if level is None:
        return None
    threshold = float(interpolate(surface, level, np.array([yaw_a]), np.array([yaw_b]))[0])
    node = nearest_node(surface, yaw_a, yaw_b)
    impostor, genuine = level.impostor[node], level.genuine[node]
    return OperatingPoint(
        target_fmr=target_fmr,
        genuine=genuine,
        impostor=impostor,
        threshold=threshold,
        fmr=level.false_matches[node] / impostor if impostor else float("nan"),
        fnmr=level.false_non_matches[node] / genuine if genuine else float("nan"),
        false_matches=level.false_matches[node],
        false_non_matches=level.false_non_matches[node],
        set_on=surface.set_on,
        measured_on=surface.measured_on,
        pose_estimated=True,
    )


def level_of(surface: OperatingSurface, target_fmr: float) -> SurfaceLevel | None:
    """The thresholds for a target FMR; None where the surface has none."""
    return next((level for level in surface.levels if abs(level.target_fmr - target_fmr) < 1e-9), None)


def nearest_node(surface: OperatingSurface, yaw_a: float, yaw_b: float) -> int:
    """Position of the node nearest to two poses."""
    pair = np.sort(np.abs([yaw_a, yaw_b]))
    return int(np.argmin(((nodes(surface.yaw_degrees) - pair) ** 2).sum(axis=1)))
