"""From light to a photograph: background, lens blur, tone, sensor noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from .light import Light


@dataclass(frozen=True)
class Finish:
    """Blur in pixels of the finished picture, noise as a standard deviation 0-1, contrast factor, colour factor."""

    blur: float
    noise: float
    contrast: float
    colour: float


def background(rng: np.random.Generator, size: int, light: Light) -> np.ndarray:
    """A blurred room, wall or landscape: linear RGB (size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size] / size
    kind = rng.integers(3)
    first, second = (_muted(rng) for _ in range(2))
    if kind == 0:  # a wall with a gradient
        t = (0.5 + 0.5 * (np.cos(a := rng.uniform(0, 6.28)) * (x - 0.5) + np.sin(a) * (y - 0.5)))[..., None]
        picture = first * t + first * 0.55 * (1 - t)
    elif kind == 1:  # shapes out of focus
        picture = zoom(
            np.stack([_muted(rng) for _ in range(25)]).reshape(5, 5, 3) * rng.uniform(0.4, 1.4, (5, 5, 1)),
            (size / 5, size / 5, 1),
            order=1,
        )
        picture = gaussian_filter(picture, (size / 14, size / 14, 0))
    else:  # a horizon
        t = 1 / (1 + np.exp(-(y - rng.uniform(0.35, 0.8)) * 14))[..., None]
        picture = first * 1.2 * (1 - t) + second * 0.6 * t
        spots = gaussian_filter((rng.random((size, size)) > 0.997).astype(float), size / 45) * size * size / 1500
        picture = picture * (1 + spots[..., None] * 0.25)
    return np.clip(picture, 0.01, 2.0) * (0.5 + 0.5 * np.mean(light.sky))


def _muted(rng: np.random.Generator) -> np.ndarray:
    grey = np.exp(rng.uniform(np.log(0.06), np.log(0.9)))
    tint = rng.normal(0, 0.2, 3)
    return grey * np.exp(tint - tint.mean())


def develop(picture: np.ndarray, exposure: float, finish: Finish, rng: np.random.Generator) -> Image.Image:
    """Linear RGB (2 S, 2 S, 3) -> photograph of S x S pixels."""
    half = picture.reshape(len(picture) // 2, 2, len(picture) // 2, 2, 3)
    small = half.mean((1, 3))
    small = gaussian_filter(small, (finish.blur, finish.blur, 0)) * exposure
    grain = rng.normal(0, finish.noise, small.shape) + rng.normal(0, finish.noise, (*small.shape[:2], 1))
    tone = _tone(small) ** (1 / 2.2)
    tone = (tone - 0.45) * finish.contrast + 0.45
    grey = tone @ np.array([0.3, 0.59, 0.11])
    tone = grey[..., None] + (tone - grey[..., None]) * finish.colour
    tone = tone + grain * (1.2 - np.clip(tone, 0, 1))
    return Image.fromarray((np.clip(tone, 0, 1) * 255 + 0.5).astype(np.uint8))


def _tone(x: np.ndarray) -> np.ndarray:
    """Filmic curve after Narkowicz, "ACES filmic tone mapping curve" (2015)."""
    x = np.maximum(x, 0) * 0.62
    return np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
