"""Bootstrap over subjects: how far the rates of a cell would move with other people.

Pairs that share a subject are not independent, so subjects are drawn with replacement, not pairs. A subject drawn w
times counts w-fold: a genuine pair of subject s weighs w_s, an impostor pair of s and t weighs w_s * w_t (copies of one
subject are not compared with each other). Both are exact reweightings, so no score is computed again.

For the rates of a round only the weighted histograms over a fixed set of edges are needed. With H_s[bin, t] = number of
impostor scores of subject s with subject t in a bin, the weighted histograms of all rounds are
sum_s (H_s @ W.T) * W[:, s]: one matrix product per subject, with nothing of the size of all comparisons in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sfpn.evaluation import metrics
from sfpn.evaluation.comparisons import Block, Comparisons, Samples
from sfpn.evaluation.tally import Tally, grid_index

EDGE_STEP = 2.0**-14
EDGES = 1024


@dataclass(frozen=True)
class Draws:
    """`weights` (rounds, subjects) float32: how often each subject was drawn. The same seed gives the same draws."""

    weights: np.ndarray
    seed: int

    @classmethod
    def of(cls, subjects: int, rounds: int = 200, seed: int = 0) -> Draws:
        """Draw `subjects` subjects with replacement, `rounds` times."""
        draws = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / max(1, subjects)), size=rounds)
        return cls(draws.astype(np.float32), seed)


@dataclass(frozen=True)
class Rounds:
    """Weighted histograms (rounds, bins) over `edges` (bins,): comparisons with both faces found, and the others."""

    edges: np.ndarray
    genuine: np.ndarray
    impostor: np.ndarray
    failed_genuine: np.ndarray
    failed_impostor: np.ndarray

    def treated(self, treatment: str) -> RoundHistograms:
        """The histograms under one treatment of failures to acquire; rejected comparisons lie in a bin before all."""
        if treatment == "skip":
            return RoundHistograms(self.genuine, self.impostor)
        if treatment == "whole_image":
            return RoundHistograms(self.genuine + self.failed_genuine, self.impostor + self.failed_impostor)
        kinds = ((self.genuine, self.failed_genuine), (self.impostor, self.failed_impostor))
        genuine, impostor = (np.column_stack([lost.sum(axis=1), kept]) for kept, lost in kinds)
        return RoundHistograms(genuine, impostor)


@dataclass(frozen=True)
class RoundHistograms:
    """Weighted `genuine` and `impostor` counts (rounds, bins) in ascending bins; the metrics of all rounds at once."""

    genuine: np.ndarray
    impostor: np.ndarray

    def eer(self) -> np.ndarray:
        """(rounds,) EER as metrics.eer defines it; NaN in a round without genuine or impostor comparisons."""
        fmr, fnmr = self._rates()
        bins = np.argmax(fnmr[:, 1:] >= fmr[:, 1:], axis=1)
        each = np.arange(len(bins))
        with np.errstate(invalid="ignore"):
            return metrics.crossing(fmr[each, bins], fnmr[each, bins], fmr[each, bins + 1], fnmr[each, bins + 1])

    def fnmr_at_fmr(self, target_fmr: float) -> np.ndarray:
        """(rounds,) FNMR at the lowest bin edge with FMR <= target."""
        fmr, fnmr = self._rates()
        bins = np.argmax(fmr <= target_fmr, axis=1)
        return np.where(np.isnan(fmr[:, 0]), np.nan, fnmr[np.arange(len(bins)), bins])

    def at(self, edge: int) -> tuple[np.ndarray, np.ndarray]:
        """FMR and FNMR (rounds,) with the threshold at an edge, counted from the end: -1 is the last one."""
        fmr, fnmr = self._rates()
        return fmr[:, edge - 1], fnmr[:, edge - 1]

    def _rates(self) -> tuple[np.ndarray, np.ndarray]:
        """FMR and FNMR (rounds, bins + 1) at every lower edge and above all."""
        below_g, below_i = (np.pad(np.cumsum(held, axis=1), ((0, 0), (1, 0))) for held in (self.genuine, self.impostor))
        with np.errstate(invalid="ignore"):
            return (below_i[:, -1:] - below_i) / below_i[:, -1:], below_g / below_g[:, -1:]


def resample(samples: Samples, comparisons: Comparisons, counted: Tally, draws: Draws, edges: int = EDGES) -> Rounds:
    """The weighted histograms of all rounds, over about `edges` edges placed where the rates of the cell change."""
    wanted = metrics.curve_thresholds(*counted.treated("whole_image"), edges)
    on_grid = np.floor(wanted.astype(np.float64) / EDGE_STEP) * EDGE_STEP
    return resample_at(samples, comparisons, counted, draws, np.unique(np.concatenate([[-1.0], on_grid])))


def resample_at(samples: Samples, comparisons: Comparisons, counted: Tally, draws: Draws, edges: np.ndarray) -> Rounds:
    """As `resample`, over given edges: ascending multiples of EDGE_STEP from -1 on."""
    place = _Placing(edges)
    genuine = _genuine(samples, counted, draws, place)
    impostor = _impostor(samples, comparisons, draws, place)
    return Rounds(edges, genuine[0], impostor[0], genuine[1], impostor[1])


class _Placing:
    """Looks up the bin of a score: a step to the fine grid, then a table to the coarser edges on it."""

    def __init__(self, edges: np.ndarray) -> None:
        self.bins = len(edges)
        fine = np.arange(int(2 / EDGE_STEP) + 1) * EDGE_STEP - 1.0
        self.table = np.searchsorted(edges, fine, side="right") - 1

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return self.table[grid_index(scores, EDGE_STEP)]


def _genuine(samples: Samples, counted: Tally, draws: Draws, place: _Placing) -> list[np.ndarray]:
    pairs = counted.genuine
    found = samples.acquired[pairs.first] & samples.acquired[pairs.second]
    key = samples.subjects[pairs.first] * place.bins + place(pairs.scores)
    shape = (samples.subject_count, place.bins)
    per_subject = (np.bincount(key[mask], minlength=shape[0] * shape[1]).reshape(shape) for mask in (found, ~found))
    return [draws.weights.astype(np.float64) @ histogram for histogram in per_subject]


def _impostor(samples: Samples, comparisons: Comparisons, draws: Draws, place: _Placing) -> np.ndarray:
    """(2, rounds, bins): both faces found, and the others."""
    spread = np.ascontiguousarray(draws.weights.T)  # (subjects, rounds)
    total = np.zeros((2 * place.bins, len(draws.weights)))
    for block in comparisons.blocks(samples):
        keys = _keys(samples, block, place)
        for subject, rows in _runs(samples.subjects[block.first[:, 0]]):
            held = np.bincount(keys[rows].ravel()).astype(np.float32)  # (bins used x second subjects)
            held = np.pad(held, (0, -len(held) % samples.subject_count)).reshape(-1, samples.subject_count)
            held = held[: len(total)]  # the bin after the last one took what is not counted
            held[:, subject] = 0  # genuine
            filled = held.any(axis=1)
            total[: len(held)][filled] += (held[filled] @ spread) * spread[subject]
    return total.T.reshape(-1, 2, place.bins).swapaxes(0, 1)


def _keys(samples: Samples, block: Block, place: _Placing) -> np.ndarray:
    """(n, m) index into bins x second subject; bins of failures follow the others."""
    bins = place(block.scores)
    found = samples.acquired[block.first] & samples.acquired[block.second]
    if not found.all():
        bins += place.bins * ~found
    bins[~block.counted] = 2 * place.bins
    return bins * samples.subject_count + samples.subjects[block.second]


def _runs(subjects: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Stretches of equal subjects."""
    starts = np.flatnonzero(np.diff(subjects, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(subjects)], strict=True):
        yield int(subjects[start]), slice(int(start), int(stop))
