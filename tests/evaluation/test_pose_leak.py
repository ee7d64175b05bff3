"""The pose-leak meter: against a loop, on embeddings that hold nothing but the pose, and on ones blind to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset

from sfpn.data.dataset import FaceDataset
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.evaluation.pose_leak import MOST_IMAGES, NEIGHBOURS, PoseLeak, measured_images, pose_leak
from sfpn.evaluation.report import Report
from sfpn.network.embedders import keeping_direction

POSES = ("frontal", "frontal", "frontal", "profile", "profile", "three_quarter")


def samples_of(pose_strength: float, people: int = 30, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    directions = np.eye(16)[:3] * pose_strength
    names = np.repeat([f"p{number}" for number in range(people)], len(POSES))
    poses = np.array(POSES * people)
    codes = np.unique(poses, return_inverse=True)[1]
    vectors = rng.normal(size=(people, 16))[np.repeat(np.arange(people), len(POSES))] + 0.3 * rng.normal(
        size=(len(names), 16)
    )
    return Samples.build([f"{n}/{i}" for i, n in enumerate(names)], names, poses, vectors + directions[codes])


def measured(samples: Samples) -> PoseLeak | None:
    return pose_leak(samples, measured_images(samples, 0), "none", Draws.of(samples.subject_count, 100))


def test_shares_are_those_of_a_loop():
    samples = samples_of(1.5)
    leak = measured(samples)
    same, chance = [], []
    for i in range(len(samples)):
        strangers = [j for j in range(len(samples)) if samples.subjects[j] != samples.subjects[i]]
        nearest = sorted(strangers, key=lambda j: -float(samples.embeddings[i] @ samples.embeddings[j]))[:NEIGHBOURS]
        same.append(np.mean([samples.poses[j] == samples.poses[i] for j in nearest]))
        chance.append(np.mean([samples.poses[j] == samples.poses[i] for j in strangers]))
    same, chance = np.array(same), np.array(chance)
    for name, of in {"all": samples.poses != "", **{p: samples.poses == p for p in set(POSES)}}.items():
        share = leak.shares[name]
        assert (share.images, share.same_pose, share.chance) == (
            of.sum(),
            pytest.approx(same[of].mean()),
            pytest.approx(chance[of].mean()),
        )
        assert share.low <= share.same_pose <= share.high


def test_pure_pose_leaks_all_and_blind_embeddings_nothing():
    assert measured(samples_of(50)).shares["all"].same_pose == 1
    blind = measured(samples_of(0, people=100)).shares["all"]
    assert blind.low < blind.chance < blind.high


def test_without_poses_or_strangers_there_is_no_number():
    samples = samples_of(1)
    assert measured(replace(samples, poses=np.full(len(samples), "frontal"))) is None
    assert measured(samples_of(1, people=2)) is None
    assert measured(replace(samples, poses=np.full(len(samples), ""))) is None


def test_many_images_are_whole_people_and_failures_are_left_out():
    samples = samples_of(1, people=1000)
    chosen = measured_images(samples, 0)
    assert MOST_IMAGES - len(POSES) < len(chosen) <= MOST_IMAGES
    assert set(np.bincount(samples.subjects[chosen], minlength=1000)) == {0, len(POSES)}
    lost = replace(samples, acquired=np.arange(len(samples)) % 2 == 0)
    assert lost.acquired[measured_images(lost, 0)].all()


class WithDirection(ColourEmbedder):
    """Removes what its card's pose direction says, as the embedders of the library do."""

    def embed(self, crops):
        values = super().embed(crops)
        if self.card.pose_direction is None:
            return values
        direction = np.array(self.card.pose_direction, np.float32)
        return values - np.outer(values @ direction, direction)


def test_a_direction_is_measured_kept_and_removed(tmp_path):
    dataset = FaceDataset.open(write_dataset(tmp_path / "data"))
    plain, embedder = ColourEmbedder(), WithDirection()
    assert keeping_direction(plain) is None
    embedder.card = replace(embedder.card, pose_direction=tuple(np.full(12, 12**-0.5)))
    keeping = keeping_direction(embedder)
    assert keeping.card.pose_direction is None and embedder.card.pose_direction is not None
    config, cache = EvaluateConfig("all-pairs", rounds=5), tmp_path / "cache" / "e.parquet"
    report = evaluate(dataset, embedder, config, cache, keeping=keeping)
    removed, kept = report.pose_leak
    assert (removed.direction, kept.direction) == ("removed", "kept")
    (alone,) = evaluate(dataset, plain, config).pose_leak
    assert alone.direction == "none" and alone.shares == kept.shares != removed.shares
    report.save(tmp_path / "report")
    assert Report.load(tmp_path / "report").pose_leak == report.pose_leak
    seen = embedder.seen, keeping.seen
    evaluate(dataset, embedder, config, cache, keeping=keeping)  # both are cached
    assert (embedder.seen, keeping.seen) == seen
