"""Where the openings and borders of a face lie: lid edges, mouth line, lip borders, as functions of the shape.

Coordinates are those of the front of the face at rest (x, y in cm); `u` and `v` are measured from the middle of an eye,
u positive towards the ear.
"""

from __future__ import annotations

import numpy as np

from .noise import bump


def eye_coordinates(points: np.ndarray, s: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """(u, v) of points (..., 3) in the eye of their own side."""
    u = np.abs(points[..., 0]) - s["eye_distance"]
    return u, points[..., 1] - s["eye_height"] - s["eye_tilt"] * u


def lid_edges(u: np.ndarray, s: dict[str, float], opening: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Heights (upper, lower) of the lid edges over `u`; equal beyond the corners. `opening` 0 is closed, 1 at rest."""
    t = np.clip(u / s["eye_width"], -1, 1)
    arch = (1 - t**2) ** 0.75
    high = s["eye_open"] * arch * (1.0 - 0.12 * t) * opening - 0.12 * (1 - opening) * arch
    low = -0.36 * (1 - t**2) * (1 + 0.15 * t) * (0.55 + 0.45 * opening)
    return high, np.minimum(low, high)


def lid_gap(points: np.ndarray, s: dict[str, float], opening: float) -> np.ndarray:
    """Signed height (...,) of skin beyond the nearer lid edge: negative inside the eye opening."""
    u, v = eye_coordinates(points, s)
    high, low = lid_edges(u, s, opening)
    gap = np.maximum(v - high, low - v)
    return np.where(points[..., 2] > 4.0, gap, 1.0)


def mouth_line(x: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """Height of the line between the lips over x."""
    t = np.clip(np.abs(x) / s["mouth_width"], 0, 1.2)
    return s["mouth_height"] - 0.05 * bump(t, 0.18) + 0.06 * bump(t - 0.4, 0.2) + 0.02 * t**2


def lip_borders(x: np.ndarray, s: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Thickness of the upper and of the lower lip over x; 0 beyond the corners."""
    t = np.clip(np.abs(x) / s["mouth_width"], 0, 1)
    upper = s["lip_upper"] * ((1 - t**1.6) ** 0.9 * 1.75 + 0.5 * bump(t - 0.2, 0.12) - 0.22 * bump(t, 0.08))
    lower = s["lip_lower"] * 1.85 * (1 - t**2.2) ** 0.85
    return upper, lower
