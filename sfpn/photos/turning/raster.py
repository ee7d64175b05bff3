"""A z-buffer rasteriser in numpy: every triangle's bounding box becomes fragments, and the nearest of a pixel wins.

Triangles are about a pixel in size, so boxes are small and the whole picture is a few array operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EMPTY = np.iinfo(np.uint64).max
DEPTH_STEPS = 20000.0  # depth resolution: steps per cm


@dataclass(frozen=True)
class Hits:
    """What the camera sees: flat pixel numbers (P,), the triangle seen (P,), corner weights (P, 3), depth (S, S)."""

    pixel: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


def fragments(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover triangles with pixels: corners (T, 3, 2) in pixels -> triangle number, pixel number, weights (F, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    low = np.ceil(np.minimum(np.minimum(a, b), c) - np.float32(0.5)).clip(0, size).astype(np.int32)
    high = np.floor(np.maximum(np.maximum(a, b), c) - np.float32(0.5)).clip(-1, size - 1).astype(np.int32) + 1
    extent = np.maximum(high - low, 0)
    triangle = np.flatnonzero((extent[:, 0] > 0) & (extent[:, 1] > 0))
    low, extent, corners = low[triangle], extent[triangle], corners[triangle]
    count = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(triangle)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    down, across = np.divmod(step.astype(np.int32), extent[owner, 0])
    x, y = low[owner, 0] + across, low[owner, 1] + down
    weights = barycentric(corners, owner, x + np.float32(0.5), y + np.float32(0.5))
    inside = np.minimum(np.minimum(weights[0], weights[1]), weights[2]) >= -1e-4
    return triangle[owner[inside]], (y * size + x)[inside], weights[:, inside].T


def barycentric(corners: np.ndarray, owner: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights (3, F) of the corners of triangle `owner` (F,) at the points (x, y)."""
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(np.abs(area) < 1e-9, np.float32(1e-9), area)[:, None]
    ab, ac = (ab / area)[owner], (ac / area)[owner]
    dx, dy = x - a[owner, 0], y - a[owner, 1]
    second = dx * ac[:, 1] - dy * ac[:, 0]
    third = dy * ab[:, 0] - dx * ab[:, 1]
    return np.stack([1 - second - third, second, third])


def rasterise(projected: np.ndarray, triangles: np.ndarray, size: int, cut: np.ndarray, closed: np.ndarray) -> Hits:
    """Draw triangles (T, 3) of vertices (V, 3: x, y pixels, depth cm).

    Where `cut` (V,) interpolates below 0 there is a hole. Triangles of `closed` surfaces (T,) seen from behind are left
    out before they cost anything; their corners run clockwise as seen from the front.
    """
    number = np.flatnonzero(~closed | faces_camera(projected, triangles))
    triangles = triangles[number]
    corners = projected[triangles].astype(np.float32)
    owner, pixel, weights = fragments(corners[..., :2], size)
    open_corner = cut < 0
    torn = open_corner[triangles[:, 0]] | open_corner[triangles[:, 1]] | open_corner[triangles[:, 2]]
    suspect = np.flatnonzero(torn[owner])
    solid = np.ones(len(owner), bool)
    solid[suspect] = np.einsum("fk,fk->f", weights[suspect], cut[triangles[owner[suspect]]]) >= 0
    owner, pixel, weights = owner[solid], pixel[solid], weights[solid]
    depth = np.einsum("fk,fk->f", weights, corners[owner, :, 2])
    key = (depth * DEPTH_STEPS).astype(np.uint64) << np.uint64(32) | np.arange(len(owner), dtype=np.uint64)
    buffer = np.full(size * size, EMPTY, np.uint64)
    np.minimum.at(buffer, pixel, key)
    seen = np.flatnonzero(buffer != EMPTY)
    winner = (buffer[seen] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    depth_map = np.full(size * size, np.inf, np.float32)
    depth_map[seen] = depth[winner]
    return Hits(seen, number[owner[winner]], weights[winner].astype(np.float32), depth_map.reshape(size, size))


def faces_camera(projected: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Whether each triangle (T,) shows its front, by the sign of its area in the picture."""
    x, y = projected[:, 0], projected[:, 1]
    a, b, c = triangles.T
    xa, ya = x[a], y[a]
    return (x[b] - xa) * (y[c] - ya) - (x[c] - xa) * (y[b] - ya) > 0


def splat(points: np.ndarray, depth_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw points (N, 3: x, y pixels, depth cm) over a depth map (S, S): numbers of pixels and of the points seen."""
    size = len(depth_map)
    across, down = points[:, 0], points[:, 1]
    inside = np.flatnonzero((across >= 0) & (across < size) & (down >= 0) & (down < size))
    pixel = down[inside].astype(np.int32) * size + across[inside].astype(np.int32)
    near = points[inside, 2] < depth_map.ravel()[pixel]
    inside, pixel = inside[near], pixel[near]
    key = (points[inside, 2] * DEPTH_STEPS).astype(np.uint64) << np.uint64(32) | inside.astype(np.uint64)
    buffer = np.full(size * size, EMPTY, np.uint64)
    np.minimum.at(buffer, pixel, key)
    seen = np.flatnonzero(buffer != EMPTY)
    return seen, (buffer[seen] & np.uint64(0xFFFFFFFF)).astype(np.int64)
