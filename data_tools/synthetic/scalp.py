"""Where head hair grows, and how far the head reaches in any direction (so that hair can lie on it)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from sfpn.photos.turning.geometry import ramp

from .identity import Identity
from .noise import bump, noise3
from .shape import CENTRE

# z (front to back) and the lowest y that has hair there, cm
LINE_Z = np.array([-12.0, -8.0, -6.0, -4.0, -2.2, -0.8, 0.6, 1.9, 2.4, 3.4, 4.8, 6.0, 7.4, 12.0])
LINE_Y = np.array([-8.0, -8.0, -7.2, -5.0, -2.2, 1.6, 0.2, -0.6, 1.6, 3.0, 4.3, 5.3, 5.9, 6.1])


def scalp_mask(points: np.ndarray, person: Identity) -> np.ndarray:
    """1 (...,) where hair grows, 0 on bare skin, with an uneven border."""
    x, y, z = np.moveaxis(points, -1, 0)
    temple = person.hairline * bump(np.abs(x) - 4.2, 1.6) * 1.3 + 0.6 * person.hairline
    line = np.interp(z, LINE_Z, LINE_Y) + np.maximum(temple, -0.8) * ramp(z, 1.5, 4.5)
    if person.masculine < 0:
        line = np.where(z > 1.0, np.maximum(line, np.interp(z, [1.0, 2.2], [-0.2, 2.0])), line)
    return ramp(y - line + 0.25 * noise3(points + 12, person.seed + 71, 1.2), -0.25, 0.35)


class HeadRadius:
    """How far the head's surface is from its centre in any direction."""

    def __init__(self, head: np.ndarray):
        offset = head - CENTRE
        self.radius = np.linalg.norm(offset, axis=2)
        middle = head.shape[1] // 2
        self.elevation = np.arcsin(offset[:, middle, 1] / self.radius[:, middle])
        row = len(offset) // 2
        azimuth = np.unwrap(np.arctan2(offset[row, :, 0], offset[row, :, 2]))
        self.azimuth = azimuth - azimuth[middle]

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance of points (N, 3) from the centre, and the head's radius (N,) in their direction."""
        offset = points - CENTRE
        distance = np.linalg.norm(offset, axis=1) + 1e-6
        elevation = np.arcsin(np.clip(offset[:, 1] / distance, -1, 1))
        rows = np.interp(-elevation, -self.elevation, np.arange(len(self.elevation)))
        columns = np.interp(np.arctan2(offset[:, 0], offset[:, 2]), self.azimuth, np.arange(len(self.azimuth)))
        return distance, map_coordinates(self.radius, [rows, columns], order=1, mode="nearest")
