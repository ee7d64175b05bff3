"""A photo with two faces of which the wrong one was taken: told, decided, and mended by a build and in a dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.two_faces import PLANTED, write_two_faces

from data_tools.__main__ import main
from data_tools.annotate import common_share, face_finder, mtcnn
from data_tools.build import BuildConfig, build
from data_tools.decided import DecidedSource
from data_tools.mend import mend
from data_tools.sources.folder import open_folder
from sfpn.data.dataset import FaceDataset
from sfpn.data.decisions import OTHER_FACE, Decision, read_decisions
from sfpn.data.embed import embed_dataset
from sfpn.errors import UserError
from sfpn.evaluation.checks.check import check
from sfpn.evaluation.checks.draft import draft
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import FaceDetector

QUIET = BuildConfig("x", workers=0, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("two faces")
    write_two_faces(place / "people")
    return place


@pytest.fixture(scope="module")
def built(folder) -> FaceDataset:
    build(open_folder(folder / "people"), folder / "data", mtcnn(), QUIET)
    return FaceDataset.open(folder / "data")


@pytest.fixture(scope="module")
def decision(built) -> Decision:
    """What the check suggests first about the planted photo."""
    embedder = load_embedder("base")
    findings = check(built, embed_dataset(built, embedder), embedder=embedder, detector=FaceDetector())
    [found] = [f for f in findings if f.kind == "which_face" and f.row_ids[0] == PLANTED]
    assert [s.action for s in found.suggestions] == [OTHER_FACE, "leave_out"]
    assert found.suggestions[0] in [replace(drafted, why="") for drafted in draft(findings)]
    return found.suggestions[0]


def row_of(dataset: FaceDataset) -> pd.Series:
    return dataset.rows().set_index("row_id").loc[PLANTED]


def test_the_wrong_face_was_taken_and_the_check_names_the_other_one(built, decision):
    width = next(built.pictures({PLANTED})).decode().width
    taken, other = row_of(built)["box_xyxy"], decision.face_box
    assert taken[2] < 0.6 * width < other[0]


def test_the_build_takes_the_other_face_and_says_so(folder, built, decision):
    source = DecidedSource(open_folder(folder / "people"), (decision,))
    build(source, folder / "mended by build", mtcnn(), QUIET)
    check_mended(FaceDataset.open(folder / "mended by build"), built, decision)


def test_a_built_dataset_is_mended_to_the_same_rows(folder, built, decision):
    mend(built.folder, folder / "mended", [decision], face_finder(small_faces=False, turns=True))
    mended = FaceDataset.open(folder / "mended")
    check_mended(mended, built, decision)
    by_build = folder / "again"
    build(DecidedSource(open_folder(folder / "people"), (decision,)), by_build, mtcnn(), QUIET)
    both = [row_of(dataset) for dataset in (mended, FaceDataset.open(by_build))]
    for name in ("box_xyxy", "landmarks_xy", "quality", "yaw_degrees", "pitch_degrees", "roll_degrees"):
        np.testing.assert_allclose(both[0][name], both[1][name], rtol=1e-5)
    assert both[0]["pose"] == both[1]["pose"] and both[0]["pose_estimated"] == both[1]["pose_estimated"]


def check_mended(mended: FaceDataset, before: FaceDataset, decision: Decision) -> None:
    """The picture is as it was, its face the other one, which is more like the other photos of its person."""
    rows = mended.rows()
    assert len(rows) == len(before.rows()) and mended.fingerprint == before.fingerprint
    assert decision.face_box and common_share(row_of(mended)["box_xyxy"], decision.face_box) > 0.7
    others = rows["row_id"] != PLANTED
    pd.testing.assert_frame_equal(rows[others], before.rows()[others])
    likeness = [mean_likeness(dataset) for dataset in (before, mended)]
    assert likeness[1] > likeness[0] + 0.2
    lines = pd.read_csv(mended.folder / "ledger.csv", keep_default_na=False)
    assert any("another of its faces was taken" in reason for reason in lines.loc[lines["row_id"] == PLANTED, "reason"])


def mean_likeness(dataset: FaceDataset) -> float:
    """Mean cosine of the planted photo with the others of its person."""
    rows = dataset.rows()
    own = [row_id for row_id in rows.loc[rows["identity"] == "p1", "row_id"] if row_id != PLANTED]
    values = embed_dataset(dataset, load_embedder("base"), [PLANTED, *own]).values
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    return float((values[1:] @ values[0]).mean())


def test_a_face_that_is_not_there_is_refused_in_one_sentence(folder, built, capsys, tmp_path):
    nowhere = Decision(OTHER_FACE, PLANTED, face_xyxy="0 0 5 5")
    with pytest.raises(UserError, match="none is found there"):
        mend(built.folder, tmp_path / "bad", [nowhere], face_finder(small_faces=False, turns=True))
    with pytest.raises(UserError, match="none is found there"):
        mend(built.folder, tmp_path / "bad", [nowhere])
    assert not list(tmp_path.glob("bad*"))
    (tmp_path / "d.csv").write_text(f"action,row_id,face_xyxy\nother_face,{PLANTED},0 0 5 5\n")
    assert read_decisions(tmp_path / "d.csv") == [nowhere]
    words = ["build", "folder", folder / "people", "--out", tmp_path / "out", "--decisions", tmp_path / "d.csv"]
    assert main([*map(str, words), "--quiet", "--workers", "0"]) == 2
    printed = capsys.readouterr().err
    assert "none is found at its face_xyxy" in printed and printed.count("\n") == 1


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 x", "5 5 1 1", "1,2,3,4", "nan 0 1 1", "0 0 inf 1", "1 1 1 5"])
def test_what_is_no_box_is_refused(text):
    with pytest.raises(UserError, match="face_xyxy"):
        Decision(OTHER_FACE, "a", face_xyxy=text)


def test_it_needs_a_box_and_others_take_none():
    with pytest.raises(UserError, match="needs face_xyxy"):
        Decision(OTHER_FACE, "a")
    with pytest.raises(UserError, match="does not use face_xyxy"):
        Decision("leave_out", "a", face_xyxy="0 0 1 1")
