"""Turned faces: the geometry on drawn people of known yaw, the rows that a dataset becomes, whose faces they are."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.drawn_people import SYNTHETIC

from data_tools.__main__ import main
from data_tools.annotate import load_mtcnn
from data_tools.sources.base import Item, Problem
from data_tools.sources.turned import Turned, new_yaws, parse_yaw
from data_tools.turning.fit import fit_head, shaped
from data_tools.turning.head import generic_head
from data_tools.turning.square import square_around
from data_tools.turning.turn import head_sides, turn_head
from sfpn.data.dataset import FaceDataset
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.training.pack import load_pack, write_pack

find_face = functools.cache(load_mtcnn)
LIMIT = 60


def frontal_people(count: int) -> list[tuple]:
    """(picture, yaw) of drawn people who look into the camera."""
    dataset = FaceDataset.open(SYNTHETIC)
    rows = dataset.rows()
    rows = (
        rows[(rows["yaw_degrees"].abs() < 6) & (rows["pose_estimated"] == "frontal")]
        .groupby("identity")
        .head(1)[:count]
    )
    yaw = dict(zip(rows["row_id"], rows["yaw_degrees"], strict=True))
    return [(picture, float(yaw[picture.row_id])) for picture in dataset.pictures(set(rows["row_id"]))]


def turned(picture, yaw: float, new_yaw: float):
    return turn_head(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy, yaw, new_yaw)


def test_the_head_lies_over_the_face_landmark_by_landmark():
    picture, yaw = frontal_people(1)[0]
    square, head = square_around(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy), generic_head()
    fit = fit_head(head, square.landmarks_xy, yaw)
    assert (
        abs(fit.place(fit.stretched(head.landmarks), yaw)[:, :2] - square.landmarks_xy).max() < 0.7 * fit.scale
    )  # 7 mm
    points = shaped(head, fit, square.landmarks_xy)
    nose = fit.place(points, yaw).reshape(-1, 3)[np.argmax(head.points[..., 2])]
    assert nose[:2] == pytest.approx(square.landmarks_xy[2], abs=0.3 * fit.scale)


def test_turning_by_nothing_changes_nearly_nothing():
    for picture, yaw in frontal_people(3):
        square, head = square_around(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy), generic_head()
        fit = fit_head(head, square.landmarks_xy, yaw)
        left, _ = head_sides(fit.place(shaped(head, fit, square.landmarks_xy), yaw), fit.scale)
        corner = np.array([max(0, min(left, square.photo_xyxy[0])), square.photo_xyxy[1]])
        (x0, y0), (x1, y1) = square.landmarks_xy.min(0).astype(int), square.landmarks_xy.max(0).astype(int)
        same = turned(picture, yaw, yaw).crop((*(np.array([x0, y0]) - corner), *(np.array([x1, y1]) - corner)))
        assert (
            abs(np.asarray(same, np.float32) - square.picture[y0:y1, x0:x1]).mean() < 2.5
        )  # of 255, between the landmarks


@pytest.mark.parametrize("asked", [-45, 45])
def test_the_detector_measures_the_yaw_that_was_asked_for(asked):
    faces = [find_face(False)(turned(picture, yaw, asked)) for picture, yaw in frontal_people(12)]
    assert all(faces)
    measured = [face.yaw_degrees for face in faces]
    assert np.median(measured) == pytest.approx(asked, abs=15) and np.all(np.sign(measured) == np.sign(asked))


def test_a_face_that_looks_the_other_way_is_mirrored_first():
    picture, _ = frontal_people(1)[0]
    square = square_around(picture.decode(), picture.face.box_xyxy, picture.face.landmarks_xy)
    twice = square.mirrored().mirrored()
    assert np.array_equal(twice.picture, square.picture) and np.allclose(twice.landmarks_xy, square.landmarks_xy)
    assert twice.photo_xyxy == square.photo_xyxy
    landmarks = square.mirrored().landmarks_xy
    assert landmarks[0, 0] < landmarks[1, 0] and landmarks[3, 0] < landmarks[4, 0]
    assert find_face(False)(turned(picture, -20.0, 50.0)).yaw_degrees > 8  # it is not -50


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
