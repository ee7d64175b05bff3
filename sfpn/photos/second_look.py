"""A second look at photos in which no face was found, or no sure one: at faces seen from the side, above or below.

MTCNN loses one in five profiles that are seen from 30 degrees above or below, and one in fifty of the profiles in
press photos. With lower thresholds it finds half of them; the others appear in the mirror image, or when the photo is
turned a little. Each such look also sees faces where there are none, so that it is believed only where another look
sees the same face, or it is sure.

Where a face was found but is not sure, its box often lies beside it, on an ear or the hair: then the same looks are
taken, and the surest one is believed. Numbers: docs/pose.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from sfpn.photos.detector import (
    MIRRORED_LANDMARKS,
    USUAL_THRESHOLDS,
    Face,
    Thresholds,
    choose_face,
    without_repetitions,
)

Look = Callable[[Image.Image, Thresholds], list[Face]]

LOWER: Thresholds = (0.5, 0.6, 0.6)
LOWEST: Thresholds = (0.5, 0.5, 0.5)
TURNS = (15, -15, 30, -30)  # degrees counter-clockwise
SAME_FACE = 0.5  # intersection over union of the boxes of two looks
SURE = 0.9  # confidence of a face that one look is enough for
UNSURE = 0.97  # confidence of a face whose box may lie beside it


def look_again(look: Look, photo: Image.Image) -> list[Face]:
    """Faces of an RGB photo in which an ordinary look found none; their angles are not those in the photo as it is."""
    if faces := look(photo, LOWER):
        return faces
    looks = [look(photo, LOWEST), *other_looks(look, photo, LOWER)]
    return without_repetitions([face for seen in looks for face in seen if is_believed(face, seen, looks)])


def surest(look: Look, photo: Image.Image, face: Face) -> Face:
    """A face of an RGB photo as the surest look sees it: the one that found it, the mirror image, or a turned photo."""
    seen = [choose_face(faces, photo.size) for faces in other_looks(look, photo, USUAL_THRESHOLDS)]
    return max([face, *(other for other in seen if other and overlap(face, other) > 0)], key=lambda f: f.confidence)


def other_looks(look: Look, photo: Image.Image, thresholds: Thresholds) -> list[list[Face]]:
    """The faces, in the photo, that are seen in its mirror image and in the photo turned to either side.

    thresholds: of the turned photos; the mirror image is searched with the usual ones.
    """
    looks = [[mirrored(face, photo.width) for face in look(ImageOps.mirror(photo), USUAL_THRESHOLDS)]]
    for degrees in TURNS:
        turned = photo.rotate(degrees, Image.Resampling.BILINEAR)
        looks.append([turned_back(face, degrees, photo.size) for face in look(turned, thresholds)])
    return looks


def is_believed(face: Face, seen: list[Face], looks: list[list[Face]]) -> bool:
    """Whether the face is sure, or is in another look than the one it was `seen` in as well."""
    others = (other for look in looks if look is not seen for other in look)
    return face.confidence >= SURE or any(overlap(face, other) > SAME_FACE for other in others)


def overlap(first: Face, second: Face) -> float:
    """Intersection over union of two face boxes, 0-1."""
    a, b = np.array(first.box_xyxy).reshape(2, 2), np.array(second.box_xyxy).reshape(2, 2)
    common = np.prod((np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])).clip(0))
    return float(common / max(np.prod(a[1] - a[0]) + np.prod(b[1] - b[0]) - common, 1e-9))


def mirrored(face: Face, width: int) -> Face:
    """A face of the mirror image of a photo `width` px wide, in the photo."""
    left, top, right, bottom = face.box_xyxy
    landmarks = (face.landmarks_xy * [-1, 1] + [width, 0])[MIRRORED_LANDMARKS]
    return replace(face, box_xyxy=(width - right, top, width - left, bottom), landmarks_xy=landmarks.astype(np.float32))


def turned_back(face: Face, degrees: float, size: tuple[int, int]) -> Face:
    """A face of a photo of (width, height) px that was turned counter-clockwise about its middle, in the photo.

    The box becomes a square: a turned box would have no upright sides.
    """
    angle, middle = np.deg2rad(degrees), np.array(size) / 2
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    x, y = back @ (np.array(face.center_xy) - middle) + middle
    half = face.shorter_side / 2
    landmarks = (face.landmarks_xy - middle) @ back.T + middle
    box = (float(x - half), float(y - half), float(x + half), float(y + half))
    return replace(face, box_xyxy=box, landmarks_xy=landmarks.astype(np.float32))
