"""What to add next: which further photo would help most, from the measured rates of templates in the card.

It is said where a score is uncertain, or where many pairs of one person, posed like these, are rejected. Both rates of
a suggestion are of pairs of one person, of the same people, each at a threshold that has the same FMR there. What was
not measured is not suggested: sides with mixes of poses that the card does not know get no suggestion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sfpn.network.card import Card
from sfpn.network.template_rates import TemplateRates, rates_of
from sfpn.schema import POSES
from sfpn.verification.decision import BY_HAND, UNCERTAIN, DecisionRule

WEAK_FNMR = 0.25  # from here on a pose pair is weak: every fourth pair of one person is rejected
SIDES = ("first", "second")
EITHER = "either"

Poses = Mapping[str, int]  # pose -> photos of it on a side


@dataclass(frozen=True)
class NextPhoto:
    """A further photo of this pose on this side ('first', 'second' or, where it is the same, 'either').

    fnmr: share of genuine comparisons (0-1) that are rejected with it, and `false_non_matches` of `genuine`;
    fnmr_now and so on: of those like the present photos. Both at a threshold with `target_fmr` in the same data.
    """

    side: str
    pose: str
    target_fmr: float
    fnmr: float
    false_non_matches: int
    genuine: int
    fnmr_now: float
    false_non_matches_now: int
    genuine_now: int
    measured_on: str


def poses_of(poses: Sequence[str]) -> dict[str, int]:
    """How many photos of a side have which pose."""
    counts = Counter(poses)
    return {pose: counts[pose] for pose in POSES if counts[pose]}


def what_next(card: Card, sides: tuple[Poses, Poses], rule: DecisionRule, score: float) -> tuple[NextPhoto, ...]:
    """The further photos that help, the one that helps most first.

    Empty where the decision needs none, where none was measured to help, and for a threshold set by hand.
    """
    weak = rule.point.genuine > 0 and rule.point.fnmr >= WEAK_FNMR
    if rule.point.set_on == BY_HAND or not (weak or rule.decide(score) == UNCERTAIN):
        return ()
    target = rule.point.target_fmr
    now = rates_of(card.templates, sides)
    if now is None or now.rejected(target) is None:
        return ()
    found = [_suggestion(card, now, sides, side, pose, target) for side in (0, 1) for pose in POSES]
    helping = [each for each in found if each is not None and each.fnmr < each.fnmr_now]
    if dict(sides[0]) == dict(sides[1]):
        helping = [replace(each, side=EITHER) for each in helping if each.side == SIDES[0]]
    return tuple(sorted(helping, key=lambda each: each.fnmr))


def _suggestion(
    card: Card, now: TemplateRates, sides: tuple[Poses, Poses], side: int, pose: str, target: float
) -> NextPhoto | None:
    """One more photo of this pose on one side; None if it was not measured."""
    more = [dict(mix) for mix in sides]
    more[side][pose] = more[side].get(pose, 0) + 1
    then = rates_of(card.templates, (more[0], more[1]), now.measured_on)
    rejected, rejected_now = then.rejected(target) if then else None, now.rejected(target)
    if then is None or rejected is None or rejected_now is None:
        return None
    return NextPhoto(
        side=SIDES[side],
        pose=pose,
        target_fmr=target,
        fnmr=rejected / then.genuine,
        false_non_matches=rejected,
        genuine=then.genuine,
        fnmr_now=rejected_now / now.genuine,
        false_non_matches_now=rejected_now,
        genuine_now=now.genuine,
        measured_on=now.measured_on,
    )
