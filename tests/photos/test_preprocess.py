"""Crops: one path for every input, padding, geometry against slow versions."""

import numpy as np
import pytest
from PIL import Image

from sfpn.photos.detector import make_face
from sfpn.photos.preprocess import REFERENCE_LANDMARKS_112, Preprocess, _pad_to_hold, similarity_transform

LANDMARKS = np.array([[40, 50], [60, 50], [50, 60], [43, 72], [57, 72]], np.float32)


def ramp(width: int = 120, height: int = 100) -> Image.Image:
    """A picture whose red is x and whose green is y, so that a crop shows where it was taken."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.dstack([x, y, np.full_like(x, 7)]).astype(np.uint8))


def face(left, top, right, bottom):
    return make_face(np.array([left, top, right, bottom], float), LANDMARKS, 0.9)


def test_pil_array_and_path_give_the_same_crop(tmp_path):
    picture = ramp()
    picture.save(tmp_path / "ramp.png")
    crops = [
        Preprocess().crop(photo, face(30, 20, 70, 70))
        for photo in (picture, np.asarray(picture), tmp_path / "ramp.png")
    ]
    for crop in crops:
        assert crop.size == (113, 113) and np.array_equal(np.asarray(crop), np.asarray(crops[0]))


def test_the_square_is_crop_factor_times_the_shorter_side():
    crop = np.asarray(Preprocess(crop_factor=1.5, size=60).crop(ramp(), face(40, 30, 80, 90))).astype(float)
    # centre (60, 60), side 1.5 * 40 = 60: from x = 30 to 90 and y = 30 to 90, one pixel each
    assert np.allclose(crop[:, :, 0], np.arange(30, 90)[None, :], atol=1)
    assert np.allclose(crop[:, :, 1], np.arange(30, 90)[:, None], atol=1)


@pytest.mark.parametrize("padding, expected", [("edge", 0), ("black", 0)])
def test_beyond_the_border(padding, expected):
    crop = np.asarray(Preprocess(crop_factor=1.0, size=40, padding=padding).crop(ramp(), face(-20, 20, 20, 60)))
    assert (crop[:, :18, 0] == expected).all()
    blue = crop[:, :18, 2]
    assert (blue == (7 if padding == "edge" else 0)).all()
    assert np.allclose(crop[:, 21:, 0], np.arange(1, 20)[None, :], atol=1)


def test_shrinking_is_antialiased():
    fine = np.zeros((400, 400, 3), np.uint8)
    fine[::2] = 255  # stripes far finer than a pixel of the crop: an antialiased crop is grey all over
    crop = np.asarray(Preprocess(size=50, crop_factor=1.0).crop(fine, face(10, 10, 390, 390))).astype(float)
    assert abs(crop.mean() - 127.5) < 3 and crop.std() < 12
    aligned = Preprocess(geometry="five_point", size=112)
    big = make_face(np.array([0, 0, 400, 400.0]), REFERENCE_LANDMARKS_112 * 3.4, 0.9)
    crop = np.asarray(aligned.crop(fine, big)).astype(float)
    assert abs(crop.mean() - 127.5) < 3 and crop.std() < 25


def test_five_points_land_on_the_reference():
    picture, marks = np.zeros((300, 300, 3), np.uint8), []
    turn = np.array([[0.8, -0.6], [0.6, 0.8]]) * 1.4
    landmarks = REFERENCE_LANDMARKS_112 @ turn.T + (110, 40)
    for x, y in landmarks:
        picture[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2] = 255
    crop = np.asarray(Preprocess("five_point", 112, 1.0, "black").crop(picture, make_face(np.zeros(4), landmarks, 0.9)))
    gray = crop.mean(axis=2)
    for x, y in REFERENCE_LANDMARKS_112:
        around = gray[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        dy, dx = np.indices(around.shape) - 3
        marks.append([(around * dx).sum() / around.sum(), (around * dy).sum() / around.sum()])
        assert around.max() > 100
    assert np.abs(marks).max() < 1.2


def test_similarity_transform_undoes_a_known_one():
    random = np.random.default_rng(3)
    points, angle = random.normal(size=(5, 2)), 0.7
    matrix = 2.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity_transform(points, points @ matrix.T + (3, -4))
    assert np.allclose(found, np.column_stack([matrix, (3, -4)]))


def test_tensor_subtracts_the_means_channel_by_channel():
    preprocess = Preprocess(size=2, mean=(1.0, 2.0, 3.0), scale=2.0)
    tensor = preprocess.tensor([Image.new("RGB", (2, 2), (11, 22, 33))])
    assert tensor.shape == (1, 3, 2, 2) and tensor[0, :, 1, 1].tolist() == [5.0, 10.0, 15.0]
    with pytest.raises(ValueError, match="2x2"):
        preprocess.tensor([Image.new("RGB", (3, 2))])


def test_no_face_is_the_whole_photo():
    crop = np.asarray(Preprocess(size=10).crop(ramp(100, 100), None))
    assert crop.shape == (10, 10, 3) and crop[0, 0, 0] < 12 and crop[0, -1, 0] > 88


def test_json_round_trip_and_refusals():
    preprocess = Preprocess("five_point", 112, 1.0, "black", (1.0, 2.0, 3.0), 4.0)
    assert Preprocess.from_json(preprocess.to_json()) == preprocess
    for bad in ({"geometry": "oval"}, {"padding": "mirror"}, {"size": 0}, {"channels": "GRB"}, {"colour": 1}):
        with pytest.raises(ValueError):
            Preprocess.from_json(preprocess.to_json() | bad)


@pytest.mark.parametrize(("padding", "mode"), [("edge", "edge"), ("black", "constant")])
def test_a_picture_is_padded_as_numpy_does(padding, mode):
    rng = np.random.default_rng(3)
    for _ in range(300):
        pixels = rng.integers(0, 256, (*rng.integers(1, 30, 2), 3), dtype=np.uint8)
        low = rng.uniform(-40, 40, 2)
        high = low + rng.uniform(0.1, 50, 2)
        seen, moved = _pad_to_hold(Image.fromarray(pixels), (*low, *high), padding)
        before = np.ceil(np.maximum(0, -low)).astype(int)
        after = np.ceil(np.maximum(0, high - pixels.shape[1::-1])).astype(int)
        wanted = np.pad(pixels, ((before[1], after[1]), (before[0], after[0]), (0, 0)), mode=mode)
        assert moved == tuple(before) and np.array_equal(np.asarray(seen), wanted)
