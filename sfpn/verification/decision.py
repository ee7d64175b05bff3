"""Score -> decision, by what the card of the weights knows about scores of faces posed like these.

Where the card has an operating surface (sfpn.evaluation.surface) and the yaws of both faces are known, the threshold
follows the yaws without jumps; else it is that of the pose pair, else that of all pose pairs together.

A score that reaches the threshold is a match. The *uncertain* zone lies just below: scores that do not reach the
threshold but would if ten times as many strangers were accepted (for FMR 0.1 %, those between the thresholds of FMR
1 % and 0.1 %). Such a score is too high for strangers to be taken for granted and too low to accept; it counts as no
match.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sfpn.errors import UserError
from sfpn.evaluation import metrics, surface
from sfpn.evaluation.scores import Scores
from sfpn.network.card import Card, OperatingSurface, ScoreHistogram
from sfpn.schema import POOLED, OperatingPoint, PosePair, pair_key, pose_pair

MATCH, UNCERTAIN, NO_MATCH = "match", "uncertain", "no match"
DEFAULT_FMR = 0.001
SURFACE = "surface"  # DecisionRule.scores_of of a threshold that follows the two yaws
WIDE_DEGREES = 20.0  # pairs further from the two poses than this are not "posed like these"
BY_HAND = "by hand"  # OperatingPoint.set_on of a threshold that a visitor chose
UNCERTAIN_FACTOR = 10.0  # how many times as many false matches mark the lower end of the uncertain zone


@dataclass(frozen=True)
class DecisionRule:
    """A threshold for one pose pair and the error rates measured at it.

    `scores_of` names the scores behind it: 'surface', the key of the pair, or 'pooled' where the card has none of this
    pair. `uncertain_from` <= point.threshold is the lower end of the uncertain zone. Of a surface, `yaws_degrees` are
    the two |yaw| it was read at, `set_within_degrees` is the width of the kernel behind the threshold and
    `measured_within_degrees` how far from these yaws those of the counted pairs may lie.
    """

    pose_pair: PosePair
    scores_of: str
    point: OperatingPoint
    uncertain_from: float
    yaws_degrees: tuple[float, float] | None = None
    set_within_degrees: float | None = None
    measured_within_degrees: float | None = None

    @property
    def is_wide(self) -> bool:
        """Whether too few pairs of such poses were there, so that those of a wider neighbourhood stand in."""
        return max(self.set_within_degrees or 0.0, self.measured_within_degrees or 0.0) > WIDE_DEGREES

    @property
    def is_fallback(self) -> bool:
        """Whether the pair has no scores of its own, so that those of all pose pairs together stand in."""
        return self.scores_of == POOLED

    def decide(self, score: float) -> str:
        """MATCH, UNCERTAIN or NO_MATCH."""
        if score >= self.point.threshold:
            return MATCH
        return UNCERTAIN if score >= self.uncertain_from else NO_MATCH


def rule_for_fmr(
    card: Card, pair: PosePair, target_fmr: float = DEFAULT_FMR, yaws_degrees: tuple[float, float] | None = None
) -> DecisionRule:
    """The frozen operating point for a target FMR (0-1): of these yaws, else of the pose pair, else the pooled one.

    yaws_degrees: estimated yaw of both sides, of either sign; None where poses are labels without angles.
    Raises UserError if the card has none of the three.
    """
    if card.surface is not None and yaws_degrees is not None and target_fmr in known_targets(card, pair):
        on_surface = _surface_rule(card.surface, pair, target_fmr, yaws_degrees)
        if on_surface is not None:
            return on_surface
    for key in (pair_key(pair), POOLED):
        for point in card.operating_points.get(key, ()):
            if point.target_fmr == target_fmr:
                return DecisionRule(pair, key, point, _uncertain_from(card, key, point))
    known = ", ".join(f"{fmr:g}" for fmr in known_targets(card, pair))
    if not known:
        raise UserError(
            f"model {card.name}: its card has no operating points; make them with: python -m sfpn calibrate"
        )
    raise UserError(
        f"model {card.name} has no operating point at FMR {target_fmr:g} for {pair_key(pair)}; it has {known}"
    )


def known_targets(card: Card, pair: PosePair) -> list[float]:
    """Target FMRs for which rule_for_fmr has an answer, laxest first."""
    records = [*card.operating_points.get(pair_key(pair), ()), *card.operating_points.get(POOLED, ())]
    on_surface = [level.target_fmr for level in card.surface.levels] if card.surface else []
    known = {point.target_fmr for point in records} | set(on_surface).intersection(metrics.FMR_TARGETS)
    return sorted(known, reverse=True)


def thresholds_for_fmr(
    card: Card, target_fmr: float, poses: tuple[np.ndarray, np.ndarray], yaws: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(n,) thresholds of n pairs at once, as rule_for_fmr gives them one by one; `poses` and `yaws` of both sides (n,).

    Raises UserError if the card has no operating point for the target.
    """
    level = surface.level_of(card.surface, target_fmr) if card.surface is not None else None
    if card.surface is not None and level is not None and level.impostor:
        return surface.interpolate(card.surface, level, *yaws)
    found = np.empty(len(poses[0]))
    for first, second in set(zip(poses[0].tolist(), poses[1].tolist(), strict=True)):
        rule = rule_for_fmr(card, pose_pair(first, second), target_fmr)
        found[(poses[0] == first) & (poses[1] == second)] = rule.point.threshold
    return found


