"""Synthetic people: same seed, same bytes; exact labels and landmarks; the rasteriser against a pixel-by-pixel loop."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.paths import SYNTHETIC as SHIPPED

from data_tools.synthetic import cli, dataset
from data_tools.synthetic.dataset import draw, synthesize
from data_tools.synthetic.draw import SyntheticConfig, draw_person, tasks, view_of
from data_tools.synthetic.expression import Expression
from data_tools.synthetic.identity import SHAPE, sample_identity
from data_tools.synthetic.mesh import MATERIALS
from data_tools.synthetic.scene import build_model, posed_geometry, project_landmarks, render
from data_tools.synthetic.surface import join, see
from data_tools.synthetic.variation import YAW_RANGES
from sfpn.errors import UserError
from sfpn.photos.turning.raster import rasterise, splat
from sfpn.schema import POSES, ROW_COLUMNS, pose_from_yaw

SMALL = SyntheticConfig(identities=1, images_per_pose=1, size=64, detect=False, workers=0, progress=False)


@pytest.fixture(scope="module")
def model():
    return build_model(sample_identity(7, 11))


@pytest.fixture(scope="module")
def rows():
    return [drawn.row for drawn in draw_person(0, SMALL)]


def plain_view(model, **changes):
    """A view at rest: no turn but what `changes` says."""
    view = view_of(model.person, tasks(0, SMALL)[0], SMALL)
    still = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "expression": Expression(), "glasses": False, "hat": None}
    return dataclasses.replace(view, **(still | changes))


def test_same_seed_same_bytes_whatever_the_processes(rows, tmp_path):
    again = [drawn.row for drawn in draw(dataclasses.replace(SMALL, workers=1), tmp_path)]
    assert [row["row_id"] for row in again] == [row["row_id"] for row in rows]
    assert [row["image"]["bytes"] for row in again] == [row["image"]["bytes"] for row in rows]
    np.testing.assert_allclose([r["landmarks_xy"] for r in again], [r["landmarks_xy"] for r in rows], atol=1e-4)


def test_an_interrupted_run_draws_only_what_is_missing(tmp_path, monkeypatch):
    first = draw(SMALL, tmp_path)
    monkeypatch.setattr(dataset, "draw_person", None)  # calling it would raise TypeError
    assert [drawn.row for drawn in draw(SMALL, tmp_path)] == [drawn.row for drawn in first]


def test_another_seed_draws_another_person(rows):
    other = [drawn.row for drawn in draw_person(0, dataclasses.replace(SMALL, seed=8))]
    assert all(a["image"]["bytes"] != b["image"]["bytes"] for a, b in zip(rows, other, strict=True))


def test_rows_keep_the_contract(rows):
    for row in rows:
        assert set(row) <= set(ROW_COLUMNS)
        assert row["pose"] == pose_from_yaw(row["yaw_degrees"])
        assert len(row["landmarks_xy"]) == 10
        assert row["yaw_source"] == "given" and row["box_xyxy"] is None


def test_counts_and_templates_are_those_of_vggface2_pose():
    config = SyntheticConfig()
    plan = [task for number in range(config.identities) for task in tasks(number, config)]
    assert len(plan) == 60 * 30 and len(set(plan)) == len(plan)
    assert [sum(task.pose == pose for task in plan) for pose in POSES] == [600, 600, 600]


def test_labels_stay_in_their_ranges():
    config = SyntheticConfig()
    for task in [task for number in range(0, 60, 5) for task in tasks(number, config)[::4]]:
        view = view_of(sample_identity(config.seed, task.number), task, config)
        low, high = YAW_RANGES[task.pose]
        assert low <= abs(view.yaw) <= high and pose_from_yaw(view.yaw) == task.pose
        assert abs(view.pitch) <= 15 and abs(view.roll) <= 15


def test_no_two_identities_are_alike():
    people = [sample_identity(7, number) for number in range(60)]
    spread = np.array([SHAPE[key][1] for key in SHAPE])
    shapes = np.array([[person.shape[key] for key in SHAPE] for person in people]) / spread
    gaps = [np.linalg.norm(a - b) for a, b in itertools.combinations(shapes, 2)]
    assert min(gaps) > 3.0  # standard deviations over all measures
    assert len({person.name for person in people}) == 60


@pytest.mark.parametrize("yaw", [-80.0, -30.0, 0.0, 45.0, 88.0])
def test_landmarks_are_projected_as_by_hand(model, yaw):
    view = plain_view(model, yaw=yaw)
    found = project_landmarks(model, view)
    camera, turn = view.camera, math.radians(yaw)
    for (x, y, z), (u, v) in zip(model.landmarks, found, strict=True):
        z_from_neck = z + 1.5
        right = x * math.cos(turn) + z_from_neck * math.sin(turn)
        toward = -x * math.sin(turn) + z_from_neck * math.cos(turn) - 1.5
        pixels_per_cm = camera.size / camera.field * camera.distance / (camera.distance - toward)
        assert u == pytest.approx(camera.size / 2 + (right - camera.centre[0]) * pixels_per_cm, abs=0.02)
        assert v == pytest.approx(camera.size / 2 - (y - camera.centre[1]) * pixels_per_cm, abs=0.02)


def test_positive_yaw_turns_the_face_to_the_images_right(model):
    eye_left, eye_right, nose = project_landmarks(model, plain_view(model, yaw=30.0))[:3]
    assert nose[0] > (eye_left[0] + eye_right[0]) / 2 and eye_left[0] < eye_right[0]


def test_landmarks_lie_on_what_they_name(model):
    view = plain_view(model)
    patches, strands = posed_geometry(model, view)
    surface = see(join(patches, strands[:1]), view.camera)  # of the hair only the brows
    material = np.full(surface.size**2, -1)
    material[surface.pixel] = surface.material
    columns, lines = np.floor(project_landmarks(model, view)).astype(int).T
    names = [MATERIALS[i] for i in material.reshape(surface.size, -1)[lines, columns]]
    assert names == ["eye", "eye", "skin", "skin", "skin"]
    nose_depth = surface.depth[lines[2], columns[2]]
    assert nose_depth <= surface.depth[lines[0] : lines[3], :].min() + 0.3


def test_turning_the_head_turns_the_picture(model):
    left, right = (np.asarray(render(model, plain_view(model, yaw=yaw)).image, float) for yaw in (-40.0, 40.0))
    assert np.abs(left - right).mean() > 5


def test_rasteriser_agrees_with_a_loop_over_pixels():
    rng, size = np.random.default_rng(3), 24
    vertices = np.column_stack([rng.uniform(-3, 27, (30, 2)), rng.uniform(10, 20, 30)]).astype(np.float32)
    triangles = rng.permutation(30).reshape(10, 3)
    hits = rasterise(vertices, triangles, size, np.ones(30, np.float32), np.zeros(10, bool))
    expected = np.full((size, size), np.inf)
    for (row, column), triangle in itertools.product(np.ndindex(size, size), triangles):
        corners = vertices[triangle].astype(float)
        system = np.column_stack([corners[:, 0], corners[:, 1], np.ones(3)]).T
        weights = np.linalg.solve(system, [column + 0.5, row + 0.5, 1.0])
        if (weights >= 0).all():
            expected[row, column] = min(expected[row, column], weights @ corners[:, 2])
    np.testing.assert_allclose(hits.depth, expected, atol=2e-3)


def test_nearest_point_wins():
    points = np.array([[3.5, 2.5, 9.0], [3.2, 2.9, 8.0], [1.0, 1.0, 5.0], [-1.0, 0.0, 1.0]], np.float32)
    behind = np.full((5, 5), np.inf, np.float32)
    behind[1, 1] = 4.0
    pixel, seen = splat(points, behind)
    assert pixel.tolist() == [2 * 5 + 3] and seen.tolist() == [1]


def test_folder_has_card_ledger_and_a_true_fingerprint(tmp_path):
    card = synthesize(SMALL, tmp_path / "drawn")
    assert card["rows"] == 3 and card["identities"] == 1
    assert (tmp_path / "drawn/ledger.csv").is_file()
    assert card["fingerprint"] == fingerprint(tmp_path / "drawn/data-00000.parquet")
    with pytest.raises(UserError, match="overwrite"):
        synthesize(SMALL, tmp_path / "drawn")


@pytest.mark.parametrize("words", ["--identities 0", "--size 31", "--images-per-pose none", "--seed -1", "--workers x"])
def test_options_that_draw_nothing_are_refused(capsys, words):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--out", "x", *words.split()])
    option, value = words.split()
    assert stopped.value.code == 2
    assert f"argument {option}: {value!r} is not a whole number of" in capsys.readouterr().err


def test_the_shipped_file_is_what_its_card_says():
    file, card = SHIPPED / "data-00000.parquet", json.loads((SHIPPED / "dataset.json").read_text())
    assert file.stat().st_size < 10_000_000
    rows = pq.read_table(file, columns=["row_id", "identity", "pose"]).to_pandas()
    assert len(rows) == card["rows"] and rows["identity"].nunique() == card["identities"]
    assert rows["pose"].value_counts().to_dict() == {k: n for k, n in card["rows_per_pose"].items() if n}
    assert card["fingerprint"] == fingerprint(file)


def fingerprint(file: Path) -> str:
    """SHA-256 over row ids and SHA-256 of image bytes, ordered by row id."""
    rows = sorted(pq.read_table(file, columns=["row_id", "image"]).to_pylist(), key=lambda row: row["row_id"])
    total = hashlib.sha256()
    for row in rows:
        total.update(row["row_id"].encode() + hashlib.sha256(row["image"]["bytes"]).digest())
    return total.hexdigest()
