"""Ears, neck and shoulders: grids of their own that join the head."""

from __future__ import annotations

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .identity import Identity
from .mesh import Patch, patch
from .noise import bump, fractal, noise3
from .skin import BLOOD, base_tone


def ear(person: Identity, head: np.ndarray, side: int) -> Patch:
    """One ear (side -1 or 1) on the head's points (H, W, 3): a disc whose relief is rim, fold and bowl."""
    t = np.linspace(0, 2 * np.pi, 73)[None]
    r = np.linspace(0, 1.12, 34)[:, None]
    back, up = r.clip(0, 1) * np.cos(t), r.clip(0, 1) * np.sin(t) * 1.0
    narrow = 1 - 0.38 * ramp(up, 0.1, -1.0)
    shape_a, shape_b = 1.75 * (1 + 0.95 * back * narrow), 3.0 * up
    relief = _ear_relief(r, back, up)
    size, flare = person.shape["ear_size"], person.shape["ear_flare"]
    along = np.array([side * np.sin(flare), -0.05, -np.cos(flare)])
    outward = np.array([side * np.cos(flare), 0, np.sin(flare)])
    upward = np.array([0.06 * side, 0.97, -0.22])
    local = shape_a[..., None] * along + shape_b[..., None] * upward + relief[..., None] * outward
    points = _ear_anchor(head, side) + size * local
    blood = 0.25 + 0.3 * person.redness + 0.2 * bump(r - 0.9, 0.12)
    tone = (
        base_tone(person)
        * np.exp(-blood[..., None] * BLOOD)
        * (1 - 0.55 * bump(np.hypot(back + 0.35, up + 0.1), 0.22))[..., None]
    )
    return patch(points[:, ::side], tone[:, ::side], 0.3, "skin")


def _ear_relief(r: np.ndarray, back: np.ndarray, up: np.ndarray) -> np.ndarray:
    rim_part = ramp(back + 0.8 * up, -0.9, -0.3)
    rim = 0.5 * bump(r - 0.9, 0.07) * rim_part
    fold = 0.42 * bump(np.hypot(back + 0.05, up - 0.05) - 0.52, 0.11) * ramp(back + 0.4 * up, -0.35, 0.1)
    bowl = -0.75 * bump(np.hypot(back + 0.22, up + 0.1), 0.28)
    tragus = 0.45 * bump(np.hypot(back + 0.68, (up + 0.12) * 0.7), 0.13)
    lobe = 0.18 * bump(np.hypot(back + 0.2, up + 0.85), 0.22)
    edge = -0.75 * ramp(r, 0.985, 1.12)
    attach = -0.55 * ramp(back, -0.6, -1.0)
    return 0.35 + rim + fold + bowl + tragus + lobe + edge + attach


def _ear_anchor(head: np.ndarray, side: int) -> np.ndarray:
    points = head.reshape(-1, 3)
    gap = np.square(points[:, 1] + 1.3) + np.square(points[:, 2] - 0.2) + 100 * (points[:, 0] * side < 0)
    return points[np.argmin(gap)] * np.array([1, 1, 1]) - np.array([side * 0.15, 0, 0])


def neck(person: Identity) -> Patch:
    """The neck from under the jaw to between the shoulders, with a hint of its muscles."""
    y = np.linspace(0.0, -19.0, 80)[:, None]
    around = np.linspace(-np.pi, np.pi, 121)[None]
    width = person.shape["neck_width"] * (1 + 0.9 * ramp(y, -13.0, -18.5) ** 2) * (0.85 + 0.15 * ramp(y, -4, -9))
    muscle = 1 + 0.05 * bump(np.abs(around) - 0.55 - 0.07 * (y + 10), 0.16)
    throat = 0.35 * max(person.masculine, 0) * bump(y + 11.8, 0.8) * bump(around, 0.15)
    x = width * np.sin(around) * muscle
    z = (5.0 + 0.2 * person.masculine) * np.cos(around) * muscle + throat - 2.4 + 0.16 * (y + 10) - 0.6 * ramp(y, -6, 0)
    points = np.stack(np.broadcast_arrays(x, y, z), -1)
    mottle = 1 + 0.05 * fractal(points + 30, person.seed + 24, 1.8)
    tone = base_tone(person) * np.exp(-(0.12 + 0.12 * person.redness) * BLOOD) * mottle[..., None]
    return patch(points, tone, 0.22, "skin")


def torso(person: Identity, colour: tuple[float, float, float], collar: float, seed: int) -> Patch:
    """Shoulders in a garment of linear RGB `colour`; `collar` cm is how far the neckline dips in front."""
    t = np.linspace(0, 1, 90)[:, None]
    around = np.linspace(-np.pi, np.pi, 161)[None]
    shoulder = 18.0 + 2.2 * person.masculine
    front = ramp(np.cos(around), 0.2, 1.0)
    neck_x, neck_z = person.shape["neck_width"] + 1.3, 6.3
    x = (neck_x + (shoulder - neck_x) * np.sin(np.pi / 2 * t**0.85)) * np.sin(around)
    z = (neck_z + 3.5 * np.sin(np.pi / 2 * t)) * np.cos(around) - 2.8 - 1.2 * t
    y = -14.6 - collar * front * (1 - t) - 3.4 * t - 16 * ramp(t, 0.45, 1.25) + 1.4 * (1 - front) * (1 - t)
    points = np.stack(np.broadcast_arrays(x, y, z), -1)
    points = points + 0.35 * fractal(points + 90, seed, 7.0, 3)[..., None] * np.array([0.3, 0.6, 1.0])
    hem = 1 - 0.35 * bump(t - 0.05, 0.012) + 0.05 * noise3(points * 1.0 + 30, seed + 1, 0.5)
    return patch(points, np.array(colour) * hem[..., None] * np.ones_like(points), 0.05, "cloth")
