"""What is compared with what: labelled embeddings, and streams of score blocks over them in bounded memory.

A block holds the scores of some first samples (down) with some second samples (across), whether it comes from every
possible pair of a set or from a list of pairs, so whatever consumes scores is written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sfpn.data.embeddings import unit_length
from sfpn.schema import POSE_PAIRS, PosePair

BLOCK_SCORES = 1 << 22  # scores held at once by one block: 16 MB


@dataclass(frozen=True)
class Samples:
    """N things to compare (images or templates), sorted by subject; every array has N entries in that order.

    `row_ids` names the image (of a template: its first image), `subjects` is a code from 0 to `subject_count` - 1,
    `embeddings` (N, D) float32 have unit length, `yaw_degrees` is NaN where unknown, `acquired` is False where no face
    was found, `templates` names the template ('' for a single image without one). `identities` (subject_count,) are the
    names behind the codes.
    """

    row_ids: np.ndarray
    subjects: np.ndarray
    poses: np.ndarray
    embeddings: np.ndarray
    yaw_degrees: np.ndarray
    acquired: np.ndarray
    templates: np.ndarray
    identities: np.ndarray

    @property
    def subject_count(self) -> int:
        """How many subjects there are."""
        return len(self.identities)

    @classmethod
    def build(cls, row_ids, identities, poses, embeddings, yaw_degrees=None, acquired=None, templates=None) -> Samples:
        """From columns in any order; embeddings of any length are normalised.

        Raises ValueError for a zero embedding.
        """
        row_ids, identities = np.asarray(row_ids, str), np.asarray(identities, str)
        names, subjects = np.unique(identities, return_inverse=True)
        order = np.lexsort((row_ids, subjects))

        def column(values, fill, dtype) -> np.ndarray:
            filled = np.full(len(row_ids), fill, dtype) if values is None else np.asarray(values, dtype)
            return filled[order]

        return cls(
            row_ids[order],
            subjects[order].astype(np.int64),
            column(poses, "", str),
            directions(np.asarray(embeddings, np.float32)[order]),
            column(yaw_degrees, np.nan, np.float32),
            column(acquired, True, bool),
            column(templates, "", str),
            names,
        )

    def __len__(self) -> int:
        return len(self.row_ids)

    def of_pose(self, pose: str) -> np.ndarray:
        """Positions of the samples of one pose."""
        return np.flatnonzero(self.poses == pose)


@dataclass(frozen=True)
class Block:
    """Cosines (n, m) of `first` (n, 1) with `second` (1, m), or (n, 1) for a list; only where `counted` (n, m)."""

    first: np.ndarray
    second: np.ndarray
    scores: np.ndarray
    counted: np.ndarray


@dataclass(frozen=True)
class AllPairs:
    """Every unordered pair of distinct samples within `first`, or every pair of `first` with a disjoint `second`.

    With `yaw_band` = (low, high) only pairs with low <= |yaw difference| < high degrees (<= where high is 180).
    """

    first: np.ndarray
    second: np.ndarray | None = None
    yaw_band: tuple[float, float] | None = None

    @property
    def size(self) -> int:
        """How many pairs there are at most."""
        n = len(self.first)
        return n * (n - 1) // 2 if self.second is None else n * len(self.second)

    @property
    def members(self) -> np.ndarray:
        """Positions of the samples that are compared."""
        return np.unique(self.first if self.second is None else np.concatenate([self.first, self.second]))

    def blocks(self, samples: Samples) -> Iterator[Block]:
        """All scores, a few rows at a time."""
        second = self.first if self.second is None else self.second
        right = samples.embeddings[second]
        left = right if self.second is None else samples.embeddings[self.first]
        rows = max(1, BLOCK_SCORES // max(1, len(second)))
        for start in range(0, len(self.first), rows):
            stop = min(start + rows, len(self.first))
            skip = start if self.second is None else 0  # below the diagonal lie the same pairs again
            scores = cosines(left[start:stop] @ right[skip:].T)
            counted = np.ones(scores.shape, bool)
            if self.second is None:
                counted = np.arange(len(second) - skip)[None, :] > np.arange(stop - start)[:, None]
            first, across = self.first[start:stop, None], second[None, skip:]
            if self.yaw_band is not None:
                counted &= _in_band(samples.yaw_degrees[first], samples.yaw_degrees[across], self.yaw_band)
            yield Block(first, across, scores, counted)


@dataclass(frozen=True)
class PairList:
    """Named pairs: `first` (n,) and `second` (n,) are positions in the samples."""

    first: np.ndarray
    second: np.ndarray

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return len(self.first)

    @property
    def members(self) -> np.ndarray:
        """Positions of the samples that are compared."""
        return np.unique(np.concatenate([self.first, self.second]))

    def blocks(self, samples: Samples) -> Iterator[Block]:
        """All scores, as columns; sorted by the first sample so that a subject's pairs lie together."""
        order = np.argsort(self.first, kind="stable")
        for start in range(0, self.size, 1 << 14):
            part = order[start : start + (1 << 14)]
            first, second = self.first[part], self.second[part]
            scores = np.einsum("nd,nd->n", samples.embeddings[first], samples.embeddings[second])
            yield Block(first[:, None], second[:, None], cosines(scores)[:, None], np.ones((len(part), 1), bool))


class Comparisons(Protocol):
    """AllPairs, PairList, or anything else that streams blocks of scores."""

    @property
    def size(self) -> int:
        """How many pairs there are at most."""
        ...

    @property
    def members(self) -> np.ndarray:
        """Positions of the samples that are compared."""
        ...

    def blocks(self, samples: Samples) -> Iterator[Block]:
        """All scores."""
        ...


def directions(embeddings: np.ndarray) -> np.ndarray:
    """Rows (N, D) of length one. Raises ValueError for a row of zeros or of numbers that are not finite."""
    lengths = np.linalg.norm(embeddings, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("an embedding is zero or not finite, so it has no cosine with anything")
    return unit_length(embeddings)


def by_pose_pair(samples: Samples) -> Iterator[tuple[PosePair, AllPairs]]:
    """Every comparison in each of the six pose pairs that occur."""
    for pair in POSE_PAIRS:
        first, second = (samples.of_pose(pose) for pose in pair)
        if len(first) and len(second):
            yield pair, AllPairs(first) if pair[0] == pair[1] else AllPairs(first, second)


def cosines(products: np.ndarray) -> np.ndarray:
    """Products of unit vectors as cosines, in place; rounding can carry one just outside [-1, 1]."""
    return np.clip(products, -1, 1, out=products)


def _in_band(yaw_a: np.ndarray, yaw_b: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    difference = np.abs(yaw_a - yaw_b)
    below = difference <= band[1] if band[1] == 180 else difference < band[1]
    return (difference >= band[0]) & below  # NaN is in no band
