"""Detection on CFP, yaw from landmarks that are projected from a model head, and the choice of a face."""

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import ASSETS
from helpers.shared_material import CFP, needs_cfp
from PIL import Image

from sfpn.data.dataset import FaceDataset
from sfpn.photos.detector import YAW_KNEE_DEGREES, FaceDetector, choose_face, estimate_yaw, make_face
from sfpn.photos.pose import PoseEstimator

SEPARATING_YAW = 18.0  # degrees; frontal and profile images of CFP are told apart here


def projected(yaw_degrees: float, roll_degrees: float = 0.0, scale: float = 30.0) -> np.ndarray:
    """Five landmarks of a head with eyes at (-1, 0, 0), (1, 0, 0), nose tip 1 in front, turned by yaw."""
    head = np.array([[-1, 0, 0], [1, 0, 0], [0, 0.6, 1], [-0.7, 1.4, 0], [0.7, 1.4, 0]])
    yaw, roll = math.radians(yaw_degrees), math.radians(roll_degrees)
    x = head[:, 0] * math.cos(yaw) + head[:, 2] * math.sin(yaw)
    flat = np.column_stack([x, head[:, 1]]) * scale
    turn = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    return flat @ turn.T + 100


@pytest.mark.parametrize("yaw", [-40, -25, -10, 0, 10, 25, 40])
@pytest.mark.parametrize("roll", [-20, 0, 20])
def test_yaw_of_a_projected_head(yaw, roll):
    assert estimate_yaw(projected(yaw, roll)) == pytest.approx(yaw, abs=1e-6)
    assert estimate_yaw(projected(yaw, roll, scale=3.0)) == pytest.approx(yaw, abs=1e-6)


def test_beyond_the_knee_yaw_still_grows_and_stays_in_range():
    estimates = [estimate_yaw(projected(yaw)) for yaw in range(int(YAW_KNEE_DEGREES), 90)]
    assert all(b >= a for a, b in zip(estimates, estimates[1:], strict=False)) and max(estimates) == 90.0
    assert [-e for e in estimates] == pytest.approx([estimate_yaw(projected(-yaw)) for yaw in range(40, 90)])


def test_positive_yaw_turns_to_the_images_right():
    assert make_face(np.array([0, 0, 9, 9]), projected(70), 1.0).yaw_degrees > 65
    nose_right = np.array([[40, 50], [60, 50], [58, 60], [45, 75], [57, 75]])
    assert estimate_yaw(nose_right) > 0


def test_coinciding_eyes_do_not_divide_by_zero():
    assert estimate_yaw(np.zeros((5, 2))) == 0.0


def test_choice_is_large_and_central():
    def face(x, y, side):
        return make_face(np.array([x, y, x + side, y + side]), projected(0), 0.99)

    small_central, large_central, large_corner = face(95, 95, 10), face(60, 60, 80), face(-10, -10, 82)
    assert choose_face([small_central, large_corner, large_central], (200, 200)) is large_central
    assert choose_face([], (200, 200)) is None


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(small_faces=False)


def test_no_face_is_an_empty_list(detector):
    assert detector.detect(Image.new("RGB", (160, 120), (90, 120, 150))) == []
    assert FaceDetector().detect(Image.new("L", (40, 40))) == []


def cfp_images(pose: str, people: range, images: range):
    for person in people:
        for number in images:
            yield CFP / "Data" / "Images" / f"{person:03d}" / pose / f"{number:02d}.jpg"


def holds_the_face(path: Path, faces) -> bool:
    """A detection counts if its box holds the centre of the hand-marked fiducials."""
    marks = np.loadtxt(str(path).replace("Images", "Fiducials").replace(".jpg", ".txt"), delimiter=",")
    x, y = marks.mean(axis=0)
    return any(f.box_xyxy[0] <= x <= f.box_xyxy[2] and f.box_xyxy[1] <= y <= f.box_xyxy[3] for f in faces)


@needs_cfp
def test_every_thirtieth_subject_of_cfp(detector):
    """A quick sample; tests/benchmarks/detection.py measures all 2,100 images of folds 01-03."""
    right = total = 0
    for pose in ("frontal", "profile"):
        for path in cfp_images(pose, range(1, 151, 10), range(1, 5)):
            image = Image.open(path).convert("RGB")
            faces = detector.detect(image)
            total += 1
            face = choose_face(faces, image.size)
            if not holds_the_face(path, faces):
                assert pose == "profile", path
                continue
            right += (abs(face.yaw_degrees) >= SEPARATING_YAW) == (pose == "profile")
    assert total == 120 and right >= 117


def test_nobody_estimates_the_poses_of_faces_that_are_not_sure_enough(detector, monkeypatch):
    photo = next(FaceDataset.open(ASSETS / "synthetic").pictures({"syn-0000-frontal-00"})).decode()
    [sure] = detector.detect(photo)
    asked, estimate = [], PoseEstimator.estimate
    monkeypatch.setattr(PoseEstimator, "estimate", lambda *given: asked.append(1) or estimate(*given))
    [same] = detector.detect_sure(photo, 1 - sure.confidence)
    assert same.yaw_degrees == sure.yaw_degrees and same.box_xyxy == sure.box_xyxy and len(asked) == 1
    assert detector.detect_sure(photo, (1 - sure.confidence) / 2 - 1e-9) == [] and len(asked) == 1
    wide = Image.new("RGB", (5 * photo.width, photo.height))
    wide.paste(photo, (2 * photo.width, 0))
    assert len(detector.detect_sure(wide, 0.5)) == len(detector.detect(wide)) == 1
    assert detector.detect_sure(Image.new("RGB", (90, 90)), 1.0) == []


@needs_cfp
def test_a_face_at_the_border_keeps_its_box(detector):
    """Cut off to the face itself, the photo gives the same box: MTCNN alone would shift it by up to half the face."""
    path = next(cfp_images("frontal", range(3, 4), range(1, 2)))
    photo = Image.open(path).convert("RGB")
    whole = choose_face(detector.detect(photo), photo.size)
    left, top, right, bottom = (round(v) for v in whole.box_xyxy)
    tight = photo.crop((left, top, right, bottom))
    cut = choose_face(detector.detect(tight), tight.size)
    shift = np.abs(np.array(cut.landmarks_xy) + (left, top) - whole.landmarks_xy).max()
    assert shift < 0.12 * whole.shorter_side


@needs_cfp
def test_small_faces_of_a_large_photo_are_all_found():
    photo = Image.new("RGB", (1600, 1200), (90, 120, 90))
    paths = list(cfp_images("frontal", range(1, 7), range(1, 2)))
    for i, path in enumerate(paths):
        photo.paste(Image.open(path).convert("RGB").resize((160, 200)), (100 + i % 3 * 500, 150 + i // 3 * 550))
    faces = FaceDetector().detect(photo)
    assert len(faces) == len(paths)
    assert all(f.box_xyxy[0] > 0 and 60 < f.shorter_side < 260 for f in faces)
