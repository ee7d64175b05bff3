"""Brows, lashes and beard as short strands rooted on the face at rest."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from sfpn.photos.turning.geometry import ramp

from .face_lines import lid_edges
from .identity import Identity
from .mesh import Strands, grid_normals
from .skin import beard_mask


class FaceSurface:
    """Finds the surface point and normal of the face under a place (x, y) seen from the front."""

    def __init__(self, head: np.ndarray):
        points, normals = head.reshape(-1, 3), grid_normals(head).reshape(-1, 3)
        front = points[:, 2] > 3.0
        self.points, self.normals = points[front], normals[front]
        self.tree = KDTree(self.points[:, :2])

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Surface points (N, 3) and unit normals (N, 3) at x, y (N,)."""
        _, near = self.tree.query(np.stack([x, y], -1), k=3)
        return self.points[near].mean(1), self.normals[near].mean(1)


def brows(person: Identity, face: FaceSurface) -> Strands:
    """Both eyebrows."""
    rng, s = np.random.default_rng([person.seed, 6]), person.shape
    count = int(520 * person.brow_density)
    t, side = rng.random(2 * count), np.repeat([-1.0, 1.0], count)
    arch, slope = person.brow_shape
    middle = s["brow_height"] + 0.15 + arch * np.sin(np.pi * t**1.4) + slope * (t - 0.5) - 0.25 * t**3
    thick = (0.17 + 0.10 * max(person.masculine, 0)) * ramp(t, -0.1, 0.15) * (1 - 0.65 * t)
    x = side * (s["eye_distance"] - 1.75 + 3.5 * t)
    roots, normals = face.at(x, middle + rng.normal(0, 1, 2 * count) * thick * person.brow_density)
    up = 0.75 * (1 - t) ** 1.5 - 0.25 * t + rng.normal(0, 0.15, 2 * count)
    lean = np.stack([side * (0.35 + 0.6 * t), up, 0 * t], -1) + 0.25 * normals
    return _short(rng, roots, normals, lean, 0.55 * rng.uniform(0.6, 1.1, 2 * count), _dark(person, 0.75), 8)


def lashes(person: Identity, opening: float, centre_z: float) -> Strands:
    """Upper and lower lashes along the lid edges of eyes opened by `opening`."""
    rng, s = np.random.default_rng([person.seed, 8]), person.shape
    u = np.tile(np.linspace(-0.95, 0.98, 60) * s["eye_width"], 2)
    side = np.repeat([-1.0, 1.0], 60)
    high, low = lid_edges(u, s, opening)
    feminine = 0.5 - 0.5 * person.masculine
    built = []
    for v, way, length in ((high, 1.0, 0.34 + 0.28 * feminine), (low, -1.0, 0.15 + 0.08 * feminine)):
        height = v + s["eye_tilt"] * u
        z = centre_z + np.sqrt(np.maximum(1.42**2 - u**2 * 0.85 - height**2, 0.05))
        roots = np.stack([side * (s["eye_distance"] + u), s["eye_height"] + height, z], -1)
        lean = np.stack([side * 0.55 * u, way * 0.55 + 0 * u, 0.75 + 0 * u], -1)
        lengths = length * rng.uniform(0.7, 1.0, len(u)) * ramp(np.abs(u), s["eye_width"], s["eye_width"] * 0.75)
        built.append(_short(rng, roots, np.array([[0, way, 0.3]]), lean, lengths, _dark(person, 0.4), 6))
    return Strands(np.concatenate([b.points for b in built]), np.concatenate([b.albedo for b in built]), 0.1)


def beard(person: Identity, head: np.ndarray) -> list[Strands]:
    """A beard of the person's own density, if any is longer than stubble."""
    if person.stubble < 0.8:
        return []
    rng = np.random.default_rng([person.seed, 9])
    mask = beard_mask(head, person.shape).ravel()
    picked = rng.choice(len(mask), int(4200 * min(person.stubble, 1.3)), p=mask / mask.sum())
    roots, normals = head.reshape(-1, 3)[picked], grid_normals(head).reshape(-1, 3)[picked]
    lean = np.stack([0.05 * roots[:, 0], -1.0 + 0 * picked, 0.15 + 0 * picked], -1) + 0.5 * normals
    length = (0.35 + 0.9 * (person.stubble - 0.8)) * rng.uniform(0.6, 1.2, len(picked))
    return [_short(rng, roots, normals, lean, length, _dark(person, 0.9), 7)]


def _dark(person: Identity, factor: float) -> np.ndarray:
    colour = np.array(person.hair_colour)
    return colour * min(1.0, 0.13 / float(colour.mean())) * factor


def _short(
    rng: np.random.Generator,
    roots: np.ndarray,
    normals: np.ndarray,
    lean: np.ndarray,
    length: np.ndarray,
    colour: np.ndarray,
    steps: int,
) -> Strands:
    """Strands that leave the skin along `lean` and bend a little with their own noise."""
    lean = lean + rng.normal(0, 0.12, lean.shape)
    lean /= np.linalg.norm(lean, axis=1, keepdims=True)
    t = np.linspace(0, 1, steps)[None, :, None]
    bend = normals[:, None] * (0.10 * t * (1 - t))
    points = roots[:, None] + normals[:, None] * 0.02 + lean[:, None] * t * np.asarray(length)[:, None, None] + bend
    tone = colour * np.exp(rng.normal(0, 0.2, (len(roots), 1)))
    return Strands(points.astype(np.float32), tone.astype(np.float32), 0.15)
