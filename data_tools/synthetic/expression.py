"""Expressions: smooth movements of the face, given as functions of where a point lies at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .face_lines import mouth_line
from .noise import bump


@dataclass(frozen=True)
class Expression:
    """smile -1 to 1; parting of the lips and drop of the jaw in cm; brows -1 to 1; eyes 0 to 1.2; gaze in degrees."""

    smile: float = 0.0
    parting: float = 0.0
    brows: float = 0.0
    eye_opening: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)
    pupil: float = 0.22


def move(points: np.ndarray, s: dict[str, float], e: Expression) -> np.ndarray:
    """Move points (..., 3) of the face at rest to where the expression takes them."""
    x, y = points[..., 0], points[..., 1]
    side, ax = np.sign(x), np.abs(x)
    front = ramp(points[..., 2], 0.5, 5.0)
    corner = bump(np.hypot(ax - s["mouth_width"], y - s["mouth_height"]), 1.15) * front
    cheek = bump(np.hypot(ax - 3.9, y + 3.4), 1.4) * front
    brow = bump(np.hypot((ax - 2.6) / 1.7, y - s["brow_height"] - 0.5), 0.9) * front
    upper_lip = bump(ax, 1.8) * bump(y - s["mouth_height"] - 0.5, 0.6) * front
    below = (
        0.5
        * (1 - np.tanh((y - mouth_line(x, s)) / 0.10))
        * front
        * ramp(ax, s["mouth_width"] * 1.7, s["mouth_width"] * 0.75)
    )
    jaw = ramp(y, s["mouth_height"] + 1.0, s["mouth_height"] - 1.0) * front
    shift_x = side * (0.40 * e.smile * corner + 0.12 * e.smile * cheek)
    shift_y = e.smile * (0.36 * corner + 0.25 * cheek + 0.10 * upper_lip) + 0.42 * e.brows * brow
    shift_y = shift_y - e.parting * (0.6 * below * ramp(ax, s["mouth_width"] * 1.05, 0) + 0.4 * jaw)
    shift_z = e.smile * (-0.28 * corner + 0.28 * cheek - 0.15 * upper_lip) - 0.12 * e.parting * jaw
    return (points + np.stack([shift_x, shift_y, shift_z], -1)).astype(np.float32)


def mouth_cut(points: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """Negative (...,) on the strip at rest that tears when the lips part."""
    gap = np.abs(points[..., 1] - mouth_line(points[..., 0], s)) - 0.055
    inside = (np.abs(points[..., 0]) < s["mouth_width"] * 0.97) & (points[..., 2] > 5)
    return np.where(inside, gap, 1.0)
