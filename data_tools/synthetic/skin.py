"""Colour and gloss of the skin at every point of the head, from a person's tone, blood, age, hair roots and marks."""

from __future__ import annotations

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .face_lines import eye_coordinates, lid_edges, lip_borders, mouth_line
from .identity import Identity
from .noise import bump, fractal, noise3

LIGHT_SKIN = np.array([0.78, 0.51, 0.385])  # linear RGB
DARK_SKIN = np.array([0.125, 0.062, 0.038])
BLOOD = np.array([0.05, 0.62, 0.56])  # how much more of each colour red skin takes up


def base_tone(person: Identity) -> np.ndarray:
    """Linear RGB of the person's skin without marks: light and dark mixed in the logarithm, as absorption adds up."""
    m = person.melanin
    return np.exp((1 - m) * np.log(LIGHT_SKIN) + m * np.log(DARK_SKIN))


def skin_albedo(points: np.ndarray, person: Identity, scalp: np.ndarray) -> np.ndarray:
    """Linear RGB (H, W, 3) at points of the head at rest; `scalp` (H, W) 0-1 says where head hair grows."""
    blood = 0.18 + person.redness * (
        0.30 * _flush(points, person.shape) + 0.10 * fractal(points + 9, person.seed + 21, 3.0)
    )
    tone = base_tone(person) * np.exp(-np.maximum(blood, 0)[..., None] * BLOOD)
    mottle = 0.05 * fractal(points + 30, person.seed + 22, 1.6, 3) + 0.03 * noise3(points + 30, person.seed + 23, 0.35)
    tone = tone * (1 + mottle[..., None]) * (1 - _marks(points, person)[..., None] * np.array([0.35, 0.5, 0.6]))
    tone = tone * (1 - _hair_roots(points, person, scalp)[..., None] * np.array([0.62, 0.55, 0.5]))
    tone = tone * (1 - _shades(points, person)[..., None])
    if person.hair not in ("bald", "buzz"):
        cover = 0.9 * scalp[..., None] ** 2
        tone = tone * (1 - cover) + cover * 0.5 * np.array(person.hair_colour)
    lip = lip_mask(points, person.shape)[..., None]
    return (tone * (1 - lip) + lip * _lip_colour(points, person)).astype(np.float32).clip(0.004, 0.95)


