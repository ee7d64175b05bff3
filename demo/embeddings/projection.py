"""Embeddings in two dimensions: PCA at once, t-SNE and UMAP from their libraries, kept on disk once computed."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

SEED = 0
PCA_FIRST = 50  # dimensions that t-SNE and UMAP start from
LIBRARIES = {"PCA": None, "t-SNE": "sklearn", "UMAP": "umap"}  # the last one, umap-learn, is not in requirements.txt


def available() -> list[str]:
    """The methods whose libraries are installed."""
    return [name for name, library in LIBRARIES.items() if library is None or importlib.util.find_spec(library)]


def pca(values: np.ndarray, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, d) coordinates, the (D,) mean and the (D, d) axes of the largest variance, each axis with a fixed sign."""
    mean = values.mean(0)
    centred = values - mean
    products = (centred.T @ centred).astype(np.float64)  # not np.cov, which makes copies in double precision
    _, vectors = np.linalg.eigh(products)
    axes = vectors[:, ::-1][:, :dimensions]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return centred @ axes.astype(values.dtype), mean, axes


def project(values: np.ndarray, method: str, folder: Path) -> np.ndarray:
    """(N, 2) float32 coordinates by a method of LIBRARIES; slow ones are kept in `folder` by their source."""
    if method == "PCA":
        return pca(values)[0].astype(np.float32)
    file = kept_file(values, method, folder)
    if not file.is_file():
        coordinates = SLOW[method](pca(values, min(PCA_FIRST, *values.shape))[0].astype(np.float32))
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp.npy")
        np.save(temporary, coordinates.astype(np.float32))
        temporary.replace(file)
    return np.load(file, allow_pickle=False)


def kept_file(values: np.ndarray, method: str, folder: Path) -> Path:
    """Where the coordinates of these embeddings are kept."""
    digest = hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()[:24]
    return folder / f"{method.lower()}-{digest}.npy"


def place(query: np.ndarray, values: np.ndarray, coordinates: np.ndarray, method: str) -> np.ndarray:
    """(2,) where a new embedding (D,) lies: projected for PCA, else the middle of its three most alike samples."""
    if method == "PCA":
        _, mean, axes = pca(values)
        return (query - mean) @ axes
    return coordinates[np.argsort(-(values @ query))[:3]].mean(0)


def _tsne(values: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(1.0, (len(values) - 1) / 3))
    return TSNE(2, perplexity=perplexity, init="pca", metric="cosine", random_state=SEED).fit_transform(values)


def _umap(values: np.ndarray) -> np.ndarray:
    umap = importlib.import_module("umap")  # not a requirement, so type checkers do not find it
    neighbours = min(15, len(values) - 1)
    return umap.UMAP(n_neighbors=neighbours, metric="cosine", random_state=SEED, n_jobs=1).fit_transform(values)


SLOW: dict[str, Callable[[np.ndarray], np.ndarray]] = {"t-SNE": _tsne, "UMAP": _umap}
