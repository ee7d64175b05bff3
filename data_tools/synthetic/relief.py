"""Fine relief of the face at rest: lips, philtrum, lid folds, folds of age; all as displacement of the traced head."""

from __future__ import annotations

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .face_lines import eye_coordinates, lid_edges, lip_borders, mouth_line
from .identity import Identity
from .noise import bump, fractal


def add_relief(points: np.ndarray, person: Identity) -> np.ndarray:
    """Displace the head's points (H, W, 3) outward by lips, folds and wrinkles."""
    front = ramp(points[..., 2], 2.0, 4.5)
    amount = lips(points, person.shape) + _mouth_surround(points, person.shape) + _eye_folds(points, person)
    amount = amount + _age_folds(points, person) + 0.012 * fractal(points + 60, person.seed + 7, 0.9, 2)
    outward = points * np.array([0.09, 0.0, 0.0]) + np.array([0, 0, 1.0])
    return (points + (amount * front)[..., None] * outward).astype(np.float32)


def lips(p: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """Height of the lips over the mound of the mouth, with the groove between them."""
    x, y = p[..., 0], p[..., 1] - mouth_line(p[..., 0], s)
    upper, lower = lip_borders(x, s)
    t = np.clip(np.abs(x) / s["mouth_width"], 0, 1.3)
    up, low = np.clip(y / (upper + 1e-3), 0, 1), np.clip(-y / (lower + 1e-3), 0, 1)
    fade = ramp(t, 1.03, 0.6)
    roll = np.sin(np.pi * up**0.75) * (0.09 + 0.52 * s["lip_upper"]) + np.sin(np.pi * low**0.7) * (
        0.11 + 0.58 * s["lip_lower"]
    )
    groove = -0.16 * bump(y, 0.07) * ramp(t, 1.12, 0.9) - 0.14 * bump(t - 1.04, 0.09) * bump(y, 0.22)
    return roll * fade + groove


def _mouth_surround(p: np.ndarray, s: dict[str, float]) -> np.ndarray:
    x, y = p[..., 0], p[..., 1]
    top = s["mouth_height"] + 1.1
    philtrum = ramp(y, top - 0.7, top - 0.2) * ramp(y, top + 1.0, top + 0.5)
    ridges = 0.07 * bump(np.abs(x) - 0.42, 0.14) - 0.09 * bump(x, 0.22)
    below = -0.28 * bump(y - (s["mouth_height"] - 1.55), 0.38) * bump(x, 1.5)
    return philtrum * ridges + below


def _eye_folds(p: np.ndarray, person: Identity) -> np.ndarray:
    s = person.shape
    u, v = eye_coordinates(p, s)
    high, low = lid_edges(u, s)
    near = ramp(np.abs(u), s["eye_width"] + 0.5, s["eye_width"] - 0.35)
    fold = -0.11 * bump(v - high - s["lid_fold"], 0.075) * near
    hood = 0.10 * bump(v - high - s["lid_fold"] - 0.28, 0.18) * near
    rim = 0.035 * (bump(v - high - 0.07, 0.06) + bump(v - low + 0.07, 0.06)) * near
    bag = (0.04 + 0.10 * person.wrinkles) * (bump(v - low + 0.5, 0.2) - 1.2 * bump(v - low + 0.95, 0.14)) * near
    return fold + hood + rim + bag


def _age_folds(p: np.ndarray, person: Identity) -> np.ndarray:
    s, depth = person.shape, person.wrinkles
    x, y = np.abs(p[..., 0]), p[..., 1]
    base = -s["nose_length"]
    along = np.clip((base + 0.6 - y) / (base + 0.6 - s["mouth_height"] + 0.3), 0, 1.15)
    fold_x = s["nose_width"] + 0.75 + (s["mouth_width"] + 0.75 - s["nose_width"] - 0.75) * along**1.3
    shown = ramp(along, 0.0, 0.12) * ramp(along, 1.15, 0.85)
    folds = -(0.05 + 0.16 * depth) * bump(x - fold_x, 0.14) * shown + 0.07 * bump(x - fold_x - 0.5, 0.35) * shown
    wavy = y + 0.25 * np.cos(p[..., 0] * 0.55 + person.seed % 7)
    forehead = ramp(y, 3.0, 3.8) * ramp(y, 7.0, 6.0) * ramp(x, 4.5, 3.0)
    lines = -0.05 * depth * np.maximum(np.sin(wavy * 7.5), 0) ** 4 * forehead
    frown = -0.07 * depth * bump(x - 0.45, 0.1) * bump(y - s["brow_height"] - 0.2, 0.6)
    crow = ramp(x, s["eye_distance"] + 1.6, s["eye_distance"] + 2.0) * ramp(
        x, s["eye_distance"] + 3.3, s["eye_distance"] + 2.4
    )
    rays = -0.05 * depth * np.maximum(np.sin((y - s["eye_height"]) * 8.0 / (x - s["eye_distance"] + 0.5) * 1.6), 0) ** 3
    return folds + lines + frown + rays * crow * bump(y - s["eye_height"], 0.9)
