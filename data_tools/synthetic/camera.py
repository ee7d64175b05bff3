"""A perspective camera and the turning of the head in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Looks along -z from `distance` cm; a square picture of `size` pixels shows `field` cm at the head's middle."""

    size: int
    distance: float
    field: float
    centre: tuple[float, float] = (0.0, 0.0)  # the point (x, y) cm that the middle of the picture shows

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) cm -> (..., 3): x and y in pixels (y down), and the distance from the camera in cm."""
        depth = np.maximum(np.float32(self.distance) - points[..., 2], np.float32(1))
        scale = np.float32(self.size / self.field * self.distance) / depth
        x = self.size / 2 + (points[..., 0] - np.float32(self.centre[0])) * scale
        y = self.size / 2 - (points[..., 1] - np.float32(self.centre[1])) * scale
        return np.stack([x, y, depth], -1)


def head_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix (3, 3) from head to room, angles in degrees.

    Positive yaw turns the face to the image's right, positive pitch lifts it, positive roll tilts it clockwise there.
    """
    y, p, r = np.deg2rad([yaw, -pitch, -roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)
