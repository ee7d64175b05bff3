"""A perspective camera."""

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
