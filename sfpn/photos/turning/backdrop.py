"""What lies behind a turned head: the photo with its head taken out and the gap filled smoothly."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import ConvexHull

from sfpn.photos.turning.fit import Fit

FILL_SIZE = 64  # px: the filling is smooth anyway
FILL_REACHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # px of FILL_SIZE: near colours first
MARGIN = np.array([1.12, 1.02])  # the head's outline with its ears against the bare head's, across and along it
NECK_HALF_WIDTH = 4.8  # cm
NECK_SEEN_AT = -14.0  # cm below the eyes: just under the chin
NECK_TOP = -6.0  # cm: above it no neck shows, however far the head turns
NECK_SHOWN_AGAIN = 0.15  # cm of the neck for each cm above NECK_SEEN_AT: a collar must not come up
UNDER_CHIN = 0.8  # brightness of the neck in the chin's shadow


def backdrop(picture: np.ndarray, outline: np.ndarray, fit: Fit) -> np.ndarray:
    """The picture (S, S, 3) 0-255 without its head, whose points are seen at `outline` (N, 2) pixels."""
    mask = _head_mask(outline, len(picture), fit)
    filled = fill(picture, mask)
    soft = gaussian_filter(mask, 0.012 * len(picture))[..., None]
    return _with_neck(picture, picture + soft * (filled - picture), fit)


def _head_mask(outline: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """1 (S, S) where the photo shows the head, 0 elsewhere."""
    hull = outline[ConvexHull(outline).vertices]
    middle, axes = hull.mean(0), fit.axes
    hull = middle + ((hull - middle) @ axes.T * MARGIN) @ axes
    image = Image.new("L", (size, size))
    ImageDraw.Draw(image).polygon([tuple(point) for point in hull.tolist()], fill=255)
    return np.asarray(image, np.float32) / 255


def fill(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Colours from around the mask (S, S), spread into it."""
    small = _resized(np.dstack([picture * (1 - mask)[..., None], 255 * (1 - mask)]), FILL_SIZE)
    colour, known = small[..., :3], small[..., 3:] / 255
    total = np.zeros_like(colour)
    missing = np.ones_like(known)
    for reach in FILL_REACHES:
        weight = gaussian_filter(known, (reach, reach, 0))
        share = missing * np.clip(weight * 4, 0, 1)
        total += share * gaussian_filter(colour, (reach, reach, 0)) / np.maximum(weight, 1e-6)
        missing = missing - share
    return _resized(total / np.maximum(1 - missing, 1e-6), len(picture))


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    channels = [Image.fromarray(values[..., i].astype(np.float32)) for i in range(values.shape[2])]
    return np.dstack([np.asarray(c.resize((size, size), Image.Resampling.BILINEAR)) for c in channels])


def _with_neck(picture: np.ndarray, filled: np.ndarray, fit: Fit) -> np.ndarray:
    """Continue the neck upward behind the jaw, where the photo shows the chin."""
    pixels = np.stack(np.meshgrid(*[np.arange(len(picture)) + 0.5] * 2), -1)
    along = (pixels - fit.origin) @ fit.axes.T / fit.scale
    x, y = along[..., 0], -along[..., 1] / fit.stretch
    share = _fade(np.abs(x), NECK_HALF_WIDTH + 0.6, NECK_HALF_WIDTH - 0.4) * _fade(y, NECK_TOP, NECK_TOP - 1.5)
    inside = (share > 0) & (y > NECK_SEEN_AT)
    x, y, share = x[inside], y[inside], share[inside]
    below = NECK_SEEN_AT + NECK_SHOWN_AGAIN * (NECK_SEEN_AT - y)
    seen = fit.origin + fit.scale * np.stack([x, -below * fit.stretch], -1) @ fit.axes
    light = UNDER_CHIN + (1 - UNDER_CHIN) * _fade(y, -11.0, NECK_SEEN_AT)
    filled = filled.copy()
    filled[inside] += share[:, None] * (sample(picture, seen) * light[:, None] - filled[inside])
    return filled


def _fade(values: np.ndarray, zero_at: float, one_at: float) -> np.ndarray:
    return np.clip((values - zero_at) / (one_at - zero_at), 0, 1)


def sample(picture: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of a picture (S, S, 3) at points (N, 2) in pixels; beyond the border that of the border."""
    at = [xy[:, 1] - 0.5, xy[:, 0] - 0.5]
    return np.stack([map_coordinates(picture[..., i], at, order=1, mode="nearest") for i in range(3)], axis=1)
