"""Seeded smooth noise in three dimensions, the raw material of skin, hair and cloth."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

LATTICE = 24


def noise3(points: np.ndarray, seed: int, wavelength: float) -> np.ndarray:
    """Smooth noise at points (..., 3): mean about 0, range about -1 to 1, features of about `wavelength` cm."""
    table = np.random.default_rng(seed).uniform(-1, 1, (LATTICE, LATTICE, LATTICE)).astype(np.float32)
    where = np.moveaxis(np.asarray(points, np.float32), -1, 0) / wavelength * 2
    return map_coordinates(table, where, order=1, mode="grid-wrap") * 1.5


def fractal(points: np.ndarray, seed: int, wavelength: float, octaves: int = 3) -> np.ndarray:
    """Sum of `octaves` noises, each of half the wavelength and half the strength of the one before."""
    return np.asarray(sum(noise3(points, seed + i, wavelength / 2**i) / 2**i for i in range(octaves)))


def bump(x: np.ndarray, width: float) -> np.ndarray:
    """Gaussian exp(-(x / width)^2 / 2)."""
    return np.exp(-0.5 * np.square(x / width))
