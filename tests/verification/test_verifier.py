"""The verifier with a stand-in detector and embedder whose answers are known beforehand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.small_models import random_card
from PIL import Image

from sfpn.errors import UserError
from sfpn.network.card import ScoreHistogram
from sfpn.photos.detector import make_face
from sfpn.photos.photo import Photo
from sfpn.photos.preprocess import Preprocess
from sfpn.verification.decision import rule_at_threshold
from sfpn.verification.verifier import Verifier, pose_of_side
from sfpn.verification.wording import record, turned_words

NOSE = {"frontal": 50, "three_quarter": 60, "profile": 84}  # x of the nose tip between eyes at 40 and 60


def face(pose: str, left: float = 20, side: float = 60):
    landmarks = np.array([[40, 40], [60, 40], [NOSE[pose], 50], [42, 65], [58, 65]], float)
    return make_face(np.array([left, 20, left + side, 20 + side]), landmarks, 0.99)


class StandIn:
    """Detector and embedder in one: a photo's grey level says which faces it has and what its embedding is."""

    name, preprocess = "stand-in", Preprocess()

    def __init__(self, faces: dict[int, list], embeddings: dict[int, list[float]] | None = None, **card) -> None:
        self.faces, self.embeddings, self.card = faces, embeddings or {}, random_card(**card)

    def detect(self, image: Image.Image) -> list:
        return self.faces[image.getpixel((0, 0))[0]]

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        return np.array([self.embeddings[crop.getpixel((56, 56))[0]] for crop in crops], np.float32)


def photo(level: int) -> Photo:
    return Photo(f"{level}.jpg", Image.new("RGB", (100, 100), (level,) * 3))


def verifier(faces, embeddings=None, **card) -> Verifier:
    stand_in = StandIn(faces, embeddings, **card)
    return Verifier(stand_in, stand_in)


def test_one_photo_a_side():
    subject = verifier({1: [face("profile")], 2: [face("frontal")]}, {1: [3, 4, 0], 2: [4, 3, 0]})
    comparison = subject.verify([photo(1)], [photo(2)])
    assert comparison.score == pytest.approx(24 / 25) and comparison.match and comparison.decision == "match"
    assert comparison.pose_pair == ("frontal", "profile") and comparison.rule.scores_of == "frontal-profile"
    assert comparison.sides[0].pose == "profile" and comparison.sides[0].crops[0].size == (113, 113)


def test_template_is_the_mean_of_normalised_embeddings_normalised_again():
    vectors = {1: [9.0, 1, 0], 2: [1.0, 2, 0.5], 3: [0.2, 0.3, 0.1]}
    subject = verifier({level: [face("frontal")] for level in vectors}, vectors, histograms={})
    unit = [np.array(v) / np.sqrt(sum(x * x for x in v)) for v in vectors.values()]
    template = (unit[0] + unit[1]) / 2
    expected = template @ unit[2] / np.sqrt(template @ template)
    assert subject.verify([photo(1), photo(2)], [photo(3)]).score == pytest.approx(expected)


def test_order_of_sides_does_not_matter():
    subject = verifier({1: [face("frontal")], 2: [face("profile")]}, {1: [1, 2, 3], 2: [3, 2, 0]})
    forth, back = subject.verify([photo(1)], [photo(2)]), subject.verify([photo(2)], [photo(1)])
    assert forth.score == pytest.approx(back.score) and forth.pose_pair == back.pose_pair


@pytest.mark.parametrize(
    ("poses", "pose"),
    [
        (["profile"], "profile"),
        (["profile", "frontal"], "frontal"),
        (["profile", "three_quarter", "profile"], "profile"),
        (["three_quarter", "profile", "frontal"], "frontal"),
    ],
)
def test_pose_of_a_side_is_that_of_most_photos_else_the_most_frontal(poses, pose):
    assert pose_of_side(poses) == pose


def test_default_face_is_large_and_central_and_another_can_be_chosen():
    faces = [face("frontal", left=-40, side=62), face("frontal", left=20, side=60)]
    subject = verifier({1: faces})
    assert subject.look(photo(1)).chosen == 1
    other = subject.look(photo(1), 0).face
    assert other is not None and other.box_xyxy == faces[0].box_xyxy
    with pytest.raises(UserError, match="1.jpg: there is no face 3; it has 2"):
        subject.look(photo(1), 2)


