"""`sfpn export`: one command, one file, used at once by the others."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.drawn_people import save_drawn  # noqa: E402
from helpers.paths import SYNTHETIC  # noqa: E402

from sfpn.__main__ import main  # noqa: E402
from sfpn.commands import export as command  # noqa: E402
from sfpn.data.selection import Selection  # noqa: E402
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
