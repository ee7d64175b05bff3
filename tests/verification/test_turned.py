"""A face turned until it is lost: scores against the plain way to get them, refusals, the sentence."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn_people import SYNTHETIC
from PIL import Image

from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import EncodedPhoto, decode_photo, open_photo
from sfpn.photos.turning.turn import turn_head
from sfpn.verification.decision import rule_for_fmr
from sfpn.verification.turned import YAWS_DEGREES, Turn, frontal_shot, lost_words, near_face, turn_and_compare
from sfpn.verification.verifier import Shot, Verifier, look


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier(load_embedder("base"), FaceDetector())


@pytest.fixture(scope="module")
def shot(verifier) -> Shot:
    picture = next(iter(FaceDataset.open(SYNTHETIC).pictures({"syn-0000-frontal-00"})))
    return look(verifier.detector, decode_photo(picture.encoded, "face.jpg"))


def test_each_score_is_that_of_the_verifier_on_the_turned_picture(verifier, shot):
    told = []
    turns = turn_and_compare(verifier.embedder, verifier.detector, shot, 0.01, lambda *step: told.append(step))
    assert [turn.yaw_degrees for turn in turns] == list(YAWS_DEGREES) and len(told) == len(YAWS_DEGREES) + 1
    for turn in turns[::3]:
        whole = verifier(shot.photo, turn.picture, 0.01)
        assert turn.score == pytest.approx(whole.score, abs=1e-4)
        rule = rule_for_fmr(
            verifier.embedder.card, turn.rule.pose_pair, 0.01, (shot.face.yaw_degrees, turn.yaw_degrees)
        )
        assert turn.rule == rule and turn.is_lost == (turn.score < rule.point.threshold)
    middle = turns[len(turns) // 2]
    assert middle.score > max(turns[0].score, turns[-1].score)


def test_the_part_around_the_face_turns_as_the_whole_photo(shot):
    face, image = shot.face, shot.photo.image
    wide = Image.new("RGB", (2000, 1600), (90, 120, 90))
    wide.paste(image, (700, 500))
    shift = np.array([700, 500])
    placed = replace(
        face, box_xyxy=tuple(np.array(face.box_xyxy) + np.tile(shift, 2)), landmarks_xy=face.landmarks_xy + shift
    )
    near, box, landmarks = near_face(wide, placed)
    assert near.width < 1000
    one = turn_head(near, box, landmarks, face.yaw_degrees, 45)
    other = turn_head(wide, placed.box_xyxy, placed.landmarks_xy, face.yaw_degrees, 45)
    assert one.size == other.size and abs(np.asarray(one, float) - np.asarray(other, float)).mean() < 0.5


def test_a_large_photo_is_turned_in_fewer_pixels(verifier, shot, monkeypatch):
    jpeg = io.BytesIO()
    shot.photo.image.resize((3200, 3200), Image.Resampling.BICUBIC).save(jpeg, "JPEG", quality=95)
    large = look(verifier.detector, open_photo(jpeg.getvalue(), "phone.jpg"))
    assert large.face.shorter_side > 1000
    decoded, divide = [], EncodedPhoto.divided
    monkeypatch.setattr(EncodedPhoto, "divided", lambda photo, by: decoded.append(by) or divide(photo, by))
    turns = turn_and_compare(verifier.embedder, verifier.detector, large, 0.01)
    assert 1 not in decoded
    whole = decode_photo(jpeg.getvalue(), "phone.jpg").image
    for turn in turns[::5]:
        near = near_face(whole, large.face)
        other = turn_head(*near, large.face.yaw_degrees, turn.yaw_degrees)
        assert turn.picture.size == pytest.approx(other.size, abs=1)
        small = (96, 128)  # a column or row may be missing
        seen, meant = (np.asarray(image.resize(small), float) for image in (turn.picture, other))
        assert abs(seen - meant).mean() < 2


def test_a_face_that_looks_aside_is_refused_and_the_most_frontal_one_taken(shot):
    aside = replace(shot, faces=(replace(shot.face, yaw_degrees=-40.0),), chosen=0)
    assert frontal_shot([aside, shot]) is shot
    with pytest.raises(UserError, match="face.jpg: the face looks aside by 40 degrees already"):
        frontal_shot([aside])


@pytest.mark.parametrize(
    "lost, says",
    [
        ((), "does not lose this face up to 75 degrees to either side"),
        ((-75, -60, 45, 60, 75), "at 60 degrees to the picture's left and at 45 degrees to the picture's right"),
        ((75,), "at 75 degrees to the picture's right, and not up to 75 degrees to its left"),
    ],
)
def test_the_sentence(verifier, lost, says):
    rule = rule_for_fmr(verifier.embedder.card, ("frontal", "profile"), 0.001)
    picture = Image.new("RGB", (8, 8))
    turns = [Turn(yaw, picture, None if yaw in lost else 0.99, rule) for yaw in YAWS_DEGREES]
    assert says in lost_words(turns)
