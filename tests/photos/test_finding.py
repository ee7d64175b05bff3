"""Photos that lie on their side are put upright, panoramas are searched in tiles, a photo without a face says why."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.shared_material import CFP, needs_cfp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfpn.photos.detector import FaceDetector, choose_face, is_cut, make_face, tiles_of, without_repetitions
from sfpn.photos.finding import Found, find_faces, why_no_face
from sfpn.photos.orientation import turn_clockwise

LANDMARKS = np.array([[40, 40], [60, 40], [50, 50], [42, 65], [58, 65]], float)


def face(left: float, top: float, side: float, confidence: float = 0.99):
    return make_face(np.array([left, top, left + side, top + side]), LANDMARKS, confidence)


class StandIn:
    """Confidences of the face by the clockwise turns that bring the red top edge of the photo round; None: no face."""

    def __init__(self, *confidences: float | None) -> None:
        self.confidences, self.asked = confidences, []

    def detect(self, photo: Image.Image) -> list:
        corners = [photo.getpixel(at) for at in ((1, 1), (photo.width - 2, 1))]
        red = [corner[0] > 128 for corner in corners]
        turn = {(True, True): 0, (False, True): 1, (False, False): 2, (True, False): 3}[tuple(red)]
        self.asked.append(turn)
        confidence = self.confidences[turn]
        return [] if confidence is None else [face(10, 10, 30, confidence)]


def photo_with_red_top() -> Image.Image:
    image = Image.new("RGB", (60, 40))
    image.paste((255, 0, 0), (0, 0, 60, 10))
    return image


@pytest.mark.parametrize(
    ("confidences", "degrees", "asked"),
    [
        ((0.999, 1.0, 1.0, 1.0), 0, 1),  # sure: no turn is tried
        ((0.87, 0.9995, 0.8, None), 90, 4),
        ((0.87, None, 0.999, 0.99), 180, 4),
        ((None, None, None, 0.96), 270, 4),
        ((None, None, 0.9, None), 0, 4),  # hardly a face in any turn: none is made up
        ((0.97, 0.98, 0.98, 0.975), 0, 4),  # no turn is surer by far
        ((0.9, None, None, None), 0, 4),
        ((None, None, None, None), 0, 4),
    ],
)
def test_the_surest_turn_wins_if_it_is_surer_by_far(confidences, degrees, asked):
    detector, photo = StandIn(*confidences), photo_with_red_top()
    found = find_faces(detector, photo)
    assert found.turned_degrees == degrees and len(detector.asked) == asked
    assert np.array_equal(np.asarray(found.image), np.asarray(turn_clockwise(photo, degrees)))
    assert all(one.turned_degrees == degrees for one in found.faces)
    assert len(found.faces) == (confidences[degrees // 90] is not None)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 60), st.booleans(), st.data())
def test_every_face_of_a_panorama_lies_whole_in_a_tile(shorter, extra, times, across, data):
    longer = min(shorter * times + extra, 60 * shorter)
    longer = max(longer, shorter)
    size = (longer, shorter) if across else (shorter, longer)
    tiles = tiles_of(size)
    assert all(0 <= t[0] < t[2] <= size[0] and 0 <= t[1] < t[3] <= size[1] for t in tiles) and len(tiles) <= 65
    side = data.draw(st.integers(1, shorter))
    left, top = (data.draw(st.integers(0, extent - side)) for extent in size)
    one = face(left, top, side)
    assert any(
        t[0] <= left and t[1] <= top and left + side <= t[2] and top + side <= t[3] and not is_cut(one, t, size)
        for t in tiles
    )


def test_a_face_over_an_inner_border_is_left_to_the_next_tile():
    tile, size = (100, 0, 300, 100), (900, 100)
    assert is_cut(face(80, 10, 50), tile, size) and is_cut(face(280, 10, 50), tile, size)
    assert not is_cut(face(150, -10, 50), tile, size) and not is_cut(face(880, 10, 50), (700, 0, 900, 100), size)


def test_one_face_in_two_tiles_is_one_face():
    faces = [face(100, 100, 80, 0.9), face(104, 98, 76, 0.99), face(130, 120, 20, 0.8), face(300, 100, 80, 0.7)]
    kept = without_repetitions(faces)
    assert [one.confidence for one in kept] == [0.99, 0.7]


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 500), (5, 5), (6, 6), (11, 900), (12, 12), (13, 4000), (40000, 20), (21, 21)]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_no_size_of_a_photo_raises(size, mode):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    assert FaceDetector().detect(Image.fromarray(noise).convert(mode)) == [] or min(size) >= 12


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (Image.new("RGB", (300, 200), "white"), "one colour"),
        (Image.fromarray(np.random.default_rng(0).integers(0, 30, (200, 300, 3), dtype=np.uint8)), "almost black"),
        (Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)), "of 12 px or more"),
        (
            Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 1000, 3), dtype=np.uint8)),
            "of 38 px or more",
        ),
    ],
)
def test_a_photo_without_a_face_says_what_can_be_seen(image, says):
    assert says in why_no_face(Found(image, ()))


def training_photos(count: int) -> list[Image.Image]:
    """Frontal faces of CFP folds 7 to 9."""
    paths = [CFP / "Data" / "Images" / f"{person:03d}" / "frontal" / "02.jpg" for person in range(301, 301 + count)]
    return [Image.open(path).convert("RGB") for path in paths]


@needs_cfp
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_photos_of_people_are_put_upright(degrees):
    detector, right = FaceDetector(), 0
    for photo in training_photos(8):
        upright = find_faces(detector, photo)
        assert upright.turned_degrees == 0
        found = find_faces(detector, turn_clockwise(photo, 360 - degrees))
        right += found.turned_degrees == degrees
        if found.turned_degrees == degrees:
            boxes = [choose_face(list(one.faces), photo.size).box_xyxy for one in (upright, found)]
            assert boxes[0] == boxes[1]
    assert right >= 7


@needs_cfp
@pytest.mark.parametrize(("size", "height"), [((12000, 1000), 110), ((20000, 1200), 110), ((1000, 9000), 130)])
def test_small_faces_of_a_panorama_are_found(size, height):
    people = [photo.resize((round(photo.width * height / photo.height), height)) for photo in training_photos(12)]
    photo, along = Image.new("RGB", size, (120, 140, 120)), max(size)
    for number, one in enumerate(people):
        at = (number + 1) * along // (len(people) + 1)
        photo.paste(one, (at, 300 + number * 37 % 400) if size[0] == along else (300 + number * 37 % 400, at))
    faces = FaceDetector().detect(photo)
    assert len(people) - 1 <= len(faces) <= len(people)
    assert all(30 < one.shorter_side < height for one in faces)
