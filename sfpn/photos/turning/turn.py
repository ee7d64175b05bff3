"""A photo and its face -> what is around the head, with the head turned to another yaw."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from sfpn.photos.turning.backdrop import backdrop, sample
from sfpn.photos.turning.fit import fit_head, shaped
from sfpn.photos.turning.geometry import head_rotation
from sfpn.photos.turning.head import Head, generic_head
from sfpn.photos.turning.raster import rasterise
from sfpn.photos.turning.square import square_around
from sfpn.photos.turning.texture import Texture, head_texture

MIRROR_FROM = 8.0  # degrees of yaw from which the hidden half of a face is worse than the mirrored seen one
HAIR_SHADE = 0.6  # brightness of hair at the outline against hair that faces the camera
BLUR = 0.012  # of the square's side
AROUND = 4.0  # cm beside the head, where it leaves the photo
FAR = 100.0  # cm: keeps depths positive


def turn_head(
    photo: Image.Image, box_xyxy: tuple[float, ...], landmarks_xy: np.ndarray, yaw: float, new_yaw: float
) -> Image.Image:
    """What the photo shows around the head, with the face turned from `yaw` to `new_yaw` degrees.

    A face that looks the other way already is mirrored first: its far cheek is not in the photo. Above and below, the
    picture ends where the photo does, since a continued photo makes foreheads bald; beside it a profile needs room.

    Args:
        box_xyxy: the face in pixels of the RGB photo.
        landmarks_xy: (5, 2) pixels: eyes, nose tip, mouth corners; image-left first.
    """
    square = square_around(photo, box_xyxy, landmarks_xy)
    if abs(yaw) >= MIRROR_FROM and yaw * new_yaw < 0:
        square, yaw = square.mirrored(), -yaw
    head = generic_head()
    fit = fit_head(head, square.landmarks_xy, yaw)
    points = shaped(head, fit, square.landmarks_xy)
    seen = fit.place(points, yaw)[..., :2]
    behind = backdrop(square.picture, seen.reshape(-1, 2), fit)
    texture = head_texture(square.picture, head, seen, yaw)
    placed = fit.place(points, new_yaw)
    outward = (head.outward @ head_rotation(new_yaw, 0, 0)[2])[..., None]
    drawn = draw(square.picture, behind, head, texture, placed, outward)
    left, right = head_sides(placed, fit.scale)
    x0, y0, x1, y1 = square.photo_xyxy
    image = Image.fromarray((np.clip(drawn, 0, 255) + 0.5).astype(np.uint8))
    return image.crop((max(0, min(x0, left)), y0, min(image.width, max(x1, right)), y1))


def head_sides(placed: np.ndarray, scale: float) -> tuple[int, int]:
    """Columns of pixels between which the head `placed` (H, W, 3) is drawn with a margin; scale: pixels per cm."""
    x = placed[..., 0]
    return int(np.floor(x.min() - AROUND * scale)), int(np.ceil(x.max() + AROUND * scale))


def draw(
    picture: np.ndarray, behind: np.ndarray, head: Head, texture: Texture, placed: np.ndarray, outward: np.ndarray
) -> np.ndarray:
    """The head over the backdrop, (S, S, 3).

    Args:
        placed: (H, W, 3) x and y in pixels, and cm towards the camera, of the turned head's points.
        outward: (H, W, 1) 1 where the turned head faces the camera, 0 on its outline.
    """
    size = len(picture)
    projected = np.concatenate([placed[..., :2], FAR - placed[..., 2:]], -1).reshape(-1, 3).astype(np.float32)
    whole, closed = np.ones(len(projected), np.float32), np.ones(len(head.triangles), bool)
    hits = rasterise(projected, head.triangles, size, whole, closed)
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
    """Colours (P, 3) of points between vertices `corners` (P, 3) with `weights` (P, 3); outward: see draw()."""

    def between(values: np.ndarray) -> np.ndarray:
        return np.einsum("pk,pkc->pc", weights, values.reshape(-1, values.shape[-1])[corners])

    at = between(texture.at)
    colour = sample(picture, at)
    blur = between(texture.blur[..., None])
    far = blur[:, 0] > 0
    blurred = gaussian_filter(picture, (BLUR * len(picture), BLUR * len(picture), 0))
    colour[far] += blur[far] * (sample(blurred, at[far]) - colour[far])
    shade = HAIR_SHADE + (1 - HAIR_SHADE) * np.clip(outward, 0, 1)
    hair = between(np.concatenate([texture.hair_share[..., None], shade], -1))
    return colour + hair[:, :1] * (hair[:, 1:] * texture.hair_colour - colour)
