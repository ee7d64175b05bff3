"""Turned heads: the geometry on drawn people of known yaw."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from helpers.drawn_people import SYNTHETIC

from data_tools.annotate import load_mtcnn
from data_tools.synthetic.average_head import average_head
from sfpn.data.dataset import FaceDataset
from sfpn.photos.turning.fit import fit_head, shaped
from sfpn.photos.turning.head import FILE, generic_head
from sfpn.photos.turning.square import square_around
from sfpn.photos.turning.turn import head_sides, turn_head

find_face = functools.cache(load_mtcnn)


def frontal_people(count: int) -> list[tuple]:
    """(picture, yaw) of drawn people who look into the camera."""
    dataset = FaceDataset.open(SYNTHETIC)
    rows = dataset.rows()
    rows = (
        rows[(rows["yaw_degrees"].abs() < 6) & (rows["pose_estimated"] == "frontal")]
        .groupby("identity")
        .head(1)[:count]
    )
    yaw = dict(zip(rows["row_id"], rows["yaw_degrees"], strict=True))
    return [(picture, float(yaw[picture.row_id])) for picture in dataset.pictures(set(rows["row_id"]))]


def turned(picture, yaw: float, new_yaw: float):
    return turn_head(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy, yaw, new_yaw)


def test_the_head_lies_over_the_face_landmark_by_landmark():
    picture, yaw = frontal_people(1)[0]
    square, head = square_around(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy), generic_head()
    fit = fit_head(head, square.landmarks_xy, yaw)
    assert (
        abs(fit.place(fit.stretched(head.landmarks), yaw)[:, :2] - square.landmarks_xy).max() < 0.7 * fit.scale
    )  # 7 mm
    points = shaped(head, fit, square.landmarks_xy)
    nose = fit.place(points, yaw).reshape(-1, 3)[np.argmax(head.points[..., 2])]
    assert nose[:2] == pytest.approx(square.landmarks_xy[2], abs=0.3 * fit.scale)


def test_turning_by_nothing_changes_nearly_nothing():
    for picture, yaw in frontal_people(3):
        square, head = square_around(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy), generic_head()
        fit = fit_head(head, square.landmarks_xy, yaw)
        left, _ = head_sides(fit.place(shaped(head, fit, square.landmarks_xy), yaw), fit.scale)
        corner = np.array([max(0, min(left, square.photo_xyxy[0])), square.photo_xyxy[1]])
        (x0, y0), (x1, y1) = square.landmarks_xy.min(0).astype(int), square.landmarks_xy.max(0).astype(int)
        same = turned(picture, yaw, yaw).crop((*(np.array([x0, y0]) - corner), *(np.array([x1, y1]) - corner)))
        assert (
            abs(np.asarray(same, np.float32) - square.picture[y0:y1, x0:x1]).mean() < 2.5
        )  # of 255, between the landmarks


@pytest.mark.parametrize("asked", [-45, 45])
def test_the_detector_measures_the_yaw_that_was_asked_for(asked):
    faces = [find_face(False)(turned(picture, yaw, asked)) for picture, yaw in frontal_people(12)]
    assert all(faces)
    measured = [face.yaw_degrees for face in faces]
    assert np.median(measured) == pytest.approx(asked, abs=15) and np.all(np.sign(measured) == np.sign(asked))


def test_a_face_that_looks_the_other_way_is_mirrored_first():
    picture, _ = frontal_people(1)[0]
    square = square_around(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy)
    twice = square.mirrored().mirrored()
    assert np.array_equal(twice.picture, square.picture) and np.allclose(twice.landmarks_xy, square.landmarks_xy)
    assert twice.photo_xyxy == square.photo_xyxy
    landmarks = square.mirrored().landmarks_xy
    assert landmarks[0, 0] < landmarks[1, 0] and landmarks[3, 0] < landmarks[4, 0]
    assert find_face(False)(turned(picture, -20.0, 50.0)).yaw_degrees > 8  # it is not -50


def test_the_file_is_the_average_of_the_drawn_heads():
    from safetensors.numpy import load_file

    made, held = average_head(), load_file(FILE)
    assert made.keys() == held.keys()
    for name, array in made.items():
        np.testing.assert_allclose(held[name], array, atol=1e-3)
