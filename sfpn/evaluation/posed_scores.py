"""Scores of comparisons with the poses of their two images: what an operating surface is set and measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfpn.evaluation.comparisons import AllPairs, Samples


@dataclass(frozen=True)
class PosedScores:
    """Scores (n,) of comparisons with the |yaw| of their two images, in degrees: `yaws` (n, 2), the smaller first."""

    scores: np.ndarray
    yaws: np.ndarray
    same: np.ndarray  # (n,) whether the comparison is genuine
    source: np.ndarray  # (n,) number of the dataset, from 0
    couple: np.ndarray  # (n,) which pair of people: a line of `couples`
    couples: np.ndarray  # (m, 2) numbers of two people from 0, all of one dataset

    @classmethod
    def of(cls, samples: Samples, source: int = 0) -> PosedScores:
        """Every comparison of samples with a known yaw and a found face."""
        known = np.flatnonzero(np.isfinite(samples.yaw_degrees) & samples.acquired)
        parts = []
        for block in AllPairs(known).blocks(samples):
            down, across = np.nonzero(block.counted)
            first, second = block.first[down, 0], block.second[0, across]
            yaws = np.abs(np.column_stack([samples.yaw_degrees[first], samples.yaw_degrees[second]]))
            same = samples.subjects[first] == samples.subjects[second]
            people = np.column_stack([samples.subjects[first], samples.subjects[second]]).astype(np.int32)
            parts.append((block.scores[down, across], np.sort(yaws, axis=1), same, people))
        if not parts:
            none = np.empty(0, np.float32), np.empty((0, 2), np.float32), np.empty(0, bool), np.empty((0, 2), np.int32)
            parts = [none]
        scores, yaws, same, people = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(scores, yaws, same, np.full(len(scores), source, np.int8), *couples_of(people))

    @classmethod
    def joined(cls, parts: Sequence[PosedScores]) -> PosedScores:
        """All of them, in order; people of different parts are different people."""
        lines, people = (np.cumsum([0, *counts]) for counts in zip(*(part._counts() for part in parts), strict=True))
        return cls(
            scores=np.concatenate([part.scores for part in parts]),
            yaws=np.concatenate([part.yaws for part in parts]),
            same=np.concatenate([part.same for part in parts]),
            source=np.concatenate([part.source for part in parts]),
            couple=np.concatenate([part.couple + start for part, start in zip(parts, lines, strict=False)]),
            couples=np.concatenate([part.couples + start for part, start in zip(parts, people, strict=False)]),
        )

    def _counts(self) -> tuple[int, int]:
        return len(self.couples), int(self.couples.max(initial=-1)) + 1

    def take(self, chosen: np.ndarray) -> PosedScores:
        """Those at the given positions or where a mask is True."""
        scores, yaws, same = self.scores[chosen], self.yaws[chosen], self.same[chosen]
        return PosedScores(scores, yaws, same, self.source[chosen], self.couple[chosen], self.couples)


def couples_of(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`couple` and `couples` of PosedScores, from the numbers (n, 2) of the two people of each comparison."""
    one, other = np.sort(people, axis=1).T.astype(np.int64)
    size = int(people.max(initial=0)) + 1
    codes, couple = np.unique(one * size + other, return_inverse=True)
    return couple.astype(np.int32), np.column_stack([codes // size, codes % size])