def _surface_rule(
    known: OperatingSurface, pair: PosePair, target_fmr: float, yaws_degrees: tuple[float, float]
) -> DecisionRule | None:
    """The rule at two yaws; None where the surface does not have the target."""
    level, point = surface.level_of(known, target_fmr), surface.point_at(known, target_fmr, *yaws_degrees)
    if level is None or point is None or not level.impostor:
        return None
    laxer = surface.point_at(known, UNCERTAIN_FACTOR * target_fmr, *yaws_degrees)
    node = surface.nearest_node(known, *yaws_degrees)
    return DecisionRule(
        pair,
        SURFACE,
        point,
        point.threshold if laxer is None else min(point.threshold, laxer.threshold),
        yaws_degrees=(abs(yaws_degrees[0]), abs(yaws_degrees[1])),
        set_within_degrees=level.width_degrees[node],
        measured_within_degrees=level.within_degrees[node],
    )


def rule_at_threshold(card: Card, pair: PosePair, threshold: float) -> DecisionRule:
    """Any threshold, with the rates counted on the card's histogram: exact at its bin edges.

    Raises UserError if the card has no histogram.
    """
    key, histogram = histogram_for(card, pair)
    found = metrics.rates_at(*_scores(histogram), threshold)
    point = replace(found, target_fmr=found.fmr, set_on=BY_HAND, measured_on=histogram.measured_on)
    return DecisionRule(pair, key, point, _uncertain_from(card, key, point))


def histogram_for(card: Card, pair: PosePair) -> tuple[str, ScoreHistogram]:
    """The key and histogram of a pose pair, else the pooled one. Raises UserError if there is neither."""
    for key in (pair_key(pair), POOLED):
        if key in card.histograms:
            return key, card.histograms[key]
    raise UserError(f"model {card.name}: its card has no score histograms; make them with: python -m sfpn calibrate")


def genuine_quantile(card: Card, pair: PosePair, fnmr: float) -> float | None:
    """The highest histogram edge below which at most a share `fnmr` of genuine scores lie; None without a histogram."""
    if not card.histograms.keys() & {pair_key(pair), POOLED}:
        return None
    _, histogram = histogram_for(card, pair)
    genuine, _ = _scores(histogram)
    return max(edge for edge in histogram.edges if metrics.fnmr(genuine, edge) <= fnmr)


def _scores(histogram: ScoreHistogram) -> tuple[Scores, Scores]:
    """Genuine and impostor scores; both kinds are counted at the lower edges of their bins."""
    edges = histogram.edges[:-1]
    return Scores.binned(edges, np.array(histogram.genuine)), Scores.binned(edges, np.array(histogram.impostor))


def _uncertain_from(card: Card, key: str, point: OperatingPoint) -> float:
    if not point.impostor:
        return point.threshold
    laxer = UNCERTAIN_FACTOR * max(point.target_fmr, 1 / point.impostor)
    for record in card.operating_points.get(key, ()):
        if abs(record.target_fmr - laxer) < 1e-9:
            return min(record.threshold, point.threshold)
    if key not in card.histograms:
        return point.threshold
    histogram = card.histograms[key]
    _, impostor = _scores(histogram)
    reached = (edge for edge in histogram.edges if metrics.fmr(impostor, edge) <= laxer)
    return min(point.threshold, *reached)
