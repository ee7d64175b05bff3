"""Signed distances of the few solids that a head is modelled from, and their smooth union and difference.

Formulas: Inigo Quilez, "Distance functions" and "Smooth minimum" (iquilezles.org/articles). Points are (N, 3),
distances (N,).
"""

from __future__ import annotations

import numpy as np


def ellipsoid(points: np.ndarray, centre, radii) -> np.ndarray:
    """Approximate distance to an axis-aligned ellipsoid (exact on its surface)."""
    local = points - np.asarray(centre, np.float32)
    radii = np.asarray(radii, np.float32)
    k0 = np.sqrt(np.einsum("ni,ni->n", local / radii, local / radii))
    k1 = np.sqrt(np.einsum("ni,ni->n", local / radii**2, local / radii**2)) + 1e-6
    return k0 * (k0 - 1) / k1


def capsule(points: np.ndarray, start, end, radius_start: float, radius_end: float) -> np.ndarray:
    """Distance to a rod whose radius runs from `radius_start` to `radius_end`."""
    start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
    axis = end - start
    along = np.clip((points - start) @ axis / (axis @ axis), 0, 1)
    gap = points - start - along[:, None] * axis
    return np.sqrt(np.einsum("ni,ni->n", gap, gap)) - (radius_start + (radius_end - radius_start) * along)


def union(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Join two solids with a fillet of about `blend` cm."""
    overlap = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - overlap * overlap * blend * 0.25


def carve(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Take solid b out of solid a, with a rounded edge of about `blend` cm."""
    return -union(-a, b, blend)
