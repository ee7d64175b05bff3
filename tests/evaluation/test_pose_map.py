"""The error map over yaw and pitch: every number again by a loop over pairs, and its way through a report folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.paths import ROOT

from sfpn.errors import UserError
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.measure_map import (
    ENOUGH_GENUINE,
    LEVEL_BELOW_DEGREES,
    PAIRS_KEPT,
    PITCH_EDGES,
    YAW_EDGES,
    measure_map,
)
from sfpn.evaluation.pose_map import PoseMap
from sfpn.evaluation.report import MAP_TABLES, Report
from sfpn.schema import FRONTAL_BELOW_DEGREES

PEOPLE, IMAGES = 12, 24
COMMITTED = ROOT / "demo" / "assets" / "reports" / "cfp-base"


def people(failures: bool = True) -> tuple[Samples, np.ndarray]:
    """12 people of 24 images: a person's direction, drowned the more the further the head is turned, with its pitch."""
    rng = np.random.default_rng(5)
    count = PEOPLE * IMAGES
    yaw = rng.choice([-90.0, -44, -3, 3, 44, np.nan], count)
    pitch = rng.choice([-31.0, -8, 0, 8, 31, 70, np.nan], count, p=[0.2, 0.1, 0.22, 0.22, 0.2, 0.03, 0.03])
    identity = np.arange(count) % PEOPLE
    turned = np.nan_to_num(np.abs(yaw)) + np.nan_to_num(np.abs(pitch))
    centres = rng.normal(size=(PEOPLE, 24))
    values = centres[identity] + rng.normal(size=(count, 24)) * (1.2 + turned / 60)[:, None]
    names = [f"{number:03d}" for number in range(count)]
    acquired = rng.random(count) > 0.07 if failures else None
    samples = Samples.build(names, [f"p{i}" for i in identity], ["frontal"] * count, values, yaw, acquired)
    return samples, pd.Series(pitch, index=names).loc[samples.row_ids].to_numpy()


@pytest.fixture(scope="module")
def material():
    samples, pitch = people()
    return samples, pitch, Draws.of(samples.subject_count, 20, 1)


@pytest.fixture(scope="module")
def found(material) -> PoseMap:
    made = measure_map(*material)
    assert made is not None
    return made


def slow_pairs(samples: Samples, pitch: np.ndarray, column: int, row: int) -> list[tuple[int, int]]:
    """Unordered pairs of an image in the cell and a near frontal, level one, one at a time."""
    yaw, found = samples.yaw_degrees, set()
    inside = [
        YAW_EDGES[column] <= y < YAW_EDGES[column + 1] and PITCH_EDGES[row] <= p < PITCH_EDGES[row + 1]
        for y, p in zip(yaw, pitch, strict=True)
    ]
    for i in range(len(samples)):
        for j in range(len(samples)):
            level = abs(yaw[j]) < FRONTAL_BELOW_DEGREES and abs(pitch[j]) < LEVEL_BELOW_DEGREES
            if i != j and inside[i] and level:
                found.add((min(i, j), max(i, j)))
    return sorted(found)


def slow_line(samples, pairs, threshold, treatment, weights=None) -> dict[str, float]:
    """Counts of errors, each weighted by the draws of its subjects."""
    sums = dict.fromkeys(("genuine", "impostor", "false_non_matches", "false_matches"), 0.0)
    for i, j in pairs:
        found = samples.acquired[i] and samples.acquired[j]
        if treatment == "skip" and not found:
            continue
        match = np.float32(samples.embeddings[i] @ samples.embeddings[j]) >= threshold
        match = match and (found or treatment != "reject")
        a, b = samples.subjects[i], samples.subjects[j]
        if a == b:
            weight = 1 if weights is None else weights[a]
            sums["genuine"] += weight
            sums["false_non_matches"] += weight * (not match)
        else:
            weight = 1 if weights is None else weights[a] * weights[b]
            sums["impostor"] += weight
            sums["false_matches"] += weight * match
    return sums


@pytest.mark.parametrize("treatment", ["whole_image", "skip", "reject"])
@pytest.mark.parametrize("target", [None, 0.01])
def test_counts_rates_and_intervals_equal_a_loop(material, found, treatment, target):
    samples, pitch, draws = material
    point, lines = found.point(target, treatment), found.at(target, treatment)
    assert point.supported and len(lines) > 12
    stated = 0
    for line in lines.to_dict("records"):
        pairs = slow_pairs(samples, pitch, line["column"], line["row"])
        slow = slow_line(samples, pairs, point.threshold, treatment)
        assert {name: line[name] for name in slow} == slow
        for name, errors, total in (("fnmr", "false_non_matches", "genuine"), ("fmr", "false_matches", "impostor")):
            if np.isnan(line[name]):
                assert slow[total] < (ENOUGH_GENUINE if name == "fnmr" else 3 / (target or 0.01))
                continue
            stated += 1
            assert line[name] == pytest.approx(slow[errors] / slow[total])
    assert stated > 8
    unsure = lines.loc[lines["fnmr"].between(0.01, 0.99) & (lines["false_matches"] > 0)]
    line = unsure.sort_values("impostor").iloc[0]  # the bootstrap of one cell, round by round
    pairs = slow_pairs(samples, pitch, line["column"], line["row"])
    rounds = [slow_line(samples, pairs, point.threshold, treatment, weights) for weights in draws.weights]
    fnmr = [each["false_non_matches"] / each["genuine"] for each in rounds]
    assert [line["fnmr_low"], line["fnmr_high"]] == pytest.approx(np.quantile(fnmr, [0.025, 0.975]), rel=1e-5)
    fmr = [each["false_matches"] / each["impostor"] for each in rounds]
    assert [line["fmr_low"], line["fmr_high"]] == pytest.approx(np.quantile(fmr, [0.025, 0.975]), rel=1e-5)


