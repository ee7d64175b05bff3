"""A photo and its face -> the square around the head, with the head turned to another yaw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from data_tools.synthetic.camera import head_rotation
from data_tools.synthetic.raster import rasterise
from data_tools.synthetic.shape import CENTRE
from data_tools.turning.backdrop import backdrop, sample
from data_tools.turning.fit import Fit, fit_head, seen_at
from data_tools.turning.head import Head, generic_head
from data_tools.turning.texture import Texture, head_texture

SQUARE = 2.3  # side of the square against the longer side of the face box: hair and shoulders
SMALLEST, LARGEST = 160, 256  # px of the square: fewer show the grid, more show nothing new
MIRROR_FROM = 8.0  # degrees of yaw from which the hidden half of a face is worse than the mirrored seen one
HAIR_SHADE = 0.6  # brightness of hair at the outline against hair that faces the camera
BLUR = 0.012  # of the square's side
AROUND = 4.0  # cm beside the head, where it leaves the photo
FAR = 100.0  # cm: keeps depths positive


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
        landmarks = self.landmarks_xy[[1, 0, 2, 4, 3]] * np.array([-1, 1]) + np.array([size, 0])
        return Square(np.ascontiguousarray(self.picture[:, ::-1]), landmarks, (size - right, top, size - left, bottom))


def turn_head(
    photo: Image.Image, box_xyxy: tuple[float, ...], landmarks_xy: np.ndarray, yaw: float, new_yaw: float
) -> Image.Image:
    """The square around the head with the face turned from `yaw` to `new_yaw` degrees.

    A face that looks the other way already is mirrored first: its far cheek is not in the photo.

    Args:
        box_xyxy: the face in pixels of the RGB photo.
        landmarks_xy: (5, 2) pixels: eyes, nose tip, mouth corners; image-left first.
    """
    square = square_around(photo, box_xyxy, landmarks_xy)
    if abs(yaw) >= MIRROR_FROM and yaw * new_yaw < 0:
        square, yaw = square.mirrored(), -yaw
    head = generic_head()
    fit = fit_head(head, square.landmarks_xy, yaw)
    seen = seen_at(head, fit, square.landmarks_xy)
    behind = backdrop(square.picture, seen.reshape(-1, 2), fit)
    texture = head_texture(square.picture, head, seen, yaw)
    drawn = draw(square.picture, behind, head, texture, fit, new_yaw)
    left, right = head_sides(head, fit, new_yaw)
    x0, y0, x1, y1 = square.photo_xyxy
    image = Image.fromarray((np.clip(drawn, 0, 255) + 0.5).astype(np.uint8))
    return image.crop((max(0, min(x0, left)), y0, min(image.width, max(x1, right)), y1))


def head_sides(head: Head, fit: Fit, yaw: float) -> tuple[int, int]:
    """Columns of pixels between which the head and a little around it is drawn."""
    x = fit.place(head.points, yaw)[..., 0]
    return int(np.floor(x.min() - AROUND * fit.scale)), int(np.ceil(x.max() + AROUND * fit.scale))


def square_around(photo: Image.Image, box_xyxy: tuple[float, ...], landmarks_xy: np.ndarray) -> Square:
    """Cut the square out of an RGB photo, continuing the photo's borders."""
    left, top, right, bottom = box_xyxy
    side = SQUARE * max(right - left, bottom - top)
    corner = np.array([(left + right) / 2, (top + bottom) / 2]) - side / 2
    size = int(np.clip(round(side), SMALLEST, LARGEST))
    pixels, absent, low = _continued(np.asarray(photo.convert("RGB")), corner, side)
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
    """The part of a photo (H, W, 3) that covers the square, where it is not of the photo (255), and its corner (x, y)."""
    low, high = np.floor(corner).astype(int), np.ceil(corner + side).astype(int)
    size = np.array(pixels.shape[1::-1])
    pad = [(max(0, -low[i]), max(0, high[i] - size[i])) for i in (1, 0)]
    inner = pixels[max(0, low[1]) : high[1], max(0, low[0]) : high[0]]
    absent = np.pad(np.zeros(inner.shape[:2], np.uint8), pad, constant_values=255)
    return np.pad(inner, [*pad, (0, 0)], mode="edge"), absent, low


def draw(picture: np.ndarray, behind: np.ndarray, head: Head, texture: Texture, fit: Fit, yaw: float) -> np.ndarray:
    """The head at `yaw` degrees over the backdrop, (S, S, 3)."""
    size = len(picture)
    projected = fit.place(head.points, yaw).reshape(-1, 3)
    projected[:, 2] = FAR - projected[:, 2]
    whole = np.ones(len(projected), np.float32)
    hits = rasterise(projected.astype(np.float32), head.triangles, size, whole, np.ones(len(head.triangles), bool))
    outward = (head.points - CENTRE) @ head_rotation(yaw, 0, 0)[2]
    outward = outward / np.linalg.norm(head.points - CENTRE, axis=-1)
    colour = colours(picture, texture, outward, head.triangles[hits.triangle], hits.weights)
    covered = np.zeros(size * size, np.float32)
    covered[hits.pixel] = 1
    drawn = behind.reshape(-1, 3).copy()
    soft = gaussian_filter(covered.reshape(size, size), 1.0).ravel()[hits.pixel, None]
    edge = np.clip(2 * soft - 1, 0, 1)  # 0 on the outline, 1 inside: no colour is needed beyond it
    drawn[hits.pixel] += edge * (colour - drawn[hits.pixel])
    return drawn.reshape(size, size, 3)


def colours(
    picture: np.ndarray, texture: Texture, outward: np.ndarray, corners: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Colours (P, 3) of points between vertices `corners` (P, 3) with `weights` (P, 3); outward (H, W): 1 = faces the camera."""

    def between(values: np.ndarray) -> np.ndarray:
        return np.einsum("pk,pkc->pc", weights, values.reshape(-1, values.shape[-1])[corners])

    at = between(texture.at)
    colour = sample(picture, at)
    blur = between(texture.blur[..., None])
    far = blur[:, 0] > 0
    blurred = gaussian_filter(picture, (BLUR * len(picture), BLUR * len(picture), 0))
    colour[far] += blur[far] * (sample(blurred, at[far]) - colour[far])
    shade = HAIR_SHADE + (1 - HAIR_SHADE) * np.clip(outward, 0, 1)
    hair = between(np.stack([texture.hair_share, shade], -1))
    return colour + hair[:, :1] * (hair[:, 1:] * texture.hair_colour - colour)
