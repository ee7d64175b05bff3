"""Sorted comparison scores and the one counting primitive on which every rate of the project is built.

A score is a cosine similarity: higher = more alike. A pair is declared a match if `score >= threshold`, so
"below the threshold" is the only thing that ever has to be counted, and ties are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """Scores of one kind (genuine or impostor), sorted; -inf stands for a comparison that was rejected unseen.

    `values` (n,) ascending. `cumulative` (n + 1,) holds how many comparisons lie before each value; None means
    that each value is one comparison. Build with `Scores.of` or `Scores.binned`.
    """

    values: np.ndarray
    cumulative: np.ndarray | None = None

    @classmethod
    def of(cls, scores: np.ndarray | Scores) -> Scores:
        """Individual scores in any order and any float type. Raises ValueError for a NaN or more than one axis."""
        if isinstance(scores, Scores):
            return scores
        values = np.sort(np.asarray(scores))
        values = values if values.dtype.kind == "f" else values.astype(np.float64)
        if values.ndim != 1 or (values.size and np.isnan(values[-1])):
            raise ValueError(f"scores must be one axis of numbers without NaN, got shape {values.shape}")
        return cls(values)

    @classmethod
    def binned(cls, lower_edges: np.ndarray, counts: np.ndarray) -> Scores:
        """A histogram; bin k holds lower_edges[k] <= score < lower_edges[k + 1]. Counts at the edges are exact."""
        held = np.asarray(counts) > 0
        return cls(np.asarray(lower_edges)[held], np.concatenate([[0], np.cumsum(np.asarray(counts)[held])]))

    @property
    def total(self) -> int:
        """How many comparisons there are."""
        return len(self.values) if self.cumulative is None else int(self.cumulative[-1])

    @property
    def counts(self) -> np.ndarray:
        """(n,) comparisons at each of `values`."""
        return np.ones(len(self.values), np.int64) if self.cumulative is None else np.diff(self.cumulative)

    def below(self, thresholds: np.ndarray | float, inclusive: bool = False) -> np.ndarray:
        """How many scores are < threshold (<= if inclusive), per threshold. The only place that counts."""
        exact = _in_dtype(np.asarray(thresholds, np.float64), self.values.dtype, inclusive)
        position = np.searchsorted(self.values, exact, side="right" if inclusive else "left")
        return position if self.cumulative is None else self.cumulative[position]

    def with_rejections(self, count: int) -> Scores:
        """The same scores and `count` comparisons that no threshold accepts."""
        if not count:
            return self
        values = np.concatenate([np.array([-np.inf], self.values.dtype), self.values])
        return Scores(values, np.concatenate([[0], count + self._cumulative()]))

    def merged(self, other: Scores) -> Scores:
        """Both sets of comparisons together."""
        values = np.concatenate([self.values, other.values])
        if self.cumulative is None and other.cumulative is None:
            return Scores(np.sort(values))
        order = np.argsort(values, kind="stable")
        return Scores(
            values[order], np.concatenate([[0], np.cumsum(np.concatenate([self.counts, other.counts])[order])])
        )

    def first(self, condition: Callable[[float], bool]) -> float:
        """The lowest observed score that satisfies a condition that stays true once true; +inf if none does."""
        low, high = 0, len(self.values)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if condition(self.values[middle]) else (middle + 1, high)
        return float(self.values[low]) if low < len(self.values) else np.inf

    def _cumulative(self) -> np.ndarray:
        return np.arange(len(self.values) + 1) if self.cumulative is None else self.cumulative


def _in_dtype(thresholds: np.ndarray, dtype: np.dtype, inclusive: bool) -> np.ndarray:
    """Round thresholds to the precision of the scores without changing any comparison.

    `score >= t` equals `score >= up(t)` and `score <= t` equals `score <= down(t)` with rounding up or down to the
    coarser type. (Left to itself, searchsorted would copy millions of float32 scores to float64 at each call.)
    """
    rounded = thresholds.astype(dtype)
    if inclusive:
        return np.where(rounded > thresholds, np.nextafter(rounded, dtype.type(-np.inf)), rounded)
    return np.where(rounded < thresholds, np.nextafter(rounded, dtype.type(np.inf)), rounded)
