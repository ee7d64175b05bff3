"""Eyeballs that look where they are told, and the teeth and dark behind open lips."""

from __future__ import annotations

import numpy as np

from sfpn.photos.turning.geometry import head_rotation, ramp

from .identity import IRIS_COLOURS, Identity
from .mesh import Patch, patch
from .noise import bump, noise3
from .shape import EYE_RADIUS

RINGS, SPOKES = 44, 72
IRIS_RADIUS = 0.66  # cm


def eyeball(person: Identity, side: int, gaze: tuple[float, float], pupil: float) -> Patch:
    """One eye (side -1 or 1: image-left or right) turned by gaze (yaw, pitch) degrees, pupil radius in cm."""
    s = person.shape
    polar = np.linspace(0, np.deg2rad(115), RINGS)[:, None]
    around = np.linspace(0, 2 * np.pi, SPOKES)[None]
    unit = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar) + 0 * around], -1)
    cornea = 0.06 * ramp(np.sin(polar), IRIS_RADIUS / EYE_RADIUS * 1.1, 0) * (polar < 1.5)
    local = unit * (EYE_RADIUS + cornea)[..., None]
    albedo = _eye_albedo(local, person, pupil)
    turned = local @ head_rotation(gaze[0], gaze[1], 0).T
    centre = np.array([side * s["eye_distance"], s["eye_height"], s["eye_depth"]])
    return patch(turned + centre, albedo, 1.0, "eye")


def _eye_albedo(local: np.ndarray, person: Identity, pupil: float) -> np.ndarray:
    r = np.hypot(local[..., 0], local[..., 1]) + np.where(local[..., 2] < 0, 2.0, 0.0)
    angle = np.arctan2(local[..., 1], local[..., 0])
    fibres = 1 + 0.35 * noise3(np.stack([np.cos(angle) * 3, np.sin(angle) * 3, r], -1) + 20, person.seed + 61, 0.6)
    colour = np.array(IRIS_COLOURS[person.iris])
    iris = colour * (fibres * (0.75 + 0.6 * bump(r - pupil - 0.1, 0.12)))[..., None]
    sclera = np.array([0.52, 0.475, 0.44]) * (1 - 0.35 * ramp(r, 0.75, 1.25)[..., None] * np.array([0.35, 0.8, 0.85]))
    limbus = ramp(r, IRIS_RADIUS - 0.06, IRIS_RADIUS + 0.05)[..., None]
    mixed = iris * (1 - 0.6 * bump(r - IRIS_RADIUS + 0.03, 0.06)[..., None]) * (1 - limbus) + sclera * limbus
    return mixed * ramp(r, pupil - 0.03, pupil + 0.03)[..., None] + 0.003


def mouth_inside(person: Identity, depth: float, opening: float) -> list[Patch]:
    """The dark of the mouth and the upper teeth; `depth` is the z of the lips' middle, `opening` the parting in cm."""
    s = person.shape
    x = np.linspace(-1, 1, 60)[None] * s["mouth_width"] * 1.0
    y = np.linspace(1, -1, 30)[:, None]
    back = np.stack(np.broadcast_arrays(x, s["mouth_height"] - opening / 2 + y * 1.2, depth - 1.5 - 0.22 * x**2), -1)
    teeth_y = s["mouth_height"] + 0.25 - 0.5 * (0.85 - y * 0.85)
    teeth = np.stack(np.broadcast_arrays(x, teeth_y, depth - 0.75 - 0.26 * x**2), -1)
    gaps = 1 - 0.45 * bump(np.mod(x + 0.37, 0.74) - 0.37, 0.03)
    fade = ramp(np.abs(x), s["mouth_width"] * 0.95, s["mouth_width"] * 0.5)
    enamel = np.array([0.62, 0.57, 0.48]) * (gaps * (0.25 + 0.75 * fade))[..., None] * np.ones((30, 1, 1))
    return [patch(back, (0.03, 0.008, 0.006), 0.1, "mouth"), patch(teeth, enamel, 0.7, "mouth")]
