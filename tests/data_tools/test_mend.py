"""Decisions applied to a built dataset, against `build --decisions` of its source."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from helpers.drawn_people import drawn

from data_tools.annotate import mtcnn
from data_tools.build import BuildConfig, build
from data_tools.decided import DecidedSource
from data_tools.mend import mend
from data_tools.sources.folder import open_folder
from sfpn.data.dataset import FaceDataset
from sfpn.data.decisions import Decision
from sfpn.errors import UserError

DECISIONS = (
    Decision("leave_out", "ann/frontal.png", why="blurred"),
    Decision("fix_label", "bo/frontal.png", new_identity="ann"),
    Decision("fix_label", "bo/profile.png", new_pose="three_quarter"),
    Decision("same_person", identity="anne", new_identity="ann"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """ann, anne and bo, two pictures each, as a folder and as a dataset."""
    folder = tmp_path_factory.mktemp("mend")
    for number, name in enumerate(("ann", "anne", "bo")):
        (folder / "people" / name).mkdir(parents=True)
        for pose in ("frontal", "profile"):
            (folder / "people" / name / f"{pose}.png").write_bytes(drawn(pose, number))
    build(open_folder(folder / "people"), folder / "data", mtcnn(), BuildConfig("x", workers=0, progress=False))
    return folder


def test_a_mended_dataset_is_the_one_that_its_source_gives_with_the_decisions(built):
    mend(built / "data", built / "mended", DECISIONS)
    source = DecidedSource(open_folder(built / "people"), DECISIONS)
    build(source, built / "wanted", mtcnn(), BuildConfig("x", workers=0, progress=False))
    got, wanted = FaceDataset.open(built / "mended"), FaceDataset.open(built / "wanted")
    columns = ["row_id", "identity", "pose", "yaw_degrees", "yaw_source", "split", "quality"]
    order = [rows.sort_values("row_id", ignore_index=True)[columns] for rows in (got.rows(), wanted.rows())]
    pd.testing.assert_frame_equal(*order)
    same = ("fingerprint", "rows", "identities", "rows_per_pose", "rows_per_split", "images_per_identity")
    assert {name: got.card[name] for name in same} == {name: wanted.card[name] for name in same}
    lines = pd.read_csv(built / "mended" / "ledger.csv")
    assert sorted(lines.loc[lines["step"] == "decision", "row_id"]) == [
        *("ann/frontal.png", "anne/frontal.png", "anne/profile.png", "bo/frontal.png", "bo/profile.png"),
    ]
    assert {picture.row_id: picture.encoded for picture in got.pictures(set(got.rows()["row_id"]))} == {
        picture.row_id: picture.encoded for picture in wanted.pictures(set(wanted.rows()["row_id"]))
    }


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ([Decision("leave_out", "cy/1.png")], "which the dataset does not have"),
        ([Decision("leave_out", "ann/frontal.png", picture_sha256="0" * 64)], "another picture"),
        ([Decision("fix_label", "ann/frontal.png", new_identity=name) for name in ("bo", "anne")], "differ"),
        (
            [Decision("leave_out", f"{n}/{p}.png") for n in ("ann", "anne", "bo") for p in ("frontal", "profile")],
            "leave",
        ),
    ],
)
def test_decisions_that_do_not_fit_leave_nothing_behind(built, decisions, words):
    with pytest.raises(UserError, match=words):
        mend(built / "data", built / "bad", decisions)
    assert not list(built.glob("*bad*"))
