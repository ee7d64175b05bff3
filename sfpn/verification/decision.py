"""Score -> decision, by what the card of the weights knows about scores of faces posed like these.

Where the card has an operating surface (sfpn.evaluation.surface) and the yaws of both faces are known, the threshold
follows the yaws without jumps; else it is that of the pose pair, else that of all pose pairs together. The error rates
are counted in the histogram of the same scores (`histogram_of`), so that a figure of them shows the same rates.

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
from sfpn.evaluation.neighbourhood import Square, counted, scores_around, square_at
from sfpn.evaluation.scores import Scores
from sfpn.network.card import Card, ScoreHistogram
from sfpn.network.operating_surface import OperatingSurface
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
    the two |yaw| it was read at, `set_within_degrees` is the width of the kernel behind the threshold,
    `measured_within_degrees` half the side of the square of counted pairs, and `square_degrees` from where to where the
    less and the more turned face of these look.
    """

    pose_pair: PosePair
    scores_of: str
    point: OperatingPoint
    uncertain_from: float
    yaws_degrees: tuple[float, float] | None = None
    set_within_degrees: float | None = None
    measured_within_degrees: float | None = None
    square_degrees: Square | None = None

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
    square = _square_at(known, node, level.within_degrees[node])
    around = scores_around(known, square)
    return DecisionRule(
        pair,
        SURFACE,
        point if around is None else counted(point, around),
        point.threshold if laxer is None else min(point.threshold, laxer.threshold),
        yaws_degrees=(abs(yaws_degrees[0]), abs(yaws_degrees[1])),
        set_within_degrees=level.width_degrees[node],
        measured_within_degrees=level.within_degrees[node],
        square_degrees=square,
    )


def _square_at(known: OperatingSurface, node: int, half_side: float) -> Square:
    return square_at(known.yaw_degrees, surface.nodes(known.yaw_degrees)[node].tolist(), half_side)


def rule_at_threshold(
    card: Card, pair: PosePair, threshold: float, yaws_degrees: tuple[float, float] | None = None
) -> DecisionRule:
    """Any threshold, with the rates counted on the card's histogram: exact at its bin edges.

    It is that of pairs posed like these where the card has one and `yaws_degrees` of both sides are given, else that of
    the pose pair. Raises UserError if the card has no histogram.
    """
    if yaws_degrees is not None and card.surface is not None and card.surface.scores is not None:
        on_surface = _surface_rule_at(card.surface, pair, threshold, yaws_degrees)
        if on_surface is not None:
            return on_surface
    key, histogram = histogram_for(card, pair)
    point = _point_by_hand(histogram, threshold)
    return DecisionRule(pair, key, point, _uncertain_from(card, key, point))


def _point_by_hand(histogram: ScoreHistogram, threshold: float) -> OperatingPoint:
    genuine, impostor = _scores(histogram)
    empty = OperatingPoint(genuine=genuine.total, impostor=impostor.total, threshold=threshold, set_on=BY_HAND)
    point = counted(empty, histogram)
    return replace(point, target_fmr=point.fmr)


def _surface_rule_at(
    known: OperatingSurface, pair: PosePair, threshold: float, yaws_degrees: tuple[float, float]
) -> DecisionRule | None:
    """The rule of a threshold at two yaws, in the square of the target whose threshold is nearest to it."""
    levels = [level for level in known.levels if level.within_degrees and level.target_fmr in metrics.FMR_TARGETS]
    if not levels:
        return None
    first, second = (np.array([yaw]) for yaw in yaws_degrees)
    nearest = min(levels, key=lambda level: abs(surface.interpolate(known, level, first, second)[0] - threshold))
    within = nearest.within_degrees[surface.nearest_node(known, *yaws_degrees)]
    square = _square_at(known, surface.nearest_node(known, *yaws_degrees), within)
    around = scores_around(known, square)
    if around is None:
        return None
    point = replace(_point_by_hand(around, threshold), pose_estimated=True)
    return DecisionRule(
        pair,
        SURFACE,
        point,
        _laxer_threshold(around, point),
        yaws_degrees=(abs(yaws_degrees[0]), abs(yaws_degrees[1])),
        measured_within_degrees=within,
        square_degrees=square,
    )


def histogram_of(card: Card, rule: DecisionRule) -> tuple[str, ScoreHistogram]:
    """What a figure of a rule shows: 'surface' and the scores of pairs posed like these, as the rates were counted in.

    Of a card without scores by angle: the key and histogram of the pose pair, else the pooled one. Raises UserError if
    there is neither.
    """
    if card.surface is not None and rule.square_degrees is not None:
        around = scores_around(card.surface, rule.square_degrees)
        if around is not None:
            return SURFACE, around
    return histogram_for(card, rule.pose_pair)


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
    return _laxer_threshold(card.histograms[key], point) if key in card.histograms else point.threshold


def _laxer_threshold(histogram: ScoreHistogram, point: OperatingPoint) -> float:
    """The lowest edge at which at most UNCERTAIN_FACTOR times as many strangers match."""
    if not point.impostor:
        return point.threshold
    laxer = UNCERTAIN_FACTOR * max(point.target_fmr, 1 / point.impostor)
    _, impostor = _scores(histogram)
    reached = histogram.edges[metrics.fmr(impostor, histogram.edges) <= laxer]
    return float(min(point.threshold, *reached[:1]))
