"""One pass over the comparisons of a cell: its genuine and impostor scores, and its hardest pairs.

Scores are kept apart by whether both faces were found, because a failure to acquire can be treated in three ways:
* whole_image: the face that was not found is embedded from the whole image, and its score counts like any other;
* skip: comparisons with such a face are left out (rates on acquired faces), the failures counted beside;
* reject: such comparisons are rejected unseen, so each genuine one is an error (FRR) and no impostor one is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sfpn.evaluation.comparisons import Block, Comparisons, Samples
from sfpn.evaluation.scores import Scores

TREATMENTS = ("whole_image", "skip", "reject")
EXACT_LIMIT = 1 << 25  # a cell with more comparisons than this counts impostors on the grid instead of keeping them
GRID_STEP = 2.0**-15  # a power of two, so that placing a score on the grid is exact
HARDEST = 50


@dataclass(frozen=True)
class Pairs:
    """Comparisons with their scores: positions `first` and `second` in the samples, (n,) each."""

    first: np.ndarray
    second: np.ndarray
    scores: np.ndarray

    @classmethod
    def joined(cls, parts: Iterable[Pairs]) -> Pairs:
        """All of them, in order."""
        parts = list(parts) or [Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("first", "second", "scores")))

    def take(self, chosen: np.ndarray) -> Pairs:
        """Those at the given positions or where a mask is True."""
        return Pairs(self.first[chosen], self.second[chosen], self.scores[chosen])

    def hardest(self, count: int, lowest: bool) -> Pairs:
        """The `count` lowest (or highest) scores, hardest first; ties in the order of the samples."""
        key = self.scores if lowest else -self.scores
        return self.take(np.lexsort((self.second, self.first, key))[:count])


@dataclass(frozen=True)
class Tally:
    """What one cell holds. `acquired` and `failed` are (genuine, impostor): both faces found, and not.

    `grid_step` is 0 where every impostor score was kept, else the width of the bins in which they were counted.
    """

    genuine: Pairs
    acquired: tuple[Scores, Scores]
    failed: tuple[Scores, Scores]
    hardest_impostors: Pairs
    grid_step: float

    @property
    def any_failed(self) -> bool:
        """Whether a comparison involves a face that was not found."""
        return any(scores.total for scores in self.failed)

    @property
    def hardest_genuine(self) -> Pairs:
        """The genuine pairs of lowest score."""
        return self.genuine.hardest(HARDEST, lowest=True)

    def genuine_subjects(self, samples: Samples) -> int:
        """Subjects with at least one genuine comparison."""
        return len(np.unique(samples.subjects[self.genuine.first]))

    def treated(self, treatment: str) -> tuple[Scores, Scores]:
        """Genuine and impostor scores under one treatment of the failures to acquire."""
        genuine, impostor = (
            treat(kept, lost, treatment) for kept, lost in zip(self.acquired, self.failed, strict=True)
        )
        return genuine, impostor


def treat(acquired: Scores, failed: Scores, treatment: str) -> Scores:
    """The scores of one kind under one treatment of the failures to acquire."""
    if treatment == "skip" or not failed.total:
        return acquired
    return acquired.with_rejections(failed.total) if treatment == "reject" else acquired.merged(failed)


def tally(samples: Samples, comparisons: Comparisons, exact_limit: int = EXACT_LIMIT) -> Tally:
    """Go once through all comparisons of a cell."""
    keep_all = comparisons.size <= exact_limit
    found, lost = (_Kept() if keep_all else _Gridded() for _ in range(2))
    genuine, hardest = [], Pairs.joined([])
    for block in comparisons.blocks(samples):
        same = samples.subjects[block.first] == samples.subjects[block.second]
        genuine.append(named_pairs(block, same & block.counted))
        impostor = block.counted & ~same
        for store, mask in zip((found, lost), _by_acquisition(samples, block, impostor), strict=False):
            store.add(block.scores, mask)
        hardest = _harder(hardest, block, impostor)
    genuine = Pairs.joined(genuine)
    ok = samples.acquired[genuine.first] & samples.acquired[genuine.second]
    scores = genuine.scores if keep_all else np.floor(genuine.scores / np.float32(GRID_STEP)) * np.float32(GRID_STEP)
    return Tally(
        genuine,
        (Scores.of(scores[ok]), found.scores()),
        (Scores.of(scores[~ok]), lost.scores()),
        hardest.hardest(HARDEST, lowest=False),
        0.0 if keep_all else GRID_STEP,
    )


def grid_index(scores: np.ndarray, step: float) -> np.ndarray:
    """Bin k of each cosine: k * step - 1 <= score < (k + 1) * step - 1. Exact, because 1 / step is a power of two."""
    return np.floor(scores * np.float32(1 / step)).astype(np.int64) + int(1 / step)


def grid_edges(step: float) -> np.ndarray:
    """Lower edges of all bins from -1 to 1."""
    return np.arange(int(2 / step) + 1) * step - 1.0


class _Kept:
    """Impostor scores, every one."""

    def __init__(self) -> None:
        self.parts = [np.empty(0, np.float32)]

    def add(self, scores: np.ndarray, mask: np.ndarray) -> None:
        self.parts.append(scores[mask])

    def scores(self) -> Scores:
        values = np.concatenate(self.parts)
        self.parts.clear()
        values.sort()
        return Scores(values)


class _Gridded:
    """Impostor scores, counted on the grid."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(grid_edges(GRID_STEP)), np.int64)

    def add(self, scores: np.ndarray, mask: np.ndarray) -> None:
        self.counts += np.bincount(grid_index(scores[mask], GRID_STEP), minlength=len(self.counts))

    def scores(self) -> Scores:
        return Scores.binned(grid_edges(GRID_STEP), self.counts)


def _by_acquisition(samples: Samples, block: Block, mask: np.ndarray) -> list[np.ndarray]:
    """The mask split into comparisons with both faces found and the others."""
    found = samples.acquired[block.first] & samples.acquired[block.second]
    if found.all():
        return [mask]
    return [mask & found, mask & ~found]


def pairs_table(samples: Samples, pairs: Pairs) -> pd.DataFrame:
    """One line per pair: rank from 1, row_id_a, row_id_b, template_a, template_b, score, acquired."""
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(pairs.scores) + 1),
            "row_id_a": samples.row_ids[pairs.first],
            "row_id_b": samples.row_ids[pairs.second],
            "template_a": samples.templates[pairs.first],
            "template_b": samples.templates[pairs.second],
            "score": pairs.scores,
            "acquired": samples.acquired[pairs.first] & samples.acquired[pairs.second],
        }
    )


def named_pairs(block: Block, mask: np.ndarray) -> Pairs:
    """The comparisons of a block where a mask (n, m) is True."""
    down, across = np.nonzero(mask)
    second = block.second[0, across] if block.second.shape[0] == 1 else block.second[down, 0]
    return Pairs(block.first[down, 0], second, block.scores[down, across])


def _harder(hardest: Pairs, block: Block, impostor: np.ndarray) -> Pairs:
    """The hardest impostor pairs so far; a block is searched only above the lowest of them."""
    bar = hardest.scores.min() if len(hardest.scores) >= HARDEST else -np.inf
    above = impostor & (block.scores >= bar)
    if np.isinf(bar):  # nothing to compare with yet: do not name millions of pairs for fifty
        kept = block.scores[above]
        above &= block.scores >= (np.partition(kept, -HARDEST)[-HARDEST] if kept.size > HARDEST else -np.inf)
    return Pairs.joined([hardest, named_pairs(block, above)]).hardest(HARDEST, lowest=False)
