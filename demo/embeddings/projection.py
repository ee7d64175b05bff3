"""Embeddings in two dimensions: PCA at once, t-SNE and UMAP from their libraries, kept on disk once computed.

Of large datasets a sample decides: PCA's axes are those of AXES_FROM images, and t-SNE and UMAP place LANDMARKS images,
between which the others come to lie.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from pathlib import Path

import numpy as np

from demo.common.apart import run_apart
from demo.common.vectors import principal_axes, products, rows_of
from demo.embeddings.neighbour_maps import BETWEEN, SEED
from sfpn.files import whole_file

PCA_FIRST = 50  # dimensions that t-SNE and UMAP start from
AXES_FROM, LANDMARKS = 10_000, 5_000  # images drawn by chance, where there are more
LIBRARIES = {"PCA": None, "t-SNE": "sklearn", "UMAP": "umap"}  # the last one, umap-learn, is not in requirements.txt


def available() -> list[str]:
    """The methods whose libraries are installed."""
    return [name for name, library in LIBRARIES.items() if library is None or importlib.util.find_spec(library)]


def pca(values: np.ndarray, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, d) coordinates, the (D,) mean and the (D, d) axes of the largest variance, each axis with a fixed sign."""
    mean, axes = principal_axes(rows_of(values, drawn(len(values), AXES_FROM)), dimensions)
    return products(values, axes) - mean @ axes, mean, axes


def drawn(count: int, most: int) -> np.ndarray:
    """Positions of at most `most` of `count` images, by chance with a fixed seed, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, most, replace=False))


def note(count: int, method: str) -> str:
    """What must be said of a projection of so many images, '' where it is as usual."""
    if method == "PCA" and count > AXES_FROM:
        return f"The axes are those of {AXES_FROM:,} images drawn by chance; all {count:,} are on the map."
    if method != "PCA" and count > LANDMARKS:
        return (
            f"{method} placed {LANDMARKS:,} images drawn by chance; each of the other {count - LANDMARKS:,} lies "
            f"between the {BETWEEN} of them that are most alike to it."
        )
    return ""


def project(values: np.ndarray, method: str, folder: Path) -> np.ndarray:
    """(N, 2) float32 coordinates by a method of LIBRARIES; slow ones are kept in `folder` by their source."""
    if method == "PCA":
        return pca(values)[0].astype(np.float32)
    file = kept_file(values, method, folder)
    if not file.is_file():
        with tempfile.TemporaryDirectory() as name:
            files = [Path(name) / f"{what}.npy" for what in ("values", "landmarks", "coordinates")]
            np.save(files[0], pca(values, min(PCA_FIRST, *values.shape))[0])
            np.save(files[1], drawn(len(values), LANDMARKS))
            run_apart("demo.embeddings.neighbour_maps", method, *map(str, files))
            with whole_file(file) as temporary:
                shutil.copyfile(files[2], temporary)
    return np.load(file, allow_pickle=False)


def kept_file(values: np.ndarray, method: str, folder: Path) -> Path:
    """Where the coordinates of these embeddings are kept."""
    digest = hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()[:24]
    return folder / f"{method.lower()}-{digest}.npy"


def place(query: np.ndarray, values: np.ndarray, coordinates: np.ndarray, method: str) -> np.ndarray:
    """(2,) where a new embedding (D,) lies: projected for PCA, else the middle of its three most alike samples."""
    if method == "PCA":
        mean, axes = principal_axes(rows_of(values, drawn(len(values), AXES_FROM)), 2)
        return (query - mean) @ axes
    return coordinates[np.argsort(-products(values, query))[:BETWEEN]].mean(0)
