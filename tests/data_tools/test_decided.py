"""Decisions applied by a build: what leaves, what gets another name or pose, what the ledger says, what is refused."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import FAKE, encoded, make_cfp, make_folder, write

from data_tools.__main__ import main
from data_tools.build import BuildConfig, build
from data_tools.decided import DecidedSource
from data_tools.sources.cfp import CFP
from data_tools.sources.folder import open_folder
from data_tools.split import split_of
from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT, SAME_PERSON, Decision, write_decisions
from sfpn.errors import UserError

CONFIG = BuildConfig(command="python -m data_tools build", workers=0, progress=False)
KEEP = replace(CONFIG, keep_duplicates=True)


def built(source, out: Path, *decisions: Decision, config: BuildConfig = KEEP) -> dict[str, dict]:
    """The rows by row_id of a build with decisions."""
    build(DecidedSource(source, decisions), out, FAKE, config)
    return {row["row_id"]: row for file in sorted(out.glob("data-*")) for row in pq.read_table(file).to_pylist()}


def ledger(out: Path) -> list[dict]:
    with (out / "ledger.csv").open(newline="") as stream:
        return [line for line in csv.DictReader(stream) if line["step"] in ("decisions", "pairs")]


def test_rows_leave_merge_and_get_other_labels(tmp_path):
    folder = make_folder(tmp_path / "in")
    write(folder / "bob/1.jpg", encoded(9))
    rows = built(
        open_folder(folder),
        tmp_path / "out",
        Decision(LEAVE_OUT, "ann/2.png", why="a dog"),
        Decision(SAME_PERSON, identity="bob", new_identity="bo"),
        Decision(FIX_LABEL, "bo/1.webp", new_identity="ann", new_pose="profile"),
    )
    assert {row_id: row["identity"] for row_id, row in rows.items()} == {
        "ann/1.jpg": "ann",
        "bo/1.webp": "ann",
        "bo/2.bmp": "bo",
        "bob/1.jpg": "bo",
    }
    assert rows["bo/1.webp"]["pose"] == "profile" and rows["bo/1.webp"]["pose_estimated"] == "three_quarter"
    assert all(row["split"] == split_of(row["identity"]) for row in rows.values())
    assert [(line["row_id"], line["status"], line["reason"]) for line in ledger(tmp_path / "out")] == [
        ("ann/2.png", "dropped", "left out by decision: a dog"),
        (
            "bo/1.webp",
            "changed",
            "identity 'bo' became 'ann', pose as estimated became profile (mended by decision)",
        ),
        ("bob/1.jpg", "changed", "identity 'bob' became 'bo' (one person by decision)"),
    ]
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert card["ledger"]["changed"] == {"decisions": 2} and card["ledger"]["dropped"] == {"decisions": 1}


def test_pictures_are_stored_as_without_decisions(tmp_path):
    folder = open_folder(make_folder(tmp_path / "in"))
    before = built(folder, tmp_path / "before")
    after = built(folder, tmp_path / "after", Decision(SAME_PERSON, identity="bo", new_identity="ann"))
    assert {name: row["image"] for name, row in before.items()} == {name: row["image"] for name, row in after.items()}


def test_a_person_keeps_to_one_given_split_and_pairs_stay_true(tmp_path):
    source = CFP(make_cfp(tmp_path / "cfp"))
    rows = built(
        source,
        tmp_path / "out",
        Decision(SAME_PERSON, identity="003", new_identity="001"),
        Decision(FIX_LABEL, "cfp/001/frontal/01", new_identity="002"),
        Decision(FIX_LABEL, "cfp/002/profile/01", new_pose="frontal"),
    )
    splits = {}
    for row in rows.values():
        splits.setdefault(row["identity"], set()).add(row["split"])
    assert splits == {"001": {"test"}, "002": {"test"}}
    pairs = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    for pair in pairs:
        assert (rows[pair["row_id_a"]]["identity"] == rows[pair["row_id_b"]]["identity"]) == pair["same"]
        poses = {"FF": ("frontal", "frontal"), "FP": ("frontal", "profile")}[pair["protocol"]]
        assert poses == tuple(rows[pair[name]]["pose"] for name in ("row_id_a", "row_id_b"))
    changed = [line for line in ledger(tmp_path / "out") if "a decision changed" in line["reason"]]
    assert changed and all(line["step"] == "pairs" and line["status"] == "dropped" for line in changed)


def test_a_given_yaw_that_contradicts_the_new_pose_goes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jpg", encoded(ord(name)))
    write(tmp_path / "t.csv", "image,identity,row_id,yaw_degrees\na.jpg,x,a,-80\nb.jpg,x,b,-80\n")
    rows = built(
        open_folder(tmp_path / "t.csv"),
        tmp_path / "out",
        Decision(FIX_LABEL, "a", new_pose="frontal"),
        Decision(FIX_LABEL, "b", new_pose="profile"),
    )
    assert (rows["a"]["pose"], rows["a"]["yaw_source"]) == ("frontal", "estimated")
    assert (rows["b"]["pose"], rows["b"]["yaw_degrees"]) == ("profile", -80)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision(LEAVE_OUT, "ann/9.jpg"), "row 'ann/9.jpg', which the source does not have"),
        (Decision(SAME_PERSON, identity="carl", new_identity="bo"), "identity 'carl', which"),
        (Decision(FIX_LABEL, "ann/1.jpg", new_identity="An"), "identity 'An', which"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_written(tmp_path, capsys, decision, said):
    folder = make_folder(tmp_path / "in")
    write_decisions([decision], tmp_path / "d.csv")
    words = ["build", "folder", folder, "--out", tmp_path / "out", "--decisions", tmp_path / "d.csv", "--no-detect"]
    assert main([*map(str, words), "--quiet", "--workers", "0"]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1 and "d.csv" in printed
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.building").exists()


def test_a_decision_about_another_picture_is_refused(tmp_path):
    folder = make_folder(tmp_path / "in")
    digest = hashlib.sha256((folder / "ann/1.jpg").read_bytes()).hexdigest()
    decision = Decision(LEAVE_OUT, "ann/1.jpg", picture_sha256=digest)
    assert "ann/1.jpg" not in built(open_folder(folder), tmp_path / "out", decision)
    write(folder / "ann/1.jpg", encoded(77))
    with pytest.raises(UserError, match="ann/1.jpg was made about another picture"):
        built(open_folder(folder), tmp_path / "again", decision)


def test_a_row_left_out_makes_room_for_its_copy(tmp_path):
    folder = make_folder(tmp_path / "in")
    write(folder / "bo/3.jpg", encoded(0))  # the picture of ann/1.jpg
    rows = built(open_folder(folder), tmp_path / "out", Decision(LEAVE_OUT, "ann/1.jpg"), config=CONFIG)
    assert "bo/3.jpg" in rows and "ann/1.jpg" not in rows


def test_the_command_names_the_file_and_an_interrupted_build_needs_the_same_decisions(tmp_path, capsys):
    folder = make_folder(tmp_path / "in")
    write_decisions([Decision(LEAVE_OUT, "ann/1.jpg")], tmp_path / "d.json")
    words = ["build", "folder", folder, "--out", tmp_path / "out", "--decisions", tmp_path / "d.json", "--no-detect"]
    words = [*map(str, words), "--quiet", "--workers", "0"]
    assert main(words) == 0
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert card["command"].endswith("--no-detect --decisions d.json") and card["rows"] == 3
    (tmp_path / "out").rename(tmp_path / "out.building")
    write_decisions([Decision(LEAVE_OUT, "ann/2.png")], tmp_path / "d.json")
    assert main([*words, "--resume"]) == 2 and "had other options" in capsys.readouterr().err
