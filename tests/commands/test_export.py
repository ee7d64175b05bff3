"""`sfpn export`: one command, one file, used at once by the others."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.drawn_people import drawn_image, save_drawn  # noqa: E402
from helpers.paths import SYNTHETIC  # noqa: E402

from sfpn.__main__ import main  # noqa: E402
from sfpn.commands import export as command  # noqa: E402
from sfpn.data.selection import Selection  # noqa: E402
from sfpn.network.export_detector import NETWORKS  # noqa: E402
from sfpn.photos.detector import FaceDetector  # noqa: E402
from sfpn.photos.preprocess import Preprocess  # noqa: E402


def test_export_and_verify(tmp_path, capsys):
    out = tmp_path / "small.onnx"
    assert main(["export", "depthwise", "--format", "onnx", "--out", str(out)]) == 0
    assert "cosine to depthwise on 24 faces: median 1.00000" in capsys.readouterr().out
    a, b = (str(save_drawn(tmp_path / f"{pose}.png", pose)) for pose in ("frontal", "three_quarter"))
    decided = []
    for model in ("depthwise", str(out)):
        assert main(["verify", a, b, "--model", model, "--json"]) in (0, 1)
        decided.append(json.loads(capsys.readouterr().out))
    assert decided[0]["score"] == pytest.approx(decided[1]["score"], abs=1e-4)
    assert decided[0]["threshold"] == decided[1]["threshold"]


def test_calibration_and_check_share_no_face_and_have_all_poses(monkeypatch):
    asked = []
    dataset = Selection.parse(str(SYNTHETIC))
    pictures = type(dataset.dataset).pictures
    monkeypatch.setattr(
        type(dataset.dataset), "pictures", lambda self, ids: asked.append(set(ids)) or pictures(self, ids)
    )
    checked, calibrated = command.faces_of_all_poses(dataset, Preprocess(), 2, 4)
    assert (len(checked), len(calibrated)) == (6, 12) and not asked[0] & asked[1]
    rows = dataset.rows().set_index("row_id")
    for ids, each in zip(asked, (2, 4), strict=True):
        of_pose = rows.loc[list(ids)].groupby("pose")["identity"]
        assert of_pose.size().tolist() == of_pose.nunique().tolist() == [each] * 3  # every one another person


def test_without_faces_to_check_on(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "DRAWN_PEOPLE", tmp_path / "none")
    assert main(["export", "base", "--out", str(tmp_path / "out.onnx")]) == 2
    assert "give some with --calibrate DIR" in capsys.readouterr().err


def test_the_detector_is_three_files_that_find_the_same(tmp_path, capsys):
    out = tmp_path / "detector"
    assert main(["export", "detector", "--out", str(out)]) == 0
    card = json.loads((out / "detector.json").read_text())
    assert sorted(path.name for path in out.iterdir()) == [
        "detector.json",
        "output.onnx",
        "propose.onnx",
        "refine.onnx",
    ]
    for each in card["networks"].values():
        assert hashlib.sha256((out / each["file"]).read_bytes()).hexdigest() == each["sha256"]
    sessions = {name: onnxruntime.InferenceSession(out / f"{name}.onnx") for name in card["networks"]}
    detector = FaceDetector()
    photo = drawn_image("frontal")
    [face] = detector.detect(photo)

    class ThroughTheFile(torch.nn.Module):
        def __init__(self, name: str, outputs: tuple[str, ...]) -> None:
            super().__init__()
            self.name, self.outputs = name, list(outputs)
            self.register_parameter("where", torch.nn.Parameter(torch.zeros(1)))  # its device is asked for

        def forward(self, scaled: torch.Tensor):
            pixels = scaled.numpy() / 0.0078125 + 127.5  # back to 0-255
            return tuple(map(torch.from_numpy, sessions[self.name].run(self.outputs, {"pixels": pixels})))

    for name, (_, _, outputs) in NETWORKS.items():
        assert hasattr(detector._mtcnn, f"_{name}")
        setattr(detector._mtcnn, f"_{name}", ThroughTheFile(name, outputs))
    [same] = detector.detect(photo)
    np.testing.assert_allclose(same.box_xyxy, face.box_xyxy, atol=0.05)
    np.testing.assert_allclose(same.landmarks_xy, face.landmarks_xy, atol=0.05)
    assert main(["export", "detector", "--out", str(out)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert main(["export", "detector", "--format", "onnx-int8", "--out", str(tmp_path / "new")]) == 2
    assert "in float32 only" in capsys.readouterr().err
