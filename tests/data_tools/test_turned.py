"""Turned faces: the rows that a dataset becomes, whose faces they are; turning itself: tests/photos/test_turning.py."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.drawn_people import SYNTHETIC

from data_tools.__main__ import main
from data_tools.sources.base import Item, Problem
from data_tools.sources.turned import Turned, new_yaws, parse_yaw
from sfpn.data.dataset import FaceDataset
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.training.pack import load_pack, write_pack

LIMIT = 60


def test_new_yaws_are_different_reproducible_and_to_both_sides():
    yaws = new_yaws(3, "a", 60, (25, 75))
    assert yaws == new_yaws(3, "a", 60, (25, 75)) != new_yaws(4, "a", 60, (25, 75))
    assert len(set(yaws)) == 60 and min(map(abs, yaws)) >= 25 and max(map(abs, yaws)) <= 75
    assert min(yaws) < 0 < max(yaws)


@pytest.mark.parametrize("text", ["75-25", "0-40", "25-91", "25", "a-b", "25-75-80"])
def test_a_yaw_that_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match="LEAST-MOST"):
        parse_yaw(text)


def test_more_pictures_than_yaws_are_refused():
    with pytest.raises(UserError, match="only 4 different yaws"):
        Turned(str(SYNTHETIC), per_image=5, yaw=(30, 31))


def test_every_row_is_turned_or_has_a_reason():
    dataset = FaceDataset.open(SYNTHETIC)
    rows, source = dataset.rows(), Turned(str(SYNTHETIC), per_image=2)
    things = list(source.items())
    turnable = rows["box_xyxy"].notna() & (rows["yaw_degrees"].abs() < 35) & (rows["pose"] != "profile")
    items, problems = ([thing for thing in things if isinstance(thing, kind)] for kind in (Item, Problem))
    assert len(things) == source.total() and len(items) == 2 * turnable.sum()
    assert {problem.row_id for problem in problems} == set(rows[~turnable]["row_id"])
    assert all(problem.reason.startswith("not turned: ") for problem in problems)
    known = rows.set_index("row_id")
    for item in items:
        original, yaw = item.row_id.split("@")
        assert float(yaw) == item.yaw_degrees and known.loc[original, "identity"] == item.identity
        assert known.loc[original, "split"] == item.split


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("turned")
    for name in ("one", "two"):
        words = [
            "build",
            "turned",
            f"{SYNTHETIC}:test",
            "--out",
            folder / name,
            "--yaw",
            "40-60",
            "--seed",
            7,
            "--limit",
            LIMIT,
        ]
        assert main([*map(str, words), "--quiet", "--workers", "0"]) == 0
    return folder


def test_rows_have_the_given_yaw_and_the_card_says_what_they_are_made_from(built):
    rows, original = pq.read_table(built / "one/data-00000.parquet").to_pylist(), FaceDataset.open(SYNTHETIC)
    assert all(
        row["yaw_source"] == "given" and 40 <= abs(row["yaw_degrees"]) <= 60 and row["pose"] == "three_quarter"
        for row in rows
    )
    assert all(row["split"] == "test" and row["row_id"].endswith(f"@{row['yaw_degrees']:+.0f}") for row in rows)
    assert sum(row["box_xyxy"] is not None for row in rows) > 0.9 * len(rows)
    card = json.loads((built / "one/dataset.json").read_text())
    assert card["made_from"] == {
        "name": original.name,
        "fingerprint": original.fingerprint,
        "split": "test",
        "yaw_degrees": [40, 60],
        "seed": 7,
        "per_image": 1,
    }
    assert card["licence"] == original.card["licence"] and card["identities_of"] == original.name
    assert card["command"].endswith("--limit 60 --seed 7 --yaw 40-60")
    with (built / "one/ledger.csv").open(newline="") as stream:
        skipped = [line for line in csv.DictReader(stream) if line["reason"].startswith("not turned")]
    assert len(rows) + len(skipped) == LIMIT


def test_the_same_command_makes_the_same_bytes(built):
    digests = [
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (built / name).glob("*.parquet")}
        for name in ("one", "two")
    ]
    assert digests[0] == digests[1]


def test_a_pack_knows_turned_faces_as_the_same_person(built, tmp_path):
    write_pack([Selection.parse(f"{SYNTHETIC}:test"), Selection.parse(str(built / "one"))], tmp_path / "pack")
    pack = load_pack(tmp_path / "pack")
    person = dict(zip(pack.row_ids, pack.identities, strict=True))
    turned_ids = [row_id for row_id in pack.row_ids if "@" in row_id]
    assert turned_ids and all(person[row_id] == person[row_id.split("@")[0]] for row_id in turned_ids)
