"""Protocol decisions on drawn pictures: every decision again, one pair at a time, by the rule that Verify applies."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset

from sfpn.__main__ import main
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation import surface
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.calibrate import estimated_yaws
from sfpn.evaluation.comparisons import by_pose_pair
from sfpn.evaluation.posed_scores import PosedScores, couples_of
from sfpn.evaluation.protocol import YAW_BANDS
from sfpn.schema import POSE_PAIRS, OperatingPoint, pair_key, pose_from_yaw, pose_pair
from sfpn.verification import realised
from sfpn.verification.decision import rule_for_fmr
from sfpn.verification.realised import DecisionsConfig, decide_all
from sfpn.verification.realised_rates import Counted
from sfpn.verification.verifier import Shot

TARGETS = (0.1, 0.01)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> FaceDataset:
    return FaceDataset.open(write_dataset(tmp_path_factory.mktemp("data") / "drawn"))


@pytest.fixture(autouse=True)
def drawn_detector(monkeypatch):
    monkeypatch.setattr(realised, "detector_name", lambda: "drawn")


def with_points(with_surface: bool) -> ColourEmbedder:
    """An embedder whose thresholds rise with the pose pair, or with the yaws."""
    embedder = ColourEmbedder()
    points = {
        pair_key(pair): tuple(
            OperatingPoint(
                target_fmr=target,
                threshold=0.8 + 0.02 * number - 0.1 * target,
                impostor=900,
                genuine=90,
                fmr=target,
                fnmr=0.1,
                false_matches=9,
                false_non_matches=9,
            )
            for target in TARGETS
        )
        for number, pair in enumerate(POSE_PAIRS)
    }
    made = None
    if with_surface:
        rng = np.random.default_rng(2)
        yaws = np.sort(rng.uniform(0, 90, (40_000, 2)), axis=1).astype(np.float32)
        scores = (0.6 + 0.003 * yaws[:, 1] + rng.normal(0, 0.1, 40_000)).astype(np.float32)
        same, couples = rng.random(40_000) < 0.1, couples_of(rng.integers(0, 300, (40_000, 2)))
        drawn = PosedScores(scores, yaws, same, np.zeros(40_000, np.int8), *couples)
        made = surface.measured(surface.set_surface(drawn, "a", [300]), drawn, "b")
        points = {}
    embedder.card = replace(embedder.card, operating_points=points, surface=made)
    return embedder


def slow(dataset: FaceDataset, embedder: ColourEmbedder, target: float) -> dict:
    """(given pose pair, band) -> counts, by a loop over pairs."""
    units, rows = {}, dataset.rows().set_index("row_id")
    for picture in dataset.pictures(set(rows.index)):
        value = embedder.embed([embedder.preprocess.crop(picture.decode(), picture.face)])[0].astype(float)
        units[picture.row_id] = value / np.linalg.norm(value)
    counts: dict = {}
    for a, b in itertools.combinations(rows.index, 2):
        one, other = rows.loc[a], rows.loc[b]
        if one.box_xyxy is None or other.box_xyxy is None:
            continue
        pair = pose_pair(pose_from_yaw(one.yaw_degrees), pose_from_yaw(other.yaw_degrees))
        rule = rule_for_fmr(embedder.card, pair, target, (one.yaw_degrees, other.yaw_degrees))
        match = units[a] @ units[b] >= rule.point.threshold
        apart = abs(one.yaw_degrees - other.yaw_degrees)
        band = next(band for band in YAW_BANDS if band[0] <= apart < band[1])
        for key in ((pair_key(pose_pair(one.pose, other.pose)), where) for where in (None, band)):
            genuine, missed, impostor, matched = counts.get(key, (0, 0, 0, 0))
            if one.identity == other.identity:
                counts[key] = genuine + 1, missed + (not match), impostor, matched
            else:
                counts[key] = genuine, missed, impostor + 1, matched + match
    return counts


@pytest.mark.parametrize("with_surface", [False, True])
def test_counts_equal_a_loop_over_pairs(dataset, with_surface):
    embedder = with_points(with_surface)
    header, found = decide_all(dataset, embedder, DecisionsConfig(rounds=5))
    assert header["rule"] == ("surface" if with_surface else "pose pairs") and header["failures"] == 3
    targets = sorted({each.target_fmr for each in found})
    for target in targets:
        counts = {
            (each.pose_pair, each.yaw_band): (
                each.genuine,
                each.false_non_matches,
                each.impostor,
                each.false_matches,
            )
            for each in found
            if each.target_fmr == target
        }
        assert counts == slow(dataset, embedder, target)
    whole = next(each for each in found if each.yaw_band is None and each.pose_pair == "frontal-frontal")
    assert whole.failures == 3 and whole.images == 24 and whole.frr > whole.fnmr
    assert whole.fnmr_low <= whole.fnmr <= whole.fnmr_high and whole.fmr_low <= whole.fmr <= whole.fmr_high


def test_intervals_are_those_of_redrawn_subjects(dataset):
    """The weighted rates of each round equal those of the drawn subjects counted pair by pair."""
    embedder = with_points(False)
    samples_of = {}

    def spy(samples, *given):
        samples_of["samples"] = samples
        return original(samples, *given)

    original = realised.realised_rates
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realised, "realised_rates", spy)
        decide_all(dataset, embedder, DecisionsConfig(rounds=4))
    samples = samples_of["samples"]
    draws = Draws.of(samples.subject_count, 4, 0)
    pair, compared = next(item for item in by_pose_pair(samples) if item[0] == ("frontal", "profile"))
    counted = Counted(samples, embedder.card, pair, draws)
    for block in compared.blocks(samples):
        counted.add(block)
    threshold = embedder.card.operating_points["frontal-profile"][0].threshold
    for number, weights in enumerate(draws.weights):
        total = wrong = 0.0
        for i, j in itertools.product(compared.first, compared.second):
            if samples.subjects[i] == samples.subjects[j] or not (samples.acquired[i] and samples.acquired[j]):
                continue
            weight = weights[samples.subjects[i]] * weights[samples.subjects[j]]
            total += weight
            wrong += weight * (float(samples.embeddings[i] @ samples.embeddings[j]) >= threshold)
        assert counted.rounds[0, :2, 0, number] == pytest.approx([total, wrong])


@pytest.mark.parametrize(
    "rates, share",
    [
        ([0.02, 0.02, 0.02, 0.02], 0.0),
        ([0.0, 0.04, 0.02, 0.02], 0.5),  # the mean is 0.02: 0 and 0.04 are outside 0.01 to 0.03
        ([0.0, 0.0, 0.0, 0.08], 1.0),
        ([0.0, 0.0, 0.0, 0.0], None),
    ],
)
def test_chance_outside_is_how_often_redrawn_people_stray_from_the_mean(dataset, rates, share):
    samples = realised.make_samples(dataset.rows(), realised.embed_dataset(dataset, with_points(False)))
    counted = Counted(samples, with_points(False).card, ("frontal", "profile"), Draws.of(4, 4, 0))
    counted.rounds[0, 0, 0], counted.rounds[0, 1, 0] = 1, rates
    assert counted._chance_outside(1, 0) == share


def test_faces_of_another_detector_are_refused_and_found_again_on_request(dataset, monkeypatch):
    monkeypatch.setattr(realised, "detector_name", lambda: "other")
    with pytest.raises(UserError, match="found by drawn, a visitor's are by other: add --redetect"):
        decide_all(dataset, with_points(True), DecisionsConfig())
    faces = {picture.row_id: picture.face for picture in dataset.pictures(set(dataset.rows().row_id))}

    def found_again(detector, photo, chosen=None):
        if faces[photo.name] is None:
            raise UserError("no face")
        return Shot(photo, (faces[photo.name],), 0)

    monkeypatch.setattr(realised, "look", found_again)
    header, found = decide_all(dataset, with_points(True), DecisionsConfig(rounds=2, redetect=True), detector=object())
    assert header["faces"] == "found again by other" and header["failures"] == 3
    assert sum(each.genuine for each in found if each.yaw_band is None and each.target_fmr == 0.01) > 0


def test_a_given_yaw_is_not_what_a_visitor_gets(dataset):
    rows = dataset.rows()
    yaws = estimated_yaws(dataset, rows.assign(yaw_source="given", yaw_degrees=777.0))
    assert (np.isnan(yaws) == rows["box_xyxy"].isna()).all() and np.nanmax(np.abs(yaws)) <= 90
    known = rows["yaw_degrees"].to_numpy(float)
    np.testing.assert_array_equal(estimated_yaws(dataset, rows), known)  # estimates are taken as they are stored


def test_the_command_prints_one_object_per_pair_target_and_band(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sfpn.commands.evaluate.load_embedder", lambda name, **_: with_points(True))
    words = ["evaluate", str(dataset.folder), "--protocol", "decisions", "--folds", "1,2", "--rounds", "3"]
    assert main([*words, "--json", "--out", str(tmp_path / "report")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = {"pose_pair", "target_fmr", "yaw_band", "fmr", "fmr_low", "fmr_high", "fnmr", "fnmr_low", "fnmr_high"}
    assert all(wanted | {"genuine", "impostor", "failures"} <= line.keys() for line in lines)
    assert ["frontal", "profile"] in [line["pose_pair"] for line in lines if line["yaw_band"] is None]
    kept = json.loads((tmp_path / "report/decisions.json").read_text())
    assert kept["header"]["subjects"] == 4 and len(kept["decisions"]) == len(lines)
    assert main(words) == 0
    table = capsys.readouterr().out
    assert "target %" in table
    within = [each for each in kept["decisions"] if not each["too_few"]]
    stray = [each for each in within if not 0.5 <= each["fmr"] / each["target_fmr"] <= 1.5]
    pairs, bands = (sum((each["yaw_band"] is None) == whole for each in stray) for whole in (True, False))
    assert f"outside 0.5 to 1.5 times the target: {pairs} of " in table and f", {bands} of " in table
    assert main(["evaluate", str(dataset.folder), "--redetect"]) == 2
    assert "--redetect is for" in capsys.readouterr().err
