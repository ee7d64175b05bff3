"""Grid patches and strands: the only two kinds of geometry that the renderer draws.

A patch is a rectangular grid of points, so its normals are finite differences and its triangles need no list of their
own. Lengths are centimetres; x points to the image's right, y up, z towards a camera that sees the face from the front.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MATERIALS = ("skin", "eye", "cloth", "frame", "mouth", "hair")


@dataclass(frozen=True)
class Patch:
    """A grid of surface points.

    points (H, W, 3) cm; albedo (H, W, 3) linear RGB 0-1; gloss (H, W) 0-1; cut (H, W) or None: where its interpolation
    is negative the surface is open (eye and mouth openings, outlines of ears).
    """

    points: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    material: str
    cut: np.ndarray | None = None

    def moved(self, points: np.ndarray) -> Patch:
        """The same patch with other points (H, W, 3)."""
        return replace(self, points=points)


@dataclass(frozen=True)
class Strands:
    """Hairs as polylines: points (N, K, 3) cm, albedo (N, 3) linear RGB, shine 0-1, roots of the strands first."""

    points: np.ndarray
    albedo: np.ndarray
    shine: float = 0.5

    def moved(self, points: np.ndarray) -> Strands:
        """The same strands with other points (N, K, 3)."""
        return replace(self, points=points)


def patch(points: np.ndarray, albedo, gloss, material: str, cut: np.ndarray | None = None) -> Patch:
    """Build a patch, spreading one colour or one gloss over the whole grid where that is all there is."""
    shape = points.shape[:2]
    albedo = np.broadcast_to(np.asarray(albedo, np.float32), (*shape, 3))
    gloss = np.broadcast_to(np.asarray(gloss, np.float32), shape)
    return Patch(points.astype(np.float32), albedo, gloss, material, cut)


def grid_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals (H, W, 3) of a grid; a grid whose last column repeats its first is taken as closed."""
    closed = np.allclose(points[:, 0], points[:, -1], atol=1e-5)
    if closed:
        points = np.concatenate([points[:, -2:-1], points, points[:, 1:2]], axis=1)
    down, across = np.gradient(points, axis=0), np.gradient(points, axis=1)
    if closed:
        down, across = down[:, 1:-1], across[:, 1:-1]
    normal = np.cross(down, across)
    return normal / (np.linalg.norm(normal, axis=2, keepdims=True) + 1e-9)


def tube(path: np.ndarray, radius: float, sides: int = 8, flatten: float = 1.0) -> np.ndarray:
    """Points (K, sides + 1, 3) of a tube of `radius` cm around a polyline `path` (K, 3), flattened along y if asked."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(tangent[:, 1:2]) > 0.9, np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]]))
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-9
    second = np.cross(first, tangent) * flatten
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    return path[:, None] + radius * ring
