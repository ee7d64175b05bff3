"""What drawing and turning heads share: rotations, triangles of grids, smooth steps.

Lengths are centimetres; x points to the image's right, y up, z to a camera that sees the face from the front.
"""

from __future__ import annotations

import numpy as np


def head_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix (3, 3) from head to room, angles in degrees.

    Positive yaw turns the face to the image's right, positive pitch lifts it, positive roll tilts it clockwise there.
    """
    y, p, r = np.deg2rad([yaw, -pitch, -roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def grid_triangles(height: int, width: int) -> np.ndarray:
    """Vertex numbers (T, 3) of the two triangles of every cell of a height x width grid."""
    corner = np.arange(height * width, dtype=np.int32).reshape(height, width)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])


def ramp(x: np.ndarray, start: float | np.ndarray, end: float | np.ndarray) -> np.ndarray:
    """Smooth step from 0 at `start` to 1 at `end` (which may lie below `start`)."""
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)
