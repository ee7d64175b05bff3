"""Glasses and hats, fitted to the head they sit on."""

from __future__ import annotations

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .mesh import Patch, Strands, patch, tube
from .noise import noise3

# half width, half height in cm and squareness (2 = oval, larger = squarer) of a rim; radius of its wire
FRAMES = ((2.35, 1.75, 2.2, 0.10), (2.55, 1.55, 4.0, 0.17), (2.15, 2.0, 2.0, 0.06))
FRAME_COLOURS = ((0.02, 0.02, 0.022), (0.10, 0.04, 0.018), (0.28, 0.24, 0.16))


def glasses(head: np.ndarray, s: dict[str, float], kind: int) -> list[Patch]:
    """Rims, bridge and temples (patches) of frame number `kind`, in front of the eyes of the head (H, W, 3)."""
    half_width, half_height, power, wire = FRAMES[kind]
    front = s["eye_depth"] + 2.35
    ear_x = np.abs(head[..., 0]).max() - 0.15
    parts = [_bridge(s, half_width, front, wire)]
    for side in (-1, 1):
        centre = np.array([side * (s["eye_distance"] + 0.12), s["eye_height"] - 0.15, front])
        parts.append(tube(_rim(centre, half_width, half_height, power, side), wire, 8))
        hinge = centre + np.array([side * half_width, 0.4, -0.55])
        ends = np.array([hinge, [side * (ear_x + 0.1), hinge[1], 3.0], [side * (ear_x + 0.1), hinge[1] - 0.2, -1.2]])
        t = np.linspace(0, 2, 30)[:, None]
        path = np.where(t < 1, ends[0] + (ends[1] - ends[0]) * t, ends[1] + (ends[2] - ends[1]) * (t - 1))
        parts.append(tube(path, max(wire, 0.1), 8, 1.6))
    return [patch(points, FRAME_COLOURS[kind], 0.8, "frame") for points in parts]


def _rim(centre: np.ndarray, half_width: float, half_height: float, power: float, side: int) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 61)
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power) * half_width
    y = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / power) * half_height
    return centre + np.stack([x, y, -0.09 * np.maximum(x * side, 0) ** 2], -1)


def _bridge(s: dict[str, float], half_width: float, front: float, wire: float) -> np.ndarray:
    gap = s["eye_distance"] + 0.12 - half_width
    x = np.linspace(-gap, gap, 20)
    arch = 0.22 * (1 - (x / max(gap, 0.1)) ** 2)
    return tube(np.stack([x, s["eye_height"] + 0.35 + arch, front + 0.6 * arch], -1), wire, 8)


def hat(head: np.ndarray, kind: int, colour: tuple[float, float, float], seed: int) -> list[Patch]:
    """A knitted cap (kind 0) or a cap with a visor (kind 1) over the upper part of the head (H, W, 3)."""
    edge = hat_edge(head, kind)
    outward = head - np.array([0, 1.0, 0])
    outward = outward / np.linalg.norm(outward, axis=2, keepdims=True)
    away = (0.75 if kind else 0.95) + 0.12 * noise3(head + 3, seed, 3.0)
    knit = 0.05 * np.sin(head[..., 0] * 9) if kind == 0 else 0
    shell = head + outward * (away + knit)[..., None] if kind == 0 else head + outward * away[..., None]
    folded = 0.3 * ramp(head[..., 1] - edge, 2.2, 2.0) * (kind == 0)
    crown = patch(shell + outward * folded[..., None], colour, 0.05, "cloth", head[..., 1] - edge)
    return [crown, _visor(head, colour)] if kind else [crown]


def hat_edge(points: np.ndarray, kind: int) -> np.ndarray:
    """The height (...,) above which a hat of this kind covers points (..., 3) of the head."""
    start, slope = ((3.6, 0.24), (3.9, 0.14))[kind]
    return start + slope * np.clip(points[..., 2], -6, 8)


def under_hat(hair: Strands, kind: int) -> Strands:
    """The strands whose roots a hat leaves free."""
    free = hair.points[:, 0, 1] < hat_edge(hair.points[:, 0], kind)
    return Strands(hair.points[free], hair.albedo[free], hair.shine)


def _visor(head: np.ndarray, colour: tuple[float, float, float]) -> Patch:
    around, out = np.linspace(-1, 1, 70)[None], np.linspace(0, 1, 24)[:, None]
    reach = 0.6 + 6.0 * out * np.sqrt(np.maximum(1 - around**2, 0.02))
    front = head[head[..., 1] > 4.2][:, 2].max()
    x = 6.2 * np.sin(around * 1.35) * (1 + 0.04 * out)
    z = front - 6.0 * (1 - np.cos(around * 1.35)) + reach - 0.4
    y = 4.9 - 0.7 * out - 0.055 * x**2 * (0.4 + 0.6 * out)
    return patch(np.stack(np.broadcast_arrays(x, y, z), -1), np.array(colour) * 0.9, 0.08, "cloth")
