"""Templates drawn at random: what several photos a side are worth, also of several poses.

A *mix* says how many images of each pose a side has, e.g. five frontal ones, or one frontal and one profile. For every
two mixes that the data allow, each subject gets in every draw one template of either mix, with no image in common; all
templates of one mix are compared with all of the other. A draw is one choice of images for all subjects: its genuine
comparisons are as many as there are subjects, its impostor ones as many as ordered pairs of them. Draws repeat people,
so intervals come from the bootstrap over subjects as everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sfpn.evaluation.cells import Mix, Sides, mix_words
from sfpn.evaluation.comparisons import AllPairs, Block, Samples, directions
from sfpn.schema import POSES

DRAWS = 20
MAX_COMPARISONS = 4_000_000  # of a cell; with many subjects there are fewer draws, at least one
SIZES = (1, 2, 5)  # images of a mix of one pose; the last one is as many as there are, where there are fewer
MIXED_SIZES = (1, 2)  # images of each pose of a mix of several
PRESENT = 0.95  # share of the subjects that must have the images of a mix; the others are left out of its cells


@dataclass(frozen=True)
class Drawn:
    """The templates of two mixes, draw by draw, as comparisons: each of one mix with each of the other.

    `draws` are pairs of disjoint positions in the samples, one position per subject and mix.
    """

    draws: tuple[AllPairs, ...]

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return sum(draw.size for draw in self.draws)

    @property
    def members(self) -> np.ndarray:
        """Positions of the templates that are compared."""
        return np.unique(np.concatenate([draw.members for draw in self.draws]))

    def blocks(self, samples: Samples) -> Iterator[Block]:
        """All scores, draw by draw."""
        for draw in self.draws:
            yield from draw.blocks(samples)


def mixes_of(samples: Samples) -> list[Mix]:
    """The mixes that at least PRESENT of the subjects have images for, those of one pose first.

    Of each pose SIZES images, and of two and three poses MIXED_SIZES images each.
    """
    counts = _counts(samples)
    found = []
    for number, pose in enumerate(POSES):
        most = int(np.quantile(counts[:, number], 1 - PRESENT, method="lower"))
        found += [((pose, size),) for size in sorted({min(size, most) for size in SIZES} - {0})]
    for poses in (*itertools.combinations(POSES, 2), POSES):
        mixed = (tuple((pose, size) for pose in poses) for size in MIXED_SIZES)
        found += [mix for mix in mixed if _able(counts, mix).mean() >= PRESENT]
    return found


def sides_of(samples: Samples) -> list[Sides]:
    """Every two mixes that can be drawn without a common image from at least PRESENT of the subjects."""
    counts = _counts(samples)
    return [
        (one, other)
        for one, other in itertools.combinations_with_replacement(mixes_of(samples), 2)
        if _able(counts, one, other).mean() >= PRESENT
    ]


def draw_templates(samples: Samples, sides: Sides, seed: int = 0) -> tuple[Samples, Drawn]:
    """The templates of two mixes over all draws, and how they are compared. The same seed draws the same images.

    The template's name is its images, joined by a space; its `row_id` is the first of them. Images without a found face
    are left out of its mean, unless it has no other: it then counts as a failure to acquire.
    """
    able = np.flatnonzero(_able(_counts(samples), *sides))
    draws = max(1, min(DRAWS, MAX_COMPARISONS // max(1, len(able) ** 2)))
    generator = np.random.default_rng([seed, *(size for mix in sides for _, size in mix)])
    positions = {
        pose: {subject: found for subject, found in _by_subject(samples, pose, able)}
        for pose in dict(itertools.chain(*sides))
    }
    drawn = [_draw(generator, positions, able, sides) for _ in range(draws)]
    groups = [images for number in (0, 1) for draw in drawn for images in draw[number]]
    many = len(able)
    half = draws * many
    pairs = tuple(
        AllPairs(np.arange(k * many, (k + 1) * many), np.arange(half + k * many, half + (k + 1) * many))
        for k in range(draws)
    )
    return _mean_samples(samples, groups, sides), Drawn(pairs)


def _draw(
    generator: np.random.Generator, positions: dict[str, dict[int, np.ndarray]], able: np.ndarray, sides: Sides
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Per side and subject the positions of a template's images, by pose."""
    wanted = [dict(mix) for mix in sides]
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for subject in able.tolist():
        parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for pose, by_subject in positions.items():
            shuffled = generator.permutation(by_subject[subject])
            first, second = (mix.get(pose, 0) for mix in wanted)
            parts[0].append(shuffled[:first])
            parts[1].append(shuffled[first : first + second])
        for side, part in zip(found, parts, strict=True):
            side.append(np.concatenate(part))
    return found


def _mean_samples(samples: Samples, groups: list[np.ndarray], sides: Sides) -> Samples:
    """One sample per group of images."""
    lengths = np.array([len(group) for group in groups])
    images, starts = np.concatenate(groups), np.cumsum(lengths) - lengths
    found = samples.acquired[images]
    acquired = np.logical_or.reduceat(found, starts)
    weights = (found | ~np.repeat(acquired, lengths)).astype(np.float32)
    means = np.add.reduceat(samples.embeddings[images] * weights[:, None], starts)
    first = images[starts]
    poses = [mix_words(mix) for mix in sides]
    return replace(
        samples,
        row_ids=samples.row_ids[first],
        subjects=samples.subjects[first],
        poses=np.repeat(poses, len(groups) // 2),
        embeddings=directions(means),
        yaw_degrees=np.full(len(groups), np.nan, np.float32),
        acquired=acquired,
        templates=np.array([" ".join(samples.row_ids[group]) for group in groups]),
    )


def _counts(samples: Samples) -> np.ndarray:
    """(subjects, poses) images; only subjects that have an image with a pose."""
    table = np.zeros((samples.subject_count, len(POSES)), int)
    for number, pose in enumerate(POSES):
        np.add.at(table[:, number], samples.subjects[samples.of_pose(pose)], 1)
    return table


def _able(counts: np.ndarray, *mixes: Mix) -> np.ndarray:
    """(subjects,) whether a subject has the images for all these mixes at once."""
    wanted = np.zeros(len(POSES), int)
    for pose, size in itertools.chain(*mixes):
        wanted[POSES.index(pose)] += size
    return np.all(counts >= wanted, axis=1)


def _by_subject(samples: Samples, pose: str, subjects: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    positions = samples.of_pose(pose)
    of = samples.subjects[positions]
    for subject in subjects.tolist():
        yield subject, positions[np.searchsorted(of, subject) : np.searchsorted(of, subject, side="right")]
