"""The second look: where its faces lie, and which of them are believed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sfpn.photos.detector import USUAL_THRESHOLDS, Face, make_face
from sfpn.photos.second_look import LOWER, LOWEST, TURNS, look_again, mirrored, surest, turned_back

SIZE = (200, 160)
POINTS = np.array([[60, 60], [90, 62], [75, 80], [64, 95], [88, 96]], np.float32)


def face(left: float = 50, top: float = 40, side: float = 60, confidence: float = 0.7) -> Face:
    return make_face(np.array([left, top, left + side, top + side]), POINTS, confidence)


def dot_picture(xy: np.ndarray) -> Image.Image:
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    x, y = (round(float(v)) for v in xy)
    pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    return Image.fromarray(pixels)


def dot_in(picture: Image.Image) -> np.ndarray:
    y, x = np.nonzero(np.asarray(picture.convert("L")) > 128)
    return np.array([x.mean(), y.mean()])


@pytest.mark.parametrize("degrees", [15, -30])
def test_a_landmark_of_the_turned_photo_is_where_the_photo_shows_it(degrees):
    for point in POINTS:
        seen = dot_in(dot_picture(point).rotate(degrees, Image.Resampling.BILINEAR))
        found = make_face(np.array([0, 0, 9, 9]), np.tile(seen, (5, 1)), 0.7)
        assert turned_back(found, degrees, SIZE).landmarks_xy[0] == pytest.approx(point, abs=1.0)


def test_mirrored_twice_is_the_face_itself():
    once = mirrored(face(), SIZE[0])
    assert once.landmarks_xy[0, 0] < once.landmarks_xy[1, 0]  # the image-left eye stays the image-left eye
    again = mirrored(once, SIZE[0])
    assert again.box_xyxy == pytest.approx(face().box_xyxy) and again.landmarks_xy == pytest.approx(POINTS)


def test_the_first_look_is_enough():
    asked = []

    def look(photo, thresholds):
        asked.append(thresholds)
        return [face()]

    assert len(look_again(look, Image.new("RGB", SIZE))) == 1 and asked == [LOWER]


@pytest.mark.parametrize(("confidence", "in_mirror", "found"), [(0.7, False, 0), (0.95, False, 1), (0.7, True, 1)])
def test_a_face_is_believed_if_it_is_sure_or_seen_twice(confidence, in_mirror, found):
    def look(photo, thresholds):
        if thresholds == LOWEST:
            return [face(confidence=confidence)]
        return [mirrored(face(), SIZE[0])] if in_mirror and thresholds == USUAL_THRESHOLDS else []

    assert len(look_again(look, Image.new("RGB", SIZE))) == found


def test_the_surest_look_at_an_unsure_face_is_taken_if_it_is_of_the_same_place():
    def look(photo, thresholds):
        asked.append(photo)
        looks = {1: [mirrored(face(left=60, confidence=0.95), SIZE[0])], 2: [face(confidence=0.99)], 3: []}
        elsewhere = face(left=150, top=120, side=9, confidence=1.0)
        return looks.get(len(asked), [elsewhere])

    asked: list[Image.Image] = []
    main, photo = face(confidence=0.8), Image.new("RGB", SIZE)
    found = surest(look, photo, main)
    assert found.confidence == 0.99 and len(asked) == 1 + len(TURNS)
    asked.clear()
    sure = face(confidence=0.999)
    assert surest(look, photo, sure) is sure
