"""Scores of pairs posed like a given one: a square of |yaw| by |yaw| around a node of the operating surface.

The card holds the scores of other people in cells, one for each pair of intervals between neighbouring nodes, and any
node's square is a sum of cells. The square is as narrow as the comparisons in it allow, in whole steps of the axis. A
yaw beyond the axis lies in its last interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sfpn.network.card import ScoreHistogram
from sfpn.network.operating_surface import OperatingSurface, SurfaceCell, SurfaceScores
from sfpn.schema import OperatingPoint

HISTOGRAM_BINS = 400  # 0.005 wide, which is what a slider can show
EDGES = np.linspace(-1, 1, HISTOGRAM_BINS + 1)
EVERYWHERE_DEGREES = 1000.0  # half the side of the square that holds all comparisons

Square = tuple[tuple[float, float], tuple[float, float]]  # |yaw| of the less and of the more turned face, from and to


def half_sides(axis: Sequence[float]) -> list[float]:
    """Half the sides of the squares that are tried at a node, in degrees: whole steps of the axis, then everything."""
    step = axis[1] - axis[0]
    return [step * count for count in range(1, len(axis) - 1)] + [EVERYWHERE_DEGREES]


def square_at(axis: Sequence[float], node: Sequence[float], half_side: float) -> Square:
    """The |yaw| in degrees between which faces are turned in the square around a node; the end of the axis is open."""
    (a, b), low, high = node, axis[0], axis[-1]
    return (max(low, a - half_side), min(high, a + half_side)), (max(low, b - half_side), min(high, b + half_side))


def intervals(axis: Sequence[float], yaws: np.ndarray) -> np.ndarray:
    """Number of the interval of the axis, from 0, in which each |yaw| lies; those beyond its ends are in the end ones.

    >>> intervals((0.0, 10.0, 20.0), np.array([0.0, 9.9, 10.0, 95.0])).tolist()
    [0, 0, 1, 1]
    """
    return np.clip(np.searchsorted(np.asarray(axis), yaws, side="right") - 1, 0, len(axis) - 2)


def inside(axis: Sequence[float], numbers: np.ndarray, square: Square) -> np.ndarray:
    """(n,) whether pairs with these intervals (n, 2), the less turned face first, lie in a square."""
    lower, upper = np.asarray(axis[:-1])[numbers], np.asarray(axis[1:])[numbers]
    (a0, a1), (b0, b1) = square
    return np.all((lower >= (a0, b0)) & (upper <= (a1, b1)), axis=1)


def cells_of(axis: Sequence[float]) -> np.ndarray:
    """(cells, 2) intervals of the less and of the more turned face, in the order in which a card keeps the cells."""
    return np.column_stack(np.triu_indices(len(axis) - 1))


def scores_in_cells(axis: Sequence[float], scores: np.ndarray, yaws: np.ndarray, same: np.ndarray) -> SurfaceScores:
    """Histograms by cell of scores (n,) with |yaw| (n, 2), the smaller first; `same` (n,): the genuine ones."""
    bins = np.clip(np.searchsorted(EDGES, scores, side="right") - 1, 0, HISTOGRAM_BINS - 1)
    size = len(axis) - 1
    numbers = intervals(axis, yaws)
    flat = np.ravel_multi_index((same.astype(int), numbers[:, 0], numbers[:, 1], bins), (2, size, size, HISTOGRAM_BINS))
    counts = np.bincount(flat, minlength=2 * size * size * HISTOGRAM_BINS).reshape(2, size, size, HISTOGRAM_BINS)
    cells = (SurfaceCell(*_trimmed(counts[1, i, j]), *_trimmed(counts[0, i, j])) for i, j in cells_of(axis))
    return SurfaceScores(-1.0, 1.0, HISTOGRAM_BINS, tuple(cells))


def _trimmed(counts: np.ndarray) -> tuple[int, tuple[int, ...]]:
    """The number of the first bin that is not empty, and the counts from there to the last one."""
    held = np.flatnonzero(counts)
    if not len(held):
        return 0, ()
    return int(held[0]), tuple(counts[held[0] : held[-1] + 1].tolist())


def scores_around(surface: OperatingSurface, square: Square) -> ScoreHistogram | None:
    """The scores of other people's pairs in a square; None where the card has none by angle."""
    held = surface.scores
    if held is None:
        return None
    genuine, impostor = np.zeros(held.bins, int), np.zeros(held.bins, int)
    chosen = inside(surface.yaw_degrees, cells_of(surface.yaw_degrees), square)
    for number in np.flatnonzero(chosen):
        cell = held.cells[number]
        genuine[cell.genuine_from : cell.genuine_from + len(cell.genuine)] += np.array(cell.genuine, int)
        impostor[cell.impostor_from : cell.impostor_from + len(cell.impostor)] += np.array(cell.impostor, int)
    counts = tuple(genuine.tolist()), tuple(impostor.tolist())
    return ScoreHistogram(held.low, held.high, *counts, surface.measured_on)


def counted(point: OperatingPoint, histogram: ScoreHistogram) -> OperatingPoint:
    """The point with its error rates counted in a histogram; the scores of a bin are taken to lie evenly in it."""
    genuine, impostor = sum(histogram.genuine), sum(histogram.impostor)
    missed = round(_below(histogram, histogram.genuine, point.threshold))
    false = impostor - round(_below(histogram, histogram.impostor, point.threshold))
    return replace(
        point,
        genuine=genuine,
        impostor=impostor,
        false_matches=false,
        false_non_matches=missed,
        fmr=false / impostor if impostor else float("nan"),
        fnmr=missed / genuine if genuine else float("nan"),
        measured_on=histogram.measured_on,
    )


def _below(histogram: ScoreHistogram, counts: Sequence[int], threshold: float) -> float:
    return float(np.interp(threshold, histogram.edges, np.concatenate([[0], np.cumsum(counts)])))