def test_a_threshold_keeps_its_promise_over_the_whole_map(material, found):
    samples, pitch, _ = material
    cells = found.at(0.01)
    pairs = {pair for _, c in cells.iterrows() for pair in slow_pairs(samples, pitch, c["column"], c["row"])}
    point = found.point(0.01)
    slow = slow_line(samples, sorted(pairs), point.threshold, "whole_image")
    assert (point.genuine, point.impostor) == (slow["genuine"], slow["impostor"])
    assert point.false_matches == slow["false_matches"] and point.fmr <= 0.01
    assert not found.point(0.0001).supported and found.at(0.0001)["fmr"].isna().all()


def test_every_image_is_in_one_cell_or_counted(material, found):
    samples, pitch, _ = material
    unknown = np.isnan(samples.yaw_degrees) | np.isnan(pitch)
    assert found.left_out == {
        "images without a yaw or a pitch": unknown.sum(),
        "images turned beyond the map": (~unknown & (pitch == 70)).sum(),
    }
    assert found.at()["images"].sum() == found.images == len(samples) - sum(found.left_out.values())
    posed = ~unknown & (pitch != 70)
    assert found.at()["failures"].sum() == (~samples.acquired[posed]).sum()


def test_hardest_pairs_of_a_cell(material, found):
    samples, pitch, _ = material
    position = {row_id: number for number, row_id in enumerate(samples.row_ids)}
    line = found.at().sort_values("genuine").iloc[-1]
    pairs = slow_pairs(samples, pitch, line["column"], line["row"])
    scores = {pair: float(samples.embeddings[pair[0]] @ samples.embeddings[pair[1]]) for pair in pairs}
    for kind, sign in (("genuine", 1), ("impostor", -1)):
        wanted = [s for (i, j), s in scores.items() if (samples.subjects[i] == samples.subjects[j]) == (sign > 0)]
        table = found.hardest(line["column"], line["row"], kind)
        assert table["score"].to_numpy() == pytest.approx(sorted(wanted, key=lambda s: sign * s)[:PAIRS_KEPT], abs=1e-6)
        for a, b, score in table[["row_id_a", "row_id_b", "score"]].to_numpy():
            assert scores[tuple(sorted((position[a], position[b])))] == pytest.approx(score, abs=1e-6)
            assert YAW_EDGES[line["column"]] <= samples.yaw_degrees[position[a]] < YAW_EDGES[line["column"] + 1]
            assert abs(samples.yaw_degrees[position[b]]) < FRONTAL_BELOW_DEGREES
    assert found.hardest(0, 0, "genuine").empty


def test_there_is_no_map_without_pitch_or_without_frontal_images(material):
    samples, pitch, draws = material
    assert measure_map(samples, np.full(len(samples), np.nan), draws) is None
    assert measure_map(samples, np.where(np.abs(pitch) < LEVEL_BELOW_DEGREES, np.nan, pitch), draws) is None


def test_without_failures_one_treatment_stands_for_all():
    samples, pitch = people(failures=False)
    made = measure_map(samples, pitch, Draws.of(samples.subject_count, 2))
    assert set(made.points) == {"whole_image"} and made.at(None, "reject").equals(made.at())


@pytest.fixture
def folder(tmp_path, found) -> Path:
    old = Report.load(COMMITTED)
    Report(old.header, old.cells, found).save(tmp_path / "report")
    return tmp_path / "report"


def test_a_report_keeps_its_map(folder, found):
    kept = Report.load(folder).pose_map
    assert kept == found
    pd.testing.assert_frame_equal(kept.rates, found.rates)
    pd.testing.assert_frame_equal(kept.pairs, found.pairs)


def test_a_report_without_a_map_opens(tmp_path):
    old = Path(shutil.copytree(COMMITTED, tmp_path / "old"))
    content = json.loads((old / "report.json").read_text())
    content.pop("pose_map", None)
    (old / "report.json").write_text(json.dumps(content))
    for name in MAP_TABLES:
        (old / f"{name}.parquet").unlink(missing_ok=True)
    report = Report.load(old)
    assert report.pose_map is None
    report.save(tmp_path / "again")
    assert Report.load(tmp_path / "again").pose_map is None


@pytest.mark.parametrize("name", MAP_TABLES)
def test_a_damaged_map_is_refused(folder, name):
    file = folder / f"{name}.parquet"
    table = pd.read_parquet(file)
    for column in table:
        table.drop(columns=column).to_parquet(file)
        with pytest.raises(UserError, match=f"{column}.*evaluate again"):
            Report.load(folder)
    for wrong in (99, -1, "left"):
        table.assign(column=wrong).to_parquet(file)
        with pytest.raises(UserError, match="no column of that number"):
            Report.load(folder)
    file.unlink()
    with pytest.raises(UserError, match="evaluate again"):
        Report.load(folder)


@pytest.mark.parametrize(
    "field, value",
    [("yaw_edges", [1]), ("yaw_edges", [3, 1]), ("references", "many"), ("points", {}), ("surprise", 1)],
)
def test_a_map_that_is_none_is_refused(folder, field, value):
    content = json.loads((folder / "report.json").read_text())
    content["pose_map"][field] = value
    (folder / "report.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="damaged"):
        Report.load(folder)
