"""The square of a photo around a head, scaled to a size that can be turned quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from sfpn.photos.detector import MIRRORED_LANDMARKS

SQUARE = 2.3  # side of the square against the longer side of the face box: hair and shoulders
SMALLEST, LARGEST = 160, 256  # px of the square: fewer show the grid, more show nothing new


@dataclass(frozen=True)
class Square:
    """picture (S, S, 3) float32 0-255, the landmarks (5, 2) in its pixels, and the part of it that is of the photo."""

    picture: np.ndarray
    landmarks_xy: np.ndarray
    photo_xyxy: tuple[int, int, int, int]

    def mirrored(self) -> Square:
        """Left and right exchanged."""
        size = len(self.picture)
        left, top, right, bottom = self.photo_xyxy
        landmarks = self.landmarks_xy[MIRRORED_LANDMARKS] * np.array([-1, 1]) + np.array([size, 0])
        return Square(np.ascontiguousarray(self.picture[:, ::-1]), landmarks, (size - right, top, size - left, bottom))


def square_around(photo: Image.Image, box_xyxy: tuple[float, ...], landmarks_xy: np.ndarray) -> Square:
    """Cut the square out of an RGB photo, continuing the photo's borders."""
    left, top, right, bottom = box_xyxy
    side = SQUARE * max(right - left, bottom - top)
    corner = np.array([(left + right) / 2, (top + bottom) / 2]) - side / 2
    size = int(np.clip(round(side), SMALLEST, LARGEST))
    pixels, absent, low = _continued(np.asarray(photo), corner, side)
    box = (*(corner - low), *(corner - low + side))
    resized = [
        Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, box=box) for image in (pixels, absent)
    ]
    picture, absent = (np.asarray(image, np.float32) for image in resized)
    if absent.any():  # a border drawn out shows as stripes
        picture += (absent / 255)[..., None] * (gaussian_filter(picture, (size / 60, size / 60, 0)) - picture)
    scale = size / side
    ends = np.clip(np.round((np.array([(0, 0), photo.size]) - corner) * scale), 0, size).astype(int)
    return Square(picture, (np.asarray(landmarks_xy, np.float64) - corner) * scale, tuple(ends.ravel().tolist()))


def _continued(pixels: np.ndarray, corner: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The part of a photo (H, W, 3) in the square, where it is not of the photo (255), and its corner (x, y)."""
    low, high = np.floor(corner).astype(int), np.ceil(corner + side).astype(int)
    size = np.array(pixels.shape[1::-1])
    pad = [(max(0, -low[i]), max(0, high[i] - size[i])) for i in (1, 0)]
    inner = pixels[max(0, low[1]) : high[1], max(0, low[0]) : high[0]]
    absent = np.pad(np.zeros(inner.shape[:2], np.uint8), pad, constant_values=255)
    return np.pad(inner, [*pad, (0, 0)], mode="edge"), absent, low
