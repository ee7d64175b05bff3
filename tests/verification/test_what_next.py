"""What to add next: every number against the report that the card quotes, and when nothing is said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers.drawn_people import drawn_image
from helpers.paths import ROOT
from helpers.small_models import random_card

from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import FaceDetector
from sfpn.verification.decision import DecisionRule, rule_at_threshold, rule_for_fmr
from sfpn.verification.verifier import Verifier
from sfpn.verification.what_next import EITHER, WEAK_FNMR, NextPhoto, what_next
from sfpn.verification.wording import next_words, record

MODELS = ("base", "depthwise")
FRONT, SIDE = {"frontal": 1}, {"profile": 1}


def card_of(model: str) -> Card:
    return checkpoint.load_checked_card(ROOT / "sfpn" / "weights" / f"{model}.safetensors")


def rule(card: Card, pair: tuple[str, str] = ("frontal", "profile"), target: float = 0.001) -> DecisionRule:
    return rule_for_fmr(card, pair, target)


def counted(model: str, sides: list[dict[str, int]], target: float) -> tuple[int, int]:
    """(false non-matches, genuine) straight from the file of the report."""
    report = json.loads((ROOT / f"demo/assets/reports/cfp-templates-{model}/report.json").read_text())
    for cell in report["cells"]:
        held = [dict(side) for side in cell["sides"]]
        if held in (sides, sides[::-1]):
            rates = cell["treatments"].get("skip") or cell["treatments"]["whole_image"]
            point = next(point for point in rates["operating_points"] if point["target_fmr"] == target)
            return point["false_non_matches"], rates["genuine"]
    raise AssertionError(f"{sides}: not in the report")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", [0.01, 0.001, 0.0001])
def test_the_numbers_are_those_of_the_report(model, target):
    card = card_of(model)
    found = what_next(card, (FRONT, SIDE), rule(card, target=target), -1.0)
    additions = {
        ("second", "frontal"): [FRONT, {"frontal": 1, "profile": 1}],
        ("second", "profile"): [FRONT, {"profile": 2}],
        ("first", "frontal"): [{"frontal": 2}, SIDE],
        ("first", "profile"): [{"frontal": 1, "profile": 1}, SIDE],
    }
    assert {(each.side, each.pose) for each in found} == set(additions)  # all of them help, says the report
    assert [each.fnmr for each in found] == sorted(each.fnmr for each in found)
    assert (found[0].side, found[0].pose) == ("second", "frontal")
    for each in found:
        assert (each.false_non_matches, each.genuine) == counted(model, additions[each.side, each.pose], target)
        assert (each.false_non_matches_now, each.genuine_now) == counted(model, [FRONT, SIDE], target)
        assert each.fnmr == each.false_non_matches / each.genuine < each.fnmr_now
        assert each.target_fmr == target and each.measured_on == "cfp, folds 1, 2, 3"


def test_the_order_of_the_sides_only_changes_their_names():
    card = card_of("base")
    one = what_next(card, (FRONT, SIDE), rule(card), -1.0)
    other = what_next(card, (SIDE, FRONT), rule(card), -1.0)
    names = {"first": "second", "second": "first"}
    assert [replace(each, side=names[each.side]) for each in other] == list(one)


def test_of_two_equal_sides_either_is_named_once():
    card = card_of("base")
    found = what_next(card, (SIDE, SIDE), rule(card, ("profile", "profile")), -1.0)
    assert {(each.side, each.pose) for each in found} == {(EITHER, "profile"), (EITHER, "frontal")}
    assert "photo of person A or person B" in next_words(found, ("person A", "person B"))


def test_it_is_said_of_weak_pose_pairs_and_of_uncertain_scores_only():
    card = card_of("base")
    strong, weak = rule(card, ("frontal", "frontal"), 0.01), rule(card)
    assert strong.point.fnmr < WEAK_FNMR <= weak.point.fnmr
    between = (strong.uncertain_from + strong.point.threshold) / 2
    assert what_next(card, (FRONT, FRONT), strong, between)
    for score in (strong.uncertain_from - 0.01, strong.point.threshold):
        assert what_next(card, (FRONT, FRONT), strong, score) == ()
    assert what_next(card, (FRONT, SIDE), weak, 1.0)


@pytest.mark.parametrize(
    "sides", [({"three_quarter": 1}, FRONT), ({"frontal": 7}, SIDE), ({"frontal": 2}, {"frontal": 2}), ({}, {})]
)
def test_what_was_not_measured_is_not_said(sides):
    card = card_of("base")
    assert what_next(card, sides, rule(card), -1.0) == ()


def test_without_the_table_or_with_a_threshold_by_hand_there_is_no_line():
    card = card_of("base")
    assert what_next(replace(card, templates=()), (FRONT, SIDE), rule(card), -1.0) == ()
    assert what_next(card, (FRONT, SIDE), rule_at_threshold(card, ("frontal", "profile"), 0.5), -1.0) == ()
    assert random_card().templates == () and next_words(()) == ""


def test_rates_of_other_people_are_not_compared():
    card = card_of("base")
    templates = tuple(
        each if each.sides == (FRONT, SIDE) else replace(each, measured_on="others") for each in card.templates
    )
    assert what_next(replace(card, templates=templates), (FRONT, SIDE), rule(card), -1.0) == ()


def test_the_sentence():
    best = NextPhoto("second", "frontal", 0.001, 0.06, 180, 3000, 0.29, 870, 3000, "cfp")
    after = replace(best, pose="profile", fnmr=0.24, false_non_matches=720)
    assert next_words((best, after), ("person A", "person B")) == (
        "a further frontal photo of person B. Of pairs of one person like these, 6 % instead of 29 % are rejected with "
        "it at the same FMR (180 of 3,000, not 870 of 3,000); with a further profile photo of person B, 24 % (720 of "
        "3,000). Measured on templates of cfp, each with its own threshold for that FMR."
    )


def test_the_verifier_counts_the_poses_of_either_side_and_the_record_lists_what_helps():
    verifier = Verifier(load_embedder("base"), FaceDetector())
    comparison = verifier([drawn_image("frontal"), drawn_image("frontal")], drawn_image("profile"), 0.001)
    expected = what_next(verifier.embedder.card, ({"frontal": 2}, SIDE), comparison.rule, comparison.score)
    assert comparison.what_next == expected and {each.pose for each in expected} == {"frontal", "profile"}
    listed = json.loads(json.dumps(record(comparison)))["what_next"]
    assert [each["fnmr"] for each in listed] == [each.fnmr for each in expected]
    best = counted("base", [{"frontal": 2}, {"frontal": 1, "profile": 1}], 0.001)
    assert (listed[0]["false_non_matches"], listed[0]["genuine"]) == best and listed[0]["side"] == "second"
