"""The exported pose estimator: ONNX Runtime alone, given pixels and landmarks, gives the angles of Python."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from sfpn.commands.export import pictures_of_all_poses  # noqa: E402
from sfpn.commands.options import DRAWN_PEOPLE  # noqa: E402
from sfpn.data.selection import Selection  # noqa: E402
from sfpn.errors import UserError  # noqa: E402
from sfpn.network import export_pose as exporting  # noqa: E402
from sfpn.network.export_pose import export_pose  # noqa: E402
from sfpn.photos.pose import PoseEstimator, in_box, pose_crop  # noqa: E402


@pytest.fixture(scope="module")
def faces():
    [pictures] = pictures_of_all_poses(Selection.parse(str(DRAWN_PEOPLE)), 1)
    return [(picture.decode(), picture.face) for picture in pictures]


def test_angles_are_those_of_python_on_other_faces(tmp_path, faces):
    out = tmp_path / "pose.onnx"
    card = export_pose(out, faces)
    assert json.loads((tmp_path / "pose.json").read_text()) == card
    assert card["weights_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    estimator = PoseEstimator()
    [others] = pictures_of_all_poses(Selection.parse(str(DRAWN_PEOPLE)), 4)
    for picture in others:
        box, points = np.array(picture.face.box_xyxy), picture.face.landmarks_xy
        crop = pose_crop(picture.decode(), box)
        pixels = crop.astype(np.float32).transpose(2, 0, 1)[None]
        [[sin, cos, pitch, roll]] = session.run(None, {"pixels": pixels, "landmarks": in_box(box, points)[None]})[0]
        [head] = estimator.estimate(picture.decode(), box[None], points[None], np.array([1.0]))
        assert np.degrees(np.arctan2(sin, cos)).clip(-90, 90) == pytest.approx(head.yaw_degrees, abs=0.01)
        assert np.degrees(np.arcsin(pitch / 2)) == pytest.approx(head.pitch_degrees, abs=0.01)
        assert np.degrees(np.arcsin(roll / 2)) == pytest.approx(head.roll_degrees, abs=0.01)


def test_file_that_strays_is_not_written(tmp_path, faces, monkeypatch):
    monkeypatch.setattr(exporting, "AREA", 2)  # other averages than the network's
    with pytest.raises((UserError, RuntimeError)):
        export_pose(tmp_path / "pose.onnx", faces)
    assert list(tmp_path.iterdir()) == []


def test_name_must_say_what_it_is(tmp_path, faces):
    with pytest.raises(UserError, match="ends in .onnx"):
        export_pose(tmp_path / "pose.bin", faces)
