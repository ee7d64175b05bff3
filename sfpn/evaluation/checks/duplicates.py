"""The same picture twice: exactly (equal pixels), or nearly (saved again, resized, mirrored), in bounded memory.

Near = the grey pictures, squeezed to 32 x 32 pixels, correlate at SAME_FROM or more, as they are or mirrored. Measured
on CFP: re-saved, halved and mirrored copies correlate above 0.99, the most alike photos of two people at 0.93; between
lie photos of one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sfpn.evaluation.checks.pictures import SMALL, PictureFacts

SAME_FROM = 0.97
FIRST_SIDE = 16  # px; at this size all pictures are compared with all, at SMALL those that are alike
FIRST_SLACK = 0.01
TRIED = 3  # of each picture, the most alike earlier ones
BLOCK_SCORES = 1 << 22


@dataclass(frozen=True)
class Copy:
    """Picture `later` shows what picture `earlier` (positions, earlier < later) shows."""

    earlier: int
    later: int
    exact: bool
    correlation: float  # of the small grey pictures
    mirrored: bool = False


def find_copies(facts: PictureFacts, progress: Callable[[int, int], None] | None = None) -> list[Copy]:
    """Every picture that is a copy of an earlier one, once; exact where one is equal, else of the most alike one."""
    exact = _exact_copies(facts.pixels_sha256)
    equal = {copy.later for copy in exact}
    kept = np.array([i for i, pixels in enumerate(facts.pixels_sha256) if pixels and i not in equal], int)
    small = facts.small[kept]
    near = [Copy(int(kept[a]), int(kept[b]), False, r, mirrored) for a, b, r, mirrored in _near_copies(small, progress)]
    return sorted([*exact, *near], key=lambda copy: copy.later)


def twins_of(copies: list[Copy], count: int) -> np.ndarray:
    """(count,) a number for each picture; copies of each other share the position of the earliest."""
    twins = np.arange(count)
    for copy in sorted(copies, key=lambda copy: copy.later):  # the earlier one has its number already
        twins[copy.later] = twins[copy.earlier]
    return twins


def _exact_copies(pixels: np.ndarray) -> list[Copy]:
    first: dict[bytes, int] = {}
    return [
        Copy(first[digest], position, True, 1.0)
        for position, digest in enumerate(pixels)
        if digest and first.setdefault(digest, position) != position
    ]


def _near_copies(
    small: np.ndarray, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[int, int, float, bool]]:
    """(earlier, later, correlation, mirrored) of grey pictures (n, SMALL, SMALL)."""
    coarse = _patterns(_reduced(small))
    flipped = _patterns(_reduced(small[:, :, ::-1]))
    rows = max(1, BLOCK_SCORES // max(1, len(small)))
    for start in range(0, len(small), rows):
        stop = min(start + rows, len(small))
        candidates: dict[int, list[tuple[int, bool]]] = {}
        for mirrored, views in ((False, coarse), (True, flipped)):
            for earlier, later in _alike(views[start:stop], coarse[:stop], start):
                candidates.setdefault(later, []).append((earlier, mirrored))
        for later, earlier_ones in sorted(candidates.items()):
            tried = [(_correlation(small[a], small[later], mirrored), a, mirrored) for a, mirrored in earlier_ones]
            best, earlier, mirrored = max(tried, key=lambda found: (found[0], -found[1]))
            if best >= SAME_FROM:
                yield earlier, later, best, mirrored
        if progress:
            progress(stop, len(small))


def _alike(views: np.ndarray, earlier: np.ndarray, start: int) -> Iterator[tuple[int, int]]:
    """(earlier, later) positions of the most alike patterns; `views` are those from position `start` on."""
    scores = views @ earlier.T
    scores[np.arange(len(earlier))[None, :] >= (start + np.arange(len(views)))[:, None]] = -1
    for row in np.flatnonzero(scores.max(axis=1, initial=-1) >= SAME_FROM - FIRST_SLACK):
        for column in np.argsort(-scores[row], kind="stable")[:TRIED]:
            if scores[row, column] >= SAME_FROM - FIRST_SLACK:
                yield int(column), start + int(row)


def _reduced(small: np.ndarray) -> np.ndarray:
    """(n, FIRST_SIDE, FIRST_SIDE): means of blocks of pixels."""
    step = SMALL // FIRST_SIDE
    blocks = small.reshape(len(small), FIRST_SIDE, step, FIRST_SIDE, step)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def _patterns(pictures: np.ndarray) -> np.ndarray:
    """(n, pixels) float32 of mean 0 and length 1, so that a product is a correlation; 0 for one of a single grey."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(lengths > flat.shape[1] ** 0.5, flat / np.maximum(lengths, 1e-6), 0)  # a contrast of one grey level


def _correlation(first: np.ndarray, second: np.ndarray, mirrored: bool) -> float:
    second = second[:, ::-1] if mirrored else second
    a, b = _patterns(np.stack([first, second]))
    return float(a @ b)
