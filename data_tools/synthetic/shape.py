"""The bare head: solids blended into a skull, face and nose, then sampled on a grid of directions from its middle.

The origin lies between the ears at the height of the eyes. Only the right half is sampled; the other is its mirror
image, and a smooth warp of the identity's own makes the two differ a little, as they do in people.
"""

from __future__ import annotations

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .noise import fractal
from .solids import capsule, carve, ellipsoid, union

CENTRE = np.array([0.0, -1.5, 0.0], np.float32)
ROWS, HALF_COLUMNS = 250, 125
EYE_RADIUS = 1.30
LID_THICKNESS = 0.10


def directions() -> np.ndarray:
    """Unit directions (ROWS, HALF_COLUMNS, 3) of the right half of the head, denser on the face."""
    t = np.linspace(0, 1, HALF_COLUMNS)
    azimuth = np.pi * (0.38 * t + 0.62 * t**3)
    u = np.linspace(-1, 1, ROWS)
    elevation = np.deg2rad(-15 + 55 * u + np.where(u > 0, 49.0, 15.0) * u**3)[::-1]
    el, az = np.meshgrid(elevation, azimuth, indexing="ij")
    return np.stack([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)], -1).astype(np.float32)


def head_distance(points: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """Signed distance (N,) in cm of points (N, 3) with x >= 0 to the head of shape `s`."""
    d = _skull_and_face(points, s)
    d = _jaw(points, s, d)
    d = _mouth(points, s, d)
    d = _eyes(points, s, d)
    return _nose(points, s, d)


def _skull_and_face(p: np.ndarray, s: dict[str, float]) -> np.ndarray:
    slope, wide = s["forehead_slope"], s["face_width"]
    d = ellipsoid(p, (0, 3.1, -1.0), (s["skull_width"], s["skull_height"], 9.4))
    d = union(d, ellipsoid(p, (0, 4.2 + 0.4 * slope, 2.3 + 0.35 * slope), (wide + 0.1, 5.0, 6.4)), 2.0)
    d = union(d, ellipsoid(p, (0, -3.4, 2.2), (wide - 0.1, 7.3, 6.2)), 1.6)
    brow, height = s["brow_ridge"], s["brow_height"]
    d = union(d, capsule(p, (0.3, height - 0.15, 8.0), (4.4, height + 0.1, 6.2), brow, brow * 0.9), 1.6)
    x, size = s["cheekbone_width"], s["cheekbone_size"]
    d = union(d, ellipsoid(p, (x - 0.6, -2.3, 5.6), (1.9 * size, 1.25 * size, 1.5)), 2.6)
    d = union(d, capsule(p, (x - 0.1, -1.8, 4.9), (wide - 0.1, -1.0, 0.6), 0.65 * size, 0.6), 2.4)
    fat = s["cheek_fat"] + 0.45 * s["heavy"]
    return union(d, ellipsoid(p, (3.4, -5.0, 5.0), (2.1 * fat, 3.0, 1.9 * fat)), 2.0)


def _jaw(p: np.ndarray, s: dict[str, float], d: np.ndarray) -> np.ndarray:
    x, y, chin = s["jaw_width"] - 0.4, s["jaw_height"], s["chin_height"]
    fat = 0.35 * s["heavy"]
    front = (0.15 * s["chin_width"], chin + 0.75, s["chin_depth"] - 0.5)
    d = union(d, capsule(p, (x, y, 1.6), front, 1.25 + fat, 1.1 + fat), 1.5)
    d = union(d, capsule(p, (x, y, 1.4), (x + 0.6, -2.0, 0.8), 1.65 + fat, 1.25), 1.6)
    d = union(d, ellipsoid(p, (0, chin + 0.95, s["chin_depth"]), (s["chin_width"] + 0.55, 1.2, 1.2)), 2.2)
    return union(d, ellipsoid(p, (0, chin + 2.0, 2.0), (4.0, 1.9 + fat, 5.5)), 1.5)


def _mouth(p: np.ndarray, s: dict[str, float], d: np.ndarray) -> np.ndarray:
    """The mound of the teeth; the lips themselves are relief (see relief.py)."""
    return union(d, ellipsoid(p, (0, s["mouth_height"] + 0.1, 6.75 + s["muzzle"]), (3.4, 2.6, 2.5)), 1.5)


def _eyes(p: np.ndarray, s: dict[str, float], d: np.ndarray) -> np.ndarray:
    x, y, z = s["eye_distance"], s["eye_height"], s["eye_depth"]
    d = carve(d, ellipsoid(p, (x - 0.1, y + 0.45, z + 2.2), (1.9, 0.8, 1.3)), 1.3)
    d = carve(d, ellipsoid(p, (x - 1.5, y + 0.2, z + 2.1), (0.6, 0.8, 1.1)), 1.0)
    d = carve(d, ellipsoid(p, (x + 2.5, y + 0.15, z + 1.2), (1.1, 0.75, 1.5)), 1.0)
    lid = EYE_RADIUS + LID_THICKNESS
    return union(d, ellipsoid(p, (x, y, z), (lid + 0.12, lid, lid)), 0.95)


def _nose(p: np.ndarray, s: dict[str, float], d: np.ndarray) -> np.ndarray:
    root = (0, 0.6, s["nose_bridge"] - 0.55)
    width, size = s["nose_width"], s["nose_tip"]
    depth = s["nose_depth"] - size
    tip_y, base = -s["nose_length"] + s["nose_lift"], -s["nose_length"] - 0.1
    middle = (0, 0.45 * tip_y, 0.5 * (root[2] + depth) + 0.1 + s["nose_hump"])
    d = union(d, capsule(p, (0.3, 0, root[2] - 0.6), (0.62 * width, base + 0.5, depth - 1.75), 0.5, 0.85), 0.9)
    d = union(d, capsule(p, root, middle, 0.36, 0.38), 0.9)
    d = union(d, capsule(p, middle, (0, tip_y + 0.2, depth), 0.38, size * 0.8), 0.8)
    d = union(d, ellipsoid(p, (0, tip_y, depth), (size * 1.05, size * 0.95, size)), 0.5)
    d = union(d, ellipsoid(p, (width, base, depth - 1.0), (0.55, 0.55, 0.9)), 0.5)
    d = union(d, capsule(p, (0, tip_y - 0.25, depth - 0.2), (0, base - 0.4, depth - 1.6), 0.4, 0.42), 0.5)
    return carve(d, ellipsoid(p, (0.5 * width, base - 0.52, depth - 0.7), (0.22 + 0.1 * width, 0.3, 0.5)), 0.25)


def trace(s: dict[str, float], steps: int = 26) -> np.ndarray:
    """Points (ROWS, HALF_COLUMNS, 3) where the directions first meet the head, coming from outside."""
    ray = directions().reshape(-1, 3)
    radius = np.full(len(ray), 15.0, np.float32)
    for _ in range(steps):
        radius -= 0.9 * head_distance(CENTRE + ray * radius[:, None], s)
        radius = np.maximum(radius, 1.0)
    return (CENTRE + ray * radius[:, None]).reshape(ROWS, HALF_COLUMNS, 3)


def head_points(shape: dict[str, float], seed: int) -> np.ndarray:
    """The whole head (ROWS, 2 * HALF_COLUMNS - 1, 3), left half mirrored, closed at the back, slightly asymmetric."""
    half = trace(shape)
    mirrored = half[:, :0:-1] * np.array([-1, 1, 1], np.float32)
    return warp(np.concatenate([mirrored, half], axis=1), seed)


def warp(points: np.ndarray, seed: int) -> np.ndarray:
    """Move points (..., 3) by an identity's own smooth noise: up to about 2 mm over 12 cm: no face is symmetric."""
    shift = np.stack([fractal(points + 40, seed + i, 14.0, 2) for i in range(3)], -1)
    back = points[..., 2:] * 0 + ramp(points[..., 2:], -9, -4)
    return (points + 0.11 * shift * back).astype(np.float32)