def test_photos_without_a_usable_face_are_named():
    subject = verifier({1: [], 2: [face("frontal", side=19)]})
    with pytest.raises(UserError, match="^1.jpg: no face was found"):
        subject.look(photo(1))
    with pytest.raises(UserError, match="^2.jpg: the face is only 19 px"):
        subject.look(photo(2))


def test_missing_side_and_too_many_photos():
    subject = verifier({1: [face("frontal")]}, {1: [1, 0, 0]})
    with pytest.raises(UserError, match="the first side has no photo"):
        subject.verify([], [photo(1)])
    with pytest.raises(UserError, match="the second side has 11 photos; give at most 10"):
        subject.verify([photo(1)], [photo(1)] * 11)


def test_a_stranger_among_the_photos_of_a_side_is_named():
    subject = verifier(
        {level: [face("frontal")] for level in (1, 2, 3)}, {1: [1, 0.1, 0], 2: [1, 0, 0], 3: [-1, 0.2, 0]}
    )
    with pytest.raises(UserError, match="^3.jpg: shows another person than the other photos of the second side"):
        subject.verify([photo(1)], [photo(1), photo(2), photo(3)])


@pytest.mark.parametrize("vector", [[np.nan, 1, 0], [np.inf, 0, 0], [0, 0, 0]])
def test_embeddings_that_cannot_be_compared_are_refused_with_the_models_name(vector):
    subject = verifier({1: [face("frontal")], 2: [face("frontal")]}, {1: [1, 0, 0], 2: vector})
    with pytest.raises(UserError, match="^model stand-in: .*(NaN or infinity|zeros)"):
        subject.verify([photo(1)], [photo(2)])


def test_a_rate_of_no_comparisons_is_null_in_json():
    counts = (0,) * 20
    bare = ScoreHistogram(-1.0, 1.0, counts, counts, "nobody")
    subject = verifier({1: [face("frontal")]}, {1: [1, 0, 0]}, histograms={"pooled": bare})
    comparison = subject.verify([photo(1)], [photo(1)])
    by_hand = replace(comparison, rule=rule_at_threshold(subject.embedder.card, comparison.pose_pair, 0.2))
    found = json.loads(json.dumps(record(by_hand), allow_nan=False))
    assert found["fmr"] is None and found["fnmr"] is None and found["genuine"] == 0


def test_record_is_plain_and_complete():
    subject = verifier(
        {1: [face("profile")], 2: [face("frontal"), face("frontal", left=60, side=22)]}, {1: [1, 0, 0], 2: [0, 1, 0]}
    )
    found = record(subject.verify([photo(1)], [photo(2)], 0.01))
    assert found["pose_pair"] == ["frontal", "profile"] and found["match"] is False and found["decision"] == "no match"
    assert (found["threshold"], found["fmr"], found["fnmr"], found["impostor"], found["genuine"]) == (
        0.3,
        0.01,
        0.2,
        1000,
        100,
    )
    first, second = found["faces"]
    assert (
        first["pose"] == "profile"
        and second["photos"][0]["faces_found"] == 2
        and second["photos"][0]["photo"] == "2.jpg"
    )


class SeesOnItsSide(StandIn):
    """Is unsure of the face of a photo unless its left edge is white: such photos lie on their side otherwise."""

    def detect(self, image: Image.Image) -> list:
        is_upright = image.getpixel((1, image.height // 2))[0] > 250
        return [replace(face("frontal"), confidence=0.9999 if is_upright else 0.87)]


def test_a_photo_on_its_side_is_compared_upright_and_the_record_says_so():
    stand_in = SeesOnItsSide({}, {level: [1, 2, 3] for level in range(256)})
    subject = Verifier(stand_in, stand_in)
    upright = Image.new("RGB", (100, 120), (9, 9, 9))
    upright.paste((255, 255, 255), (0, 0, 4, 120))
    for turn, degrees in ((None, 0), (Image.Transpose.ROTATE_90, 90), (Image.Transpose.ROTATE_180, 180)):
        given = Photo("a.jpg", upright if turn is None else upright.transpose(turn))
        comparison = subject.verify([given], [Photo("b.jpg", upright)])
        shot = comparison.sides[0].shots[0]
        assert shot.turned_degrees == degrees and shot.photo.image.tobytes() == upright.tobytes()
        first, second = (side["photos"][0] for side in record(comparison)["faces"])
        assert first["turned_degrees"] == degrees and second["turned_degrees"] == 0
        assert first["size"] == [100, 120]
        assert ("to stand upright" in turned_words(degrees)) == (degrees > 0)
