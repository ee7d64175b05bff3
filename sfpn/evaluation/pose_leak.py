"""Pose leak: how much of a person's nearest strangers merely share the pose.

For each image with a pose and a found face, its NEIGHBOURS nearest impostors are looked up by cosine, among all images
of other people. Were the embedding blind to pose, as many of them would share the image's pose as of all those images.
What exceeds that is pose that the embedding kept, and where false matches come from first.

A card may hold a *pose direction* (sfpn.evaluation.calibrate.pose_direction), which its embedder removes: then the leak
is measured both with the direction removed, as the model is used, and kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.cells import CONFIDENCE
from sfpn.evaluation.comparisons import BLOCK_SCORES, Samples

NEIGHBOURS = 10
MOST_IMAGES = 2000  # of whole people, drawn at random: the number depends on how many strangers there are
DIRECTIONS = ("none", "removed", "kept")
ALL = "all"  # images of every pose


@dataclass(frozen=True, kw_only=True)
class LeakShare:
    """Of the nearest impostors of `images` images, the share (0-1) of the same pose, with its 95 % interval.

    `chance` is the share of all impostors that have the pose.
    """

    images: int
    same_pose: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True, kw_only=True)
class PoseLeak:
    """The leak of one model: by pose, and of all images. `direction`: the model has none, or it was removed or kept."""

    direction: str
    neighbours: int
    images: int
    subjects: int
    shares: dict[str, LeakShare]

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS or ALL not in self.shares:
            raise ValueError(f"no pose leak: direction {self.direction!r}, shares of {', '.join(self.shares)}")


def measured_images(samples: Samples, seed: int) -> np.ndarray:
    """Ascending positions of the images that are measured: posed and found, of whole people, at most MOST_IMAGES."""
    posed = np.flatnonzero((samples.poses != "") & samples.acquired)
    images = np.bincount(samples.subjects[posed], minlength=samples.subject_count)
    order = np.random.default_rng(seed).permutation(samples.subject_count)
    chosen = order[np.cumsum(images[order]) <= MOST_IMAGES]
    return posed[np.isin(samples.subjects[posed], chosen)]


def pose_leak(samples: Samples, positions: np.ndarray, direction: str, draws: Draws) -> PoseLeak | None:
    """The leak over the images at these positions; None where they have fewer than two poses or too few strangers."""
    poses, subjects = samples.poses[positions], samples.subjects[positions]
    strangers = len(positions) - np.bincount(subjects, minlength=samples.subject_count)[subjects]
    if len(np.unique(poses)) < 2 or strangers.min() < NEIGHBOURS:
        return None
    same, chance = _same_pose(samples.embeddings[positions], poses, subjects)
    groups = {ALL: np.ones(len(poses), bool)} | {str(pose): poses == pose for pose in np.unique(poses)}
    return PoseLeak(
        direction=direction,
        neighbours=NEIGHBOURS,
        images=len(positions),
        subjects=len(np.unique(subjects)),
        shares={name: _share(same[of], chance[of], subjects[of], draws) for name, of in groups.items()},
    )


def _same_pose(embeddings: np.ndarray, poses: np.ndarray, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) share of the nearest strangers that have an image's pose, and the share of all strangers that have it."""
    nearest, all_of_them = np.empty(len(poses)), np.empty(len(poses))
    rows = max(1, BLOCK_SCORES // len(poses))
    for start in range(0, len(poses), rows):
        part = slice(start, start + rows)
        stranger = subjects[part, None] != subjects[None, :]
        scores = np.where(stranger, embeddings[part] @ embeddings.T, -np.inf)
        closest = np.argpartition(-scores, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        same = poses[part, None] == poses[None, :]
        nearest[part] = np.take_along_axis(same, closest, axis=1).mean(axis=1)
        all_of_them[part] = (same & stranger).sum(axis=1) / stranger.sum(axis=1)
    return nearest, all_of_them


def _share(same: np.ndarray, chance: np.ndarray, subjects: np.ndarray, draws: Draws) -> LeakShare:
    weights = draws.weights[:, subjects].astype(np.float64)
    drawn = weights.sum(axis=1)
    rounds = (weights @ same)[drawn > 0] / drawn[drawn > 0]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(rounds, [tail, 1 - tail]) if len(rounds) else (same.mean(), same.mean())
    return LeakShare(
        images=len(same),
        same_pose=float(same.mean()),
        low=float(low),
        high=float(high),
        chance=float(chance.mean()),
    )
