"""Lights of a picture: one key that casts shadows, a fill, and a sky and ground that light from everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Directions (x, y, z) point to the light; colours are linear RGB and may exceed 1."""

    key_direction: tuple[float, float, float]
    key: RGB
    fill_direction: tuple[float, float, float]
    fill: RGB
    sky: RGB
    ground: RGB
    exposure: float


def sample_light(rng: np.random.Generator, yaw: float) -> Light:
    """A light as photographs have it, never from below; faces mostly look towards it: it follows the yaw (degrees)."""
    azimuth, height = np.deg2rad(0.45 * yaw + rng.uniform(-65, 65)), np.deg2rad(rng.uniform(12, 60))
    key = (np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height))
    warmth = rng.normal(0, 0.10)
    strength, soft = rng.uniform(1.5, 2.6), rng.uniform(0.45, 1.1)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    side = -np.sign(azimuth) or 1.0
    sky, ground = soft * (2 - tint) * 0.62, soft * tint * rng.uniform(0.2, 0.38)
    return Light(
        _three(key),
        _three(strength * tint),
        (float(side * 0.9), float(rng.uniform(-0.1, 0.4)), float(rng.uniform(-0.4, 0.7))),
        _three(rng.uniform(0.3, 0.8) * (2 - tint)),
        _three(sky),
        _three(ground),
        float(np.exp(rng.normal(0, 0.16))),
    )


def unit(direction) -> np.ndarray:
    """A direction (3,) at length 1."""
    direction = np.asarray(direction, np.float32)
    return direction / np.linalg.norm(direction)


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
