"""t-SNE and UMAP from their libraries, which a process of its own imports: they take some hundred megabytes.

python -m demo.embeddings.neighbour_maps METHOD VALUES.npy LANDMARKS.npy COORDINATES.npy
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

SEED = 0
BETWEEN = 3  # most alike landmarks


def main(method: str, values: str, landmarks: str, coordinates: str) -> None:
    """Read (N, d) values and (n,) positions of landmarks, write (N, 2) float32."""
    placed = between_landmarks(np.load(values), np.load(landmarks), METHODS[method])
    np.save(Path(coordinates), placed.astype(np.float32))


def between_landmarks(
    values: np.ndarray, landmarks: np.ndarray, method: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """(N, 2): `method` places some of the rows (N, d), the others lie in the middle of the most alike ones of these."""
    placed = method(values[landmarks])
    if len(landmarks) == len(values):
        return placed
    from sklearn.neighbors import NearestNeighbors

    alike = NearestNeighbors(n_neighbors=BETWEEN, metric="cosine").fit(values[landmarks])
    coordinates = placed[alike.kneighbors(values, return_distance=False)].mean(1)
    coordinates[landmarks] = placed
    return coordinates


def _tsne(values: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(1.0, (len(values) - 1) / 3))
    return TSNE(2, perplexity=perplexity, init="pca", metric="cosine", random_state=SEED).fit_transform(values)


def _umap(values: np.ndarray) -> np.ndarray:
    umap = importlib.import_module("umap")  # not a requirement, so type checkers do not find it
    neighbours = min(15, len(values) - 1)
    return umap.UMAP(n_neighbors=neighbours, metric="cosine", random_state=SEED, n_jobs=1).fit_transform(values)


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"t-SNE": _tsne, "UMAP": _umap}


if __name__ == "__main__":
    main(*sys.argv[1:])
