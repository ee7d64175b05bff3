"""Poses estimated anew: what changes in a dataset, what stays, who made them, and what is said of old ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import FAKE, make_cfp, make_folder
from helpers.paths import SYNTHETIC

from data_tools import poses
from data_tools.__main__ import main
from data_tools.build import BuildConfig, build
from data_tools.sources.cfp import CFP
from data_tools.sources.folder import open_folder
from sfpn.commands.options import note_old_poses
from sfpn.data.dataset import FaceDataset
from sfpn.data.selection import Selection
from sfpn.photos.detector import HeadPose
from sfpn.photos.pose import estimator_version
from sfpn.schema import row_features

CONFIG = BuildConfig(command="python -m data_tools build", workers=0, progress=False)
LOOKS_LEFT = HeadPose(-70.0, 5.0, 2.0, 9.0, 8.0)


@pytest.fixture
def constant(monkeypatch):
    """An estimator that sees the same pose everywhere."""
    monkeypatch.setattr("sfpn.photos.pose.PoseEstimator", lambda: Constant())


class Constant:
    """Sees LOOKS_LEFT in every face."""

    def estimate(self, picture, boxes, landmarks, confidences) -> list[HeadPose]:
        return [LOOKS_LEFT] * len(boxes)


def rows_of(folder: Path) -> list[dict]:
    return [row for file in sorted(folder.glob("data*.parquet")) for row in pq.read_table(file).to_pylist()]


def test_estimates_change_and_labels_pictures_and_boxes_stay(tmp_path, constant):
    out = tmp_path / "out"
    before_card = build(CFP(make_cfp(tmp_path / "cfp")), out, FAKE, CONFIG)
    before, ledger = rows_of(out), (out / "ledger.csv").read_bytes()
    card, changed = poses.estimate_again(out)
    after = rows_of(out)
    assert changed == len(before) == card["rows_with_face"]
    for old, new in zip(before, after, strict=True):
        assert (new["pose"], new["pose_estimated"]) == (old["pose"], "profile")
        assert (new["yaw_degrees"], new["pitch_degrees"], new["roll_degrees"]) == (-70.0, 5.0, 2.0)
        same = set(old) - {"pose_estimated", "yaw_degrees", "pitch_degrees", "roll_degrees"}
        assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert card["fingerprint"] == before_card["fingerprint"] and card["files_sha256"] != before_card["files_sha256"]
    assert card["pose_estimator"] == estimator_version() and (out / "ledger.csv").read_bytes() == ledger
    opened = datasets.load_dataset(
        "parquet", data_files=[str(file) for file in out.glob("data*.parquet")], split="train", cache_dir=str(tmp_path)
    )
    assert opened.features == row_features()


def test_poses_without_labels_follow_the_estimate_and_faceless_rows_stay(tmp_path, constant):
    make_folder(tmp_path / "in")
    build(open_folder(tmp_path / "in", {}), tmp_path / "out", FAKE, CONFIG)
    without = [row["row_id"] for row in rows_of(tmp_path / "out") if row["box_xyxy"] is None]
    card, _ = poses.estimate_again(tmp_path / "out")
    for row in rows_of(tmp_path / "out"):
        expected = None if row["row_id"] in without else "profile"
        assert row["pose"] == row["pose_estimated"] == expected
    assert card["rows_per_pose"]["profile"] == card["rows_with_face"]


def test_given_angles_stay(tmp_path, constant):
    make_folder(tmp_path)
    (tmp_path / "t.csv").write_text("image,identity,yaw_degrees\nann/1.jpg,ann,10\nbo/1.webp,bo,\n")
    build(open_folder(tmp_path / "t.csv", {}), tmp_path / "out", FAKE, CONFIG)
    poses.estimate_again(tmp_path / "out")
    assert sorted(row["yaw_degrees"] for row in rows_of(tmp_path / "out")) == [-70.0, 10.0]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Every 60th of the bundled drawn people."""
    folder = tmp_path_factory.mktemp("drawn")
    for name in ("dataset.json", "README.md", "ledger.csv"):
        shutil.copy(SYNTHETIC / name, folder)
    table = pq.read_table(SYNTHETIC / "data-00000.parquet")
    pq.write_table(table.take(list(range(0, len(table), 60))), folder / "data-00000.parquet")
    return folder


def test_drawn_people_are_read_by_detected_landmarks(drawn, capsys):
    before = rows_of(drawn)
    assert main(["poses", str(drawn), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("synthetic: poses of ") and printed.count("\n") == 1
    card, after = json.loads((drawn / "dataset.json").read_text()), rows_of(drawn)
    assert card["pose_estimator"] in (drawn / "README.md").read_text()
    assert [row["landmarks_xy"] for row in after] == [row["landmarks_xy"] for row in before]
    assert [row["yaw_degrees"] for row in after] == [row["yaw_degrees"] for row in before]
    found = [row for row in after if row["box_xyxy"]]
    assert np.mean([row["pose_estimated"] == row["pose"] for row in found]) > 0.85
    assert card["detection"]["frontal"]["images"] == card["rows_per_pose"]["frontal"] > 0


def test_a_dataset_without_boxes_is_refused_in_one_sentence(tmp_path, capsys):
    build(CFP(make_cfp(tmp_path / "cfp")), tmp_path / "out", None, CONFIG)
    assert main(["poses", str(tmp_path / "out"), "--quiet"]) == 2
    assert "built without detection" in capsys.readouterr().err


def test_an_old_dataset_opens_and_is_noted(tmp_path, capsys):
    out = tmp_path / "out"
    build(CFP(make_cfp(tmp_path / "cfp")), out, FAKE, CONFIG)
    note_old_poses([Selection.parse(str(out)), Selection.parse(f"{out}:train")])
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "by the estimator fake pose, not by today's" in printed
    card = json.loads((out / "dataset.json").read_text())
    del card["pose_estimator"]
    (out / "dataset.json").write_text(json.dumps(card))
    assert len(FaceDataset.open(out).rows()) == 42
    assert "its card does not name" in Selection.parse(str(out)).note_on_poses()
    (out / "dataset.json").write_text(json.dumps(card | {"pose_estimator": estimator_version()}))
    assert not Selection.parse(str(out)).note_on_poses()


def test_yaws_that_are_all_given_need_no_note():
    assert not Selection.parse(str(SYNTHETIC)).note_on_poses()
