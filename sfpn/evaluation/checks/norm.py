"""Scores of every pose pair on one scale: how many spreads above what two different people of these poses get.

A profile is less like another photo of the same person than a frontal face is, and must not be doubted for that: each
cosine is taken less the mean of the impostor scores of its pose pair, over their standard deviation (zero
normalisation: Auckenthaler, Carey and Lloyd-Thomas, Digital Signal Processing 10, 2000). Pictures embedded whole,
because no face was found, are alike for that reason and count as a pose of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpn.evaluation.comparisons import Samples

PAIRS_PER_CELL = 20_000  # drawn for each pose pair
FEWEST_PAIRS = 200  # a pose pair with fewer is normalised as all pairs together
SEED = 0


@dataclass(frozen=True)
class PosePairNorm:
    """`codes` (N,): the pose of each sample as a number; `mean` and `spread` (P, P): of impostor scores."""

    codes: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, samples: Samples) -> PosePairNorm:
        """Measured on random pairs of different identities; a few wrong labels hardly move it."""
        seen = np.char.add(samples.poses, np.where(samples.acquired, "", " whole"))
        poses, codes = np.unique(seen, return_inverse=True)
        rng = np.random.default_rng(SEED)
        everybody = np.arange(len(samples))
        pooled = _moments(_impostor_scores(samples, everybody, everybody, rng), (0.0, 1.0))
        count = len(poses)
        mean, spread = np.zeros((count, count), np.float32), np.ones((count, count), np.float32)
        for a in range(count):
            for b in range(a, count):
                scores = _impostor_scores(samples, np.flatnonzero(codes == a), np.flatnonzero(codes == b), rng)
                mean[a, b], spread[a, b] = mean[b, a], spread[b, a] = _moments(scores, pooled)
        return cls(codes.astype(np.int64), mean, spread)

    def normalised(self, scores: np.ndarray, pose: int, others: np.ndarray) -> np.ndarray:
        """Scores (n, m) of samples of one pose (its code) with the samples at positions `others` (m,)."""
        codes = self.codes[others]
        return (scores - self.mean[pose, codes]) / self.spread[pose, codes]


def _impostor_scores(samples: Samples, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cosines of random pairs of different subjects, one of `first` and one of `second` each."""
    a, b = rng.choice(first, PAIRS_PER_CELL), rng.choice(second, PAIRS_PER_CELL)
    a, b = np.unique(np.stack([a, b]), axis=1)
    differ = samples.subjects[a] != samples.subjects[b]
    a, b = a[differ], b[differ]
    return np.concatenate(
        [np.einsum("nd,nd->n", samples.embeddings[a[i : i + 1000]], samples.embeddings[b[i : i + 1000]])
         for i in range(0, len(a), 1000)] or [np.empty(0, np.float32)]
    )  # fmt: skip


def _moments(scores: np.ndarray, otherwise: tuple[float, float]) -> tuple[float, float]:
    """(mean, standard deviation), or `otherwise` of too few or equal scores."""
    if len(scores) < FEWEST_PAIRS or scores.std() < 1e-6:
        return otherwise
    return float(scores.mean()), float(scores.std())
