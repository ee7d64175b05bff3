"""What a comparison means, in words and as JSON: the same sentences for the command and the app."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from sfpn.evaluation.neighbourhood import EVERYWHERE_DEGREES
from sfpn.photos.detector import Face
from sfpn.schema import POSE_LABELS, OperatingPoint, PosePair
from sfpn.verification.decision import BY_HAND, MATCH, UNCERTAIN, UNCERTAIN_FACTOR, DecisionRule
from sfpn.verification.verifier import Comparison, Shot, Side
from sfpn.verification.what_next import EITHER, SIDES, NextPhoto

FEW_GENUINE = 100  # pairs of one person that tell an FNMR of 10 % from one of 5 %
_TIMES = {10.0: "ten"}.get(UNCERTAIN_FACTOR, f"{UNCERTAIN_FACTOR:g}")
HEADLINES = {MATCH: "Match", UNCERTAIN: "Uncertain, so no match"}


def headline(decision: str) -> str:
    """The decision in two or three words."""
    return HEADLINES.get(decision, "No match")


def pair_words(pair: PosePair) -> str:
    """'frontal and profile'; 'two profile' for a pair of the same pose."""
    first, second = (POSE_LABELS[pose] for pose in pair)
    return f"two {first}" if first == second else f"{first} and {second}"


def percent(rate: float) -> str:
    """A rate (0-1) as a percentage with two significant digits.

    >>> percent(0.001), percent(0.1234)
    ('0.1 %', '12 %')
    """
    return f"{100 * rate:.2g} %" if rate < 0.995 else f"{100 * rate:.0f} %"


def explanation(rule: DecisionRule, score: float) -> str:
    """Why this score is judged as it is."""
    threshold = rule.point.threshold
    if score >= threshold:
        return f"The score {score:.3f} reaches the threshold {threshold:.3f}."
    if score >= rule.uncertain_from:
        return (
            f"The score {score:.3f} lies just below the threshold {threshold:.3f}: in the zone from "
            f"{rule.uncertain_from:.3f} on, {_TIMES} times as many strangers score as high. "
            "Do not take it as proof either way; try other photos."
        )
    return (
        f"The score {score:.3f} is below the threshold {threshold:.3f}, "
        f"and below the uncertain zone from {rule.uncertain_from:.3f} on."
    )


def error_rates(point: OperatingPoint) -> str:
    """Both error rates at the threshold with their counts."""
    return (
        f"At this threshold {percent(point.fmr)} of strangers match "
        f"(FMR: {point.false_matches:,} of {point.impostor:,} pairs) "
        f"and {percent(point.fnmr)} of pairs of one person do not "
        f"(FNMR: {point.false_non_matches:,} of {point.genuine:,})."
    )


def head_words(face: Face, unit: str = " degrees") -> str:
    """Where a face looks and how sure that is: 'yaw -52 degrees, give or take 7; pitch +12'."""
    words = f"yaw {face.yaw_degrees:+.0f}{unit}"
    if face.yaw_uncertainty_degrees is not None:
        words += f", give or take {face.yaw_uncertainty_degrees:.0f}"
    return words if face.pitch_degrees is None else f"{words}; pitch {face.pitch_degrees:+.0f}"


def turned_words(degrees: int) -> str:
    """'turned by 90 degrees to stand upright'; empty for a photo that was upright."""
    way = {0: "", 90: "turned by 90 degrees", 180: "turned upside down", 270: "turned by 90 degrees to the left"}[
        degrees
    ]
    return way and f"{way} to stand upright"


def provenance(rule: DecisionRule) -> str:
    """Which scores the rates come from, and whether they are of this pose pair at all."""
    words = [f"Measured on {rule.point.measured_on}; threshold set {_where(rule.point.set_on)}."]
    if rule.yaws_degrees is not None and rule.measured_within_degrees is not None:
        words.insert(0, _neighbourhood(rule))
    if rule.is_fallback:
        words.insert(
            0, f"There are no scores of {pair_words(rule.pose_pair)} faces: those of all pose pairs together stand in."
        )
    if rule.point.genuine < FEW_GENUINE:
        words.append(f"They are only {rule.point.genuine} pairs of one person: take the FNMR as rough.")
    if rule.point.pose_estimated:
        words.append("The poses of these photos are estimates, not labels.")
    return " ".join(words)


def _neighbourhood(rule: DecisionRule) -> str:
    """Which pairs were counted, and that they are few or far from these poses where that is so."""
    if EVERYWHERE_DEGREES in (rule.measured_within_degrees, rule.set_within_degrees):
        return "There are too few pairs of faces posed like these: those of all poses together stand in."
    first, second = rule.yaws_degrees or (0.0, 0.0)
    words = f"Counted were {square_words(rule)}."
    if rule.point.set_on != BY_HAND:
        words = f"The threshold is that of faces turned by {first:.0f} and {second:.0f} degrees. {words}"
    return words + (" Nearer ones are too few, so take the rates as rough." if rule.is_wide else "")


def square_words(rule: DecisionRule) -> str:
    """'pairs of a face turned by 0 to 10 degrees and one by 40 to 60': those that the rates are counted on."""
    if rule.square_degrees is None:
        return f"pairs of {pair_words(rule.pose_pair)} faces"
    if rule.measured_within_degrees == EVERYWHERE_DEGREES:
        return "pairs of faces of all poses"
    (a0, a1), (b0, b1) = rule.square_degrees
    if (a0, a1) == (b0, b1):
        return f"pairs of faces both turned by {a0:.0f} to {a1:.0f} degrees"
    return f"pairs of a face turned by {a0:.0f} to {a1:.0f} degrees and one by {b0:.0f} to {b1:.0f}"


def _where(set_on: str) -> str:
    return set_on if set_on == BY_HAND else f"on {set_on}"


def next_words(found: Sequence[NextPhoto], names: tuple[str, str] = ("the first side", "the second side")) -> str:
    """The best suggestion and the one after it, with rates, counts and where they come from; '' if there is none."""
    if not found:
        return ""
    best, *others = found
    words = (
        f"{_photo_words(best, names)}. Of pairs of one person like these, {percent(best.fnmr)} instead of "
        f"{percent(best.fnmr_now)} are rejected with it at the same FMR ({best.false_non_matches:,} of "
        f"{best.genuine:,}, not {best.false_non_matches_now:,} of {best.genuine_now:,})"
    )
    if others:
        second = others[0]
        words += (
            f"; with {_photo_words(second, names)}, {percent(second.fnmr)} "
            f"({second.false_non_matches:,} of {second.genuine:,})"
        )
    return f"{words}. Measured on templates of {best.measured_on}, each with its own threshold for that FMR."


def _photo_words(photo: NextPhoto, names: tuple[str, str]) -> str:
    """'a further frontal photo of person B'."""
    whose = " or ".join(names) if photo.side == EITHER else names[SIDES.index(photo.side)]
    return f"a further {POSE_LABELS[photo.pose]} photo of {whose}"


def record(comparison: Comparison) -> dict:
    """The comparison as plain JSON values; rates are fractions 0-1, boxes and landmarks pixels of the upright photo.

    A rate that is of no comparisons is null.
    turned_degrees: how far a photo was turned, clockwise, after its EXIF orientation, to stand upright (0 mostly).
    """
    return judgement(comparison.rule, comparison.score) | {
        "model": comparison.model,
        "seconds": round(comparison.seconds, 4),
        "faces": [_side_record(side) for side in comparison.sides],
        "what_next": next_records(comparison.what_next),
    }


def next_records(found: Sequence[NextPhoto]) -> list[dict]:
    """Suggestions as plain JSON values, the best first; rates are fractions 0-1."""
    return [asdict(each) for each in found]


def judgement(rule: DecisionRule, score: float) -> dict:
    """The part of `record` that follows from the rule; a threshold set by hand has no target_fmr (None)."""
    point = rule.point
    return {
        "score": round(score, 6),
        "threshold": point.threshold,
        "match": score >= point.threshold,
        "decision": rule.decide(score),
        "uncertain_from": rule.uncertain_from,
        "pose_pair": list(rule.pose_pair),
        "scores_of": rule.scores_of,
        "target_fmr": None if point.set_on == BY_HAND else _rate(point.target_fmr),
        "fmr": _rate(point.fmr),
        "fnmr": _rate(point.fnmr),
        "impostor": point.impostor,
        "genuine": point.genuine,
        "false_matches": point.false_matches,
        "false_non_matches": point.false_non_matches,
        "measured_on": point.measured_on,
        "pose_estimated": point.pose_estimated,
        "yaws_degrees": None if rule.yaws_degrees is None else [round(yaw, 1) for yaw in rule.yaws_degrees],
        "measured_within_degrees": rule.measured_within_degrees,
        "square_degrees": None if rule.square_degrees is None else [list(side) for side in rule.square_degrees],
    }


def _rate(rate: float) -> float | None:
    return None if math.isnan(rate) else rate


def _side_record(side: Side) -> dict:
    return {"pose": side.pose, "photos": [_shot_record(shot) for shot in side.shots]}


def _shot_record(shot: Shot) -> dict:
    face = shot.face
    return {
        "photo": shot.photo.name,
        "size": list(shot.photo.size),
        "turned_degrees": shot.turned_degrees,
        "faces_found": len(shot.faces),
        "chosen": shot.chosen + 1,
        "box_xyxy": [round(v, 1) for v in face.box_xyxy],
        "landmarks_xy": [[round(float(v), 1) for v in point] for point in face.landmarks_xy],
        "confidence": round(face.confidence, 4),
        "yaw_degrees": round(face.yaw_degrees, 1),
        "yaw_uncertainty_degrees": _angle(face.yaw_uncertainty_degrees),
        "pitch_degrees": _angle(face.pitch_degrees),
        "pitch_uncertainty_degrees": _angle(face.pitch_uncertainty_degrees),
        "roll_degrees": _angle(face.roll_degrees),
        "pose": face.pose,
    }


def _angle(degrees: float | None) -> float | None:
    return None if degrees is None else round(degrees, 1)