def lip_mask(p: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """1 on the red of the lips, 0 elsewhere, with a soft border."""
    y = p[..., 1] - mouth_line(p[..., 0], s)
    upper, lower = lip_borders(p[..., 0], s)
    inside = np.minimum(upper - y, y + lower)
    width = ramp(np.abs(p[..., 0]), s["mouth_width"] * 1.02, s["mouth_width"] * 0.9)
    return ramp(inside, -0.05, 0.1) * width * ramp(p[..., 2], 4, 6)


def gloss(points: np.ndarray, person: Identity) -> np.ndarray:
    """Gloss 0-1 (H, W): oilier on nose, forehead and lips."""
    x, y, z = np.moveaxis(points, -1, 0)
    oily = (
        0.3 * bump(x, 1.4) * ramp(z, 8.5, 10.5)
        + 0.15 * bump(y - 4.5, 2) * bump(x, 3)
        + 0.45 * lip_mask(points, person.shape)
    )
    return (0.28 + oily).astype(np.float32) * ramp(z, -6, 0)


def _flush(p: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """Where blood shows: cheeks, tip of the nose, chin, lids."""
    x, y = np.abs(p[..., 0]), p[..., 1]
    cheeks = bump(x - 4.0, 1.4) * bump(y + 3.6, 1.5)
    nose = bump(x, 1.1) * bump(y + s["nose_length"], 0.9)
    chin = 0.5 * bump(x, 1.3) * bump(y - s["chin_height"] - 1.0, 0.9)
    lids = 0.6 * bump(x - s["eye_distance"], 1.4) * bump(y, 0.8)
    return (cheeks + nose + chin + lids) * ramp(p[..., 2], 2, 5)


def _marks(p: np.ndarray, person: Identity) -> np.ndarray:
    """Freckles, moles and spots of age as darkness 0-1."""
    on_face = bump(p[..., 1] + 2.5, 3.0) * ramp(p[..., 2], 3, 6)
    freckles = ramp(noise3(p + 50, person.seed + 31, 0.45), 0.75, 1.15) * person.freckles * 0.55 * on_face
    moles = sum((bump(np.hypot(p[..., 0] - x, p[..., 1] - y), 0.11) for x, y in person.moles), np.zeros(p.shape[:-1]))
    spots = ramp(fractal(p + 70, person.seed + 33, 1.5), 0.8, 1.3) * max(person.age - 50, 0) / 60
    return np.clip(freckles + moles * ramp(p[..., 2], 2, 4) + spots, 0, 0.9)


def beard_mask(p: np.ndarray, s: dict[str, float]) -> np.ndarray:
    """Where a beard grows, 0-1: jaw, chin, upper lip, not the lips."""
    x, y = np.abs(p[..., 0]), p[..., 1]
    edge = -4.2 - 2.6 * bump(x - 2.6, 1.1) + 0.55 * np.maximum(x - 4.5, 0)
    jaw = ramp(y, edge + 0.3, edge - 0.9) * ramp(p[..., 2], -0.8, 1.0)
    moustache = bump(y - s["mouth_height"] - 1.15, 0.42) * ramp(x, 2.7, 1.9)
    lower_free = bump(x, 0.9) * bump(y - s["mouth_height"] + 1.3, 0.4) * 0.5
    return np.clip((jaw + moustache - lower_free) * (1 - lip_mask(p, s)), 0, 1) * ramp(y, -14.5, -13)


def _hair_roots(p: np.ndarray, person: Identity, scalp: np.ndarray) -> np.ndarray:
    """Darkening by shaven or short hair, 0-1."""
    dark = 1 - float(np.mean(person.hair_colour)) * 1.6
    beard = beard_mask(p, person.shape) * min(person.stubble, 1.0) * 0.6
    grain = 0.85 + 0.3 * noise3(p + 15, person.seed + 41, 0.2)
    head = scalp * (0.25 if person.hair == "bald" else 0.9)
    return np.clip(np.maximum(beard, head) * grain, 0, 0.95) * np.clip(dark, 0.2, 1)


def _shades(p: np.ndarray, person: Identity) -> np.ndarray:
    """Dark lines that light alone does not draw at this size: lash line, nostrils, mouth line, rings under the eyes."""
    s = person.shape
    u, v = eye_coordinates(p, s)
    high, low = lid_edges(u, s)
    at_eye = ramp(np.abs(u), s["eye_width"] + 0.15, s["eye_width"] - 0.1)
    liner = (
        0.75 * bump(v - high - 0.02, 0.06)
        + 0.35 * bump(v - low + 0.03, 0.05)
        + 0.25 * bump(v - high - s["lid_fold"], 0.07)
    )
    rings = 0.14 * bump(v - low + 0.6, 0.3) * (0.5 + person.wrinkles) * bump(u + 0.2, 1.1)
    nostril = (
        0.9 * bump(np.abs(p[..., 0]) - 0.5 * s["nose_width"], 0.2) * bump(p[..., 1] + s["nose_length"] + 0.42, 0.14)
    )
    nostril = nostril * ramp(p[..., 2], 8.3, 8.9)
    mouth = (
        0.65
        * bump(p[..., 1] - mouth_line(p[..., 0], s), 0.055)
        * ramp(np.abs(p[..., 0]), s["mouth_width"] * 1.05, s["mouth_width"] * 0.9)
    )
    return np.clip(liner * at_eye + rings + nostril + mouth, 0, 0.95) * ramp(p[..., 2], 3, 5)


def _lip_colour(p: np.ndarray, person: Identity) -> np.ndarray:
    tone = base_tone(person) * np.exp(-(0.35 + 0.9 * person.lip_redness) * BLOOD) * (0.92 - 0.25 * person.lip_redness)
    streaks = 1 + 0.10 * noise3(p * np.array([3.0, 0.6, 0.6]) + 80, person.seed + 51, 0.5)
    return tone * streaks[..., None]
