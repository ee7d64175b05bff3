"""What Verify draws: heads turned as the faces are, the pair on the surface, the figure's title, the fold-out."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.posed_scores import AXIS, drawn_scores, surface_card
from helpers.small_models import random_card
from PIL import Image

from demo.common import why_score
from demo.verify import lost, why
from demo.verify.head_svg import head_svg
from demo.verify.result import Result, axis_title, rule_of, verdict_html
from demo.verify.surface_map import surface_map
from sfpn.evaluation import surface
from sfpn.network.embedders import load_embedder
from sfpn.verification.decision import rule_for_fmr
from sfpn.verification.occlusion import GRID, Occlusion, squares
from sfpn.verification.turned import YAWS_DEGREES, Turn

PAIR = ("frontal", "profile")


@pytest.fixture(scope="module")
def card():
    made = surface.set_surface(drawn_scores(), "people A", [300], AXIS)
    return surface_card(surface.measured(made, drawn_scores(seed=12), "people B"))


def parts(svg: str, name: str) -> list[ElementTree.Element]:
    return [part for part in ElementTree.fromstring(svg).iter() if part.get("class") == name]


def across(svg: str, name: str) -> float:
    """Mean x of the points of a drawn part."""
    numbers = re.findall(r"(-?[\d.]+) -?[\d.]+", parts(svg, name)[0].get("d"))
    return float(np.mean([float(number) for number in numbers]))


def test_a_head_looks_where_the_face_does():
    front, right, left = (head_svg(yaw, 0, "a head") for yaw in (0, 60, -60))
    assert len(parts(front, "eye")) == 2 and abs(across(front, "nose")) < 0.5
    assert across(right, "nose") > 5 > -5 > across(left, "nose")
    assert len(parts(head_svg(90, 0, "x"), "eye")) == 1
    heights = [
        float(re.search(r"M-?[\d.]+ (-?[\d.]+)", parts(head_svg(0, p, "x"), "eye")[0].get("d"))[1]) for p in (25, -25)
    ]
    assert heights[0] < heights[1]  # y down: a lifted face has its eyes higher
    assert '"&lt;b&gt;"' in head_svg(0, 0, "<b>")


@pytest.mark.parametrize("yaws", [(2.0, 62.0), (62.0, 2.0), (120.0, 45.0)])
def test_the_dot_lies_in_the_frame(card, yaws):
    rule = rule_for_fmr(card, PAIR, 0.01, yaws)
    svg = re.search("<svg.*</svg>", surface_map(card.surface, rule))[0]
    frame, dot = parts(svg, "frame")[0], parts(svg, "pair")[0]
    x, y, width, height = (float(frame.get(name)) for name in ("x", "y", "width", "height"))
    assert x <= float(dot.get("cx")) <= x + width and y <= float(dot.get("cy")) <= y + height
    assert float(dot.get("cx")) == min(yaws[0], AXIS[-1])
    assert surface_map(None, rule) == "" == surface_map(card.surface, replace(rule, yaws_degrees=None))


def test_the_title_says_which_pairs_the_figure_shows(card):
    result = Result("drawn", 0.3, PAIR, "", 0.1, {}, (2.0, 62.0))
    for fmr in (0.01, None):
        rule = rule_of(card, result, fmr, 0.3)
        title = axis_title(card, rule)
        assert f"{rule.point.impostor:,} pairs of strangers, {rule.point.genuine:,} of one person" in title
        assert "a face turned by 0 to 30 degrees and one by 30 to 90" in title
    old = random_card(surface=replace(card.surface, scores=None))
    assert "has no scores by angle" in axis_title(old, rule_of(old, result, 0.01, 0.3))
    assert "has no scores by angle" not in axis_title(old, rule_of(old, result, None, 0.3))


def test_the_fold_out_shows_lost_and_unseen_faces(card):
    rules = [rule_for_fmr(card, PAIR, 0.01, (3.0, yaw)) for yaw in YAWS_DEGREES]
    scores = [None, *np.linspace(0.0, 0.9, len(YAWS_DEGREES) - 1).tolist()]
    picture = Image.new("RGB", (40, 40), "gray")
    turns = [Turn(*each) for each in zip(YAWS_DEGREES, [picture] * len(scores), scores, rules, strict=True)]
    shown = lost.faces_html(turns)
    assert shown.count("<img") == len(turns) and shown.count('class="lost"') == sum(turn.is_lost for turn in turns)
    assert "no face found" in shown
    made = lost.figure(card, 3.0, turns, 0.01)
    assert len(made.data[2].x) == len(turns) - 1
    for turn, rule in zip(turns, rules, strict=True):
        at = list(made.data[1].x).index(turn.yaw_degrees)
        assert made.data[1].y[at] == rule.point.threshold and made.data[0].y[at] == rule.uncertain_from


def test_without_a_photo_or_with_one_that_looks_aside_there_is_one_sentence():
    (values,) = lost.turn({}, None, (), "base", None)
    assert lost.NO_PHOTO in values.status


def test_what_the_score_rests_on_is_orange_and_what_hurts_it_purple():
    crop, place = Image.new("RGB", (113, 113), "gray"), GRID + 1  # second row, second column
    falls = np.zeros((GRID, GRID))
    falls[1, 1], falls[4, 4] = 0.4, -0.2
    found = Occlusion((crop, crop), 0.7, (falls, np.zeros((GRID, GRID))))
    shown = why_score.faces_html(found)
    assert shown.count("<img") == 2 and "where the upper left is hidden" in shown and "falls by 0.40" in shown
    picture = np.asarray(why_score.overlay(crop, found.maps[0], 0.4)).astype(int)
    scale = why_score.SHOWN_SIDE / crop.width

    def colour(number: int) -> np.ndarray:
        left, top, right, bottom = squares(crop.width)[number]
        return picture[int(scale * (top + bottom) / 2), int(scale * (left + right) / 2)]

    assert colour(place)[0] > 200 > colour(place)[2] and colour(4 * GRID + 4)[2] > colour(4 * GRID + 4)[1]
    assert (abs(picture[2, -3] - 128) <= 1).all()


def test_without_a_photo_of_either_there_is_one_sentence():
    (values,) = why.explain({}, (), (), "base")
    assert why.NO_PHOTOS in values.status and values.faces == ""


def test_a_weak_pair_is_told_what_to_add_and_the_json_lists_it():
    card = load_embedder("base").card
    result = Result("base", 0.1, PAIR, "", 0.1, {}, (2.0, 75.0), poses=({"frontal": 1}, {"profile": 1}))
    rule = rule_of(card, result, 0.001, 0.0)
    listed = result.as_json(card, rule)["what_next"]
    assert listed[0]["pose"] == "frontal" and listed[0]["side"] == "second"
    shown = verdict_html(card, result, rule)
    assert "a further frontal photo of person B" in shown and f"{listed[0]['false_non_matches']:,} of" in shown
    by_hand = rule_of(card, result, None, 0.3)
    assert "What to add next" not in verdict_html(card, result, by_hand)
    assert result.as_json(card, by_hand)["what_next"] == []
