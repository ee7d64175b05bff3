"""Looking closer at a face that is not sure: the detector's part, with looks that are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.paths import SYNTHETIC

from sfpn.data.dataset import FaceDataset
from sfpn.photos.detector import FaceDetector, choose_face
from sfpn.photos.finding import looked_at_again
from sfpn.photos.second_look import UNSURE


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(small_faces=False)


@pytest.fixture(scope="module")
def image():
    [picture] = FaceDataset.open(SYNTHETIC).pictures({"syn-0000-three_quarter-00"})
    return picture.decode()


def test_a_sure_face_costs_no_further_look(detector, image, monkeypatch):
    faces = detector.detect(image)
    assert choose_face(faces, image.size).confidence > UNSURE
    monkeypatch.setattr(FaceDetector, "_search_portraits", None)  # calling it would raise TypeError
    assert looked_at_again(detector, image, faces) == faces


def test_an_unsure_face_is_replaced_by_the_surest_look_with_the_interval_of_an_unsure_one(detector, image):
    [sure] = detector.detect(image)
    left, top, right, bottom = sure.box_xyxy
    beside = (left - 40, top, right - 40, bottom)
    unsure = replace(sure, box_xyxy=beside, landmarks_xy=sure.landmarks_xy - np.float32([40, 0]), confidence=0.8)
    [closer] = looked_at_again(detector, image, [unsure])
    assert closer.confidence > 0.95 and closer.center_xy == pytest.approx(sure.center_xy, abs=15)
    assert closer.yaw_degrees == pytest.approx(sure.yaw_degrees, abs=15)
    factor = detector._poses.card["uncertainty"]["unsure"]["times_yaw_degrees"]
    assert closer.yaw_uncertainty_degrees / sure.yaw_uncertainty_degrees == pytest.approx(factor, rel=0.15)
