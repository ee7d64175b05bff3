"""How near each image is to its own identity and to the nearest other one, in bounded memory.

Near = the mean of the four best normalised scores (see norm.py): of many photos of a person, four that fit are enough,
and one that fits by chance is not. Pictures that are there twice testify once, and not for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sfpn.evaluation.checks.norm import PosePairNorm
from sfpn.evaluation.comparisons import Samples

BEST = 4
BLOCK_SCORES = 1 << 22  # held at once: 16 MB, as often as there are steps
NOTHING = -np.inf  # the nearness to an identity without another image


@dataclass(frozen=True)
class Nearness:
    """Of N samples: nearness to the own identity and the nearest other, and which that is (-1: there is no other)."""

    own: np.ndarray  # (N,) NOTHING where the own identity has no other image
    other: np.ndarray
    other_subject: np.ndarray


@dataclass(frozen=True)
class _SameSize:
    """Identities with as many images: `columns` (G * size,) in the order of the identities `subjects` (G,)."""

    columns: np.ndarray
    subjects: np.ndarray
    size: int


def nearness(
    samples: Samples, norm: PosePairNorm, twins: np.ndarray, progress: Callable[[int, int], None] | None = None
) -> Nearness:
    """`twins` (N,): a number per picture; samples of one number are the same picture (see duplicates.py)."""
    references = _representatives(samples, twins)
    sizes = _by_size(samples, references)
    columns = np.concatenate([part.columns for part in sizes])
    embeddings, of_column = samples.embeddings[columns], _positions(twins[columns])
    count = len(samples)
    found = Nearness(np.full(count, NOTHING), np.full(count, NOTHING), np.full(count, -1))
    done = 0
    for rows in _blocks_of_one_pose(norm.codes, max(1, BLOCK_SCORES // len(columns))):
        scores = norm.normalised(samples.embeddings[rows] @ embeddings.T, int(norm.codes[rows[0]]), columns)
        for row, twin in enumerate(twins[rows]):
            scores[row, of_column.get(twin, [])] = NOTHING
        _fill(found, samples, rows, scores, sizes)
        done += len(rows)
        if progress:
            progress(done, count)
    return found


def mean_of_best(scores: np.ndarray, best: int = BEST) -> np.ndarray:
    """Mean of the `best` highest of (..., n) that are not NOTHING; NOTHING where all are."""
    if scores.shape[-1] > best:
        scores = -np.partition(-scores, best - 1, axis=-1)[..., :best]
    there = scores > NOTHING
    count = there.sum(-1)
    total = np.where(there, scores, 0).sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), NOTHING)


def _fill(found: Nearness, samples: Samples, rows: np.ndarray, scores: np.ndarray, sizes: list[_SameSize]) -> None:
    """The nearness of some rows from their scores (n, all columns)."""
    each = np.arange(len(rows))
    start = 0
    for part in sizes:
        stop = start + len(part.columns)
        means = mean_of_best(scores[:, start:stop].reshape(len(rows), len(part.subjects), part.size))
        start = stop
        own = part.subjects[None, :] == samples.subjects[rows][:, None]
        has_own = own.any(axis=1)
        found.own[rows[has_own]] = means[own]
        means[own] = NOTHING
        best = means.argmax(axis=1)
        better = means[each, best] > found.other[rows]
        found.other[rows[better]] = means[each, best][better]
        found.other_subject[rows[better]] = part.subjects[best][better]


def _representatives(samples: Samples, twins: np.ndarray) -> np.ndarray:
    """Positions of the samples that testify for their identity, ascending.

    Not those whose picture it has already, nor, where it has others, those in which no face was found.
    """
    found = np.unique(samples.subjects[samples.acquired])
    usable = np.flatnonzero(samples.acquired | ~np.isin(samples.subjects, found))
    _, first = np.unique(np.stack([samples.subjects, twins])[:, usable], axis=1, return_index=True)
    return np.sort(usable[first])


def _by_size(samples: Samples, references: np.ndarray) -> list[_SameSize]:
    """The references by the number of images of their identity."""
    subjects = samples.subjects[references]  # ascending, as the samples are
    names, starts, counts = np.unique(subjects, return_index=True, return_counts=True)
    parts = []
    for size in np.unique(counts):
        chosen = counts == size
        columns = references[(starts[chosen][:, None] + np.arange(size)).ravel()]
        parts.append(_SameSize(columns, names[chosen], int(size)))
    return parts


def _positions(numbers: np.ndarray) -> dict[int, list[int]]:
    """Number -> where it stands."""
    found: dict[int, list[int]] = {}
    for position, number in enumerate(numbers.tolist()):
        found.setdefault(number, []).append(position)
    return found


def _blocks_of_one_pose(codes: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    for code in np.unique(codes):
        of_pose = np.flatnonzero(codes == code)
        for start in range(0, len(of_pose), rows):
            yield of_pose[start : start + rows]
