"""Why this score? Parts of either crop are hidden by a grey square, one after the other: how much does the score fall?

Occlusion sensitivity (Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014). It shows
what the score of this network rests on in these two crops; it says nothing about where two faces look alike, and
nothing about whether the decision is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sfpn.data.embeddings import unit_length
from sfpn.network.embedders import BATCH, Embedder, check_embeddings
from sfpn.progress import StageProgress
from sfpn.verification.verifier import Shot, check_counts

PATCH_SHARE = 0.22  # side of the square over the side of the crop
GRID = 6  # places of the square along either side of the crop; a step is then 0.7 of the square
GREY = (128, 128, 128)
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels of a crop


@dataclass(frozen=True)
class Occlusion:
    """How much the score of two crops falls when a square of one of them is hidden.

    score: cosine of the two crops, -1..1. falls: of either crop (GRID, GRID) float64, row by row from the top, the
    score less the score with that square hidden (-2..2): above zero where the score needs what is hidden.
    """

    crops: tuple[Image.Image, Image.Image]
    score: float
    falls: tuple[np.ndarray, np.ndarray]

    @property
    def maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Of either crop (size, size) float64: for every pixel the mean fall of the squares that hide it."""
        first, second = (fall_map(crop.width, falls) for crop, falls in zip(self.crops, self.falls, strict=True))
        return first, second


def squares(size: int) -> list[Box]:
    """The GRID x GRID places of the square in a crop of `size` px, row by row: together they cover all of it."""
    side = max(1, round(PATCH_SHARE * size))
    starts = [round(start) for start in np.linspace(0, size - side, GRID)]
    return [(left, top, left + side, top + side) for top in starts for left in starts]


def hidden(crop: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """A copy of a crop with these boxes filled with grey."""
    copy = crop.copy()
    for box in boxes:
        copy.paste(GREY, box)
    return copy


def fall_map(size: int, falls: np.ndarray) -> np.ndarray:
    """(size, size): for every pixel the mean of the falls (GRID, GRID) of the squares that hide it."""
    total, count = np.zeros((size, size)), np.zeros((size, size))
    for (left, top, right, bottom), fall in zip(squares(size), falls.ravel(), strict=True):
        total[top:bottom, left:right] += fall
        count[top:bottom, left:right] += 1
    return total / count


def occlude(
    embedder: Embedder,
    first: Image.Image,
    second: Image.Image,
    progress: StageProgress = lambda stage, done, total: None,
) -> Occlusion:
    """Hide every square of either crop in turn, and compare with the other crop as it is.

    first, second: crops as `embedder.preprocess.crop` gives them. progress: told after every batch; what it raises ends
    the work. Raises UserError for a model whose embeddings cannot be compared.
    """
    crops = (first, second)
    one, other = _embedded(embedder, list(crops))
    total = 2 * GRID**2
    falls, done = [], 0
    score = float(np.clip(one @ other, -1, 1))
    for crop, opposite in zip(crops, (other, one), strict=True):
        scores = []
        for batch in _batches(squares(crop.width)):
            progress("hiding parts", done, total)
            scores.append(_embedded(embedder, [hidden(crop, [box]) for box in batch]) @ opposite)
            done += len(batch)
        falls.append(score - np.concatenate(scores).astype(float).reshape(GRID, GRID))
    progress("hiding parts", total, total)
    return Occlusion(crops, score, (falls[0], falls[1]))


def best_crops(embedder: Embedder, first: Sequence[Shot], second: Sequence[Shot]) -> tuple[Image.Image, Image.Image]:
    """The crops of the two photos, one of each side, that are most alike: with one photo a side, those of the two.

    Raises UserError if a side is empty or too large, and for a model whose embeddings cannot be compared.
    """
    check_counts(len(first), len(second))
    crops = [shot.crop(embedder.preprocess) for shot in (*first, *second)]
    if len(crops) == 2:
        return crops[0], crops[1]
    embeddings, cut = _embedded(embedder, crops), len(first)
    scores = embeddings[:cut] @ embeddings[cut:].T
    i, j = np.unravel_index(np.argmax(scores), scores.shape)
    return crops[int(i)], crops[cut + int(j)]


def _embedded(embedder: Embedder, crops: list[Image.Image]) -> np.ndarray:
    """(B, D) of length 1. Raises UserError."""
    values = np.asarray(embedder.embed(crops))
    check_embeddings(embedder.name, values)
    return unit_length(values)


def _batches(boxes: list[Box]) -> Iterator[list[Box]]:
    for start in range(0, len(boxes), BATCH):
        yield boxes[start : start + BATCH]


def most_words(occlusion: Occlusion) -> str:
    """How far the score falls at most on either crop, in a sentence."""
    parts = []
    for name, falls in zip("AB", occlusion.falls, strict=True):
        most = float(falls.max())
        parts.append(f"by {most:.2f} where a part of {name} is hidden" if most > 0 else f"nowhere on {name}")
    score = f"{occlusion.score:.2f}".replace("-", "−")
    return f"The score is {score}. One hidden square lowers it at most {parts[0]}, and {parts[1]}."
