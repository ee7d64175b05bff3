"""The generic head: the average of the drawn people's heads, with a layer of hair, on a grid coarse enough to be quick.

Lengths are centimetres; x points to the image's right, y up, z to a camera that sees the face from the front.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from data_tools.synthetic.identity import SHAPE
from data_tools.synthetic.mesh import grid_triangles
from data_tools.synthetic.noise import ramp
from data_tools.synthetic.relief import lips
from data_tools.synthetic.scalp import LINE_Y, LINE_Z
from data_tools.synthetic.shape import CENTRE, EYE_RADIUS, trace

KEEP_EVERY = 3  # of the drawn heads' rows and columns
HAIR_THICKNESS = 1.0  # cm on top and at the back; short hair, since long hair hangs rather than stands


@dataclass(frozen=True)
class Head:
    """A closed grid of the head's surface with the five landmarks on it."""

    points: np.ndarray  # (H, W, 3) cm, rows from the top down, columns once around from the back over image-left
    azimuth: np.ndarray  # (W,) degrees -180..180 of the columns about CENTRE, 0 = the face, positive = image-right
    elevation: np.ndarray  # (H,) degrees 90..-90 of the rows about CENTRE
    outward: np.ndarray  # (H, W, 3) those directions as unit vectors
    hair: np.ndarray  # (H, W) 1 where hair grows, 0 on bare skin
    triangles: np.ndarray  # (T, 3) vertex numbers
    landmarks: np.ndarray  # (5, 3) cm: eyes, nose tip, mouth corners; image-left first


@cache
def generic_head() -> Head:
    """The average head; takes a second, once per process."""
    shape = {name: mean for name, (mean, _, _) in SHAPE.items()}
    half = trace(shape)
    points = np.concatenate([half[:, :0:-1] * np.array([-1, 1, 1], np.float32), half], axis=1)
    front = ramp(points[..., 2], 2.0, 4.5)
    points[..., 2] += front * lips(points, shape)
    landmarks = _landmarks(points, shape)
    middle = points.shape[1] // 2
    columns = np.r_[np.arange(middle, -1, -KEEP_EVERY)[::-1], np.arange(middle, points.shape[1], KEEP_EVERY)[1:]]
    columns[[0, -1]] = 0, points.shape[1] - 1
    points = points[::KEEP_EVERY, columns]
    outward = points - CENTRE
    outward = outward / np.linalg.norm(outward, axis=2, keepdims=True)
    hair = ramp(points[..., 1] - np.interp(points[..., 2], LINE_Z, LINE_Y), 0.0, 2.0)
    thick = (points + HAIR_THICKNESS * hair[..., None] * outward).astype(np.float32)
    return Head(thick, *_directions(outward), outward, hair, grid_triangles(*thick.shape[:2]), landmarks)


def _directions(outward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth (W,) and elevation (H,) in degrees of the grid's unit directions (H, W, 3)."""
    row, column = outward[len(outward) // 2], outward[:, -1]
    azimuth = np.degrees(np.arctan2(row[:, 0], row[:, 2]))
    azimuth[[0, -1]] = -180.0, 180.0
    return azimuth, np.degrees(np.arcsin(column[:, 1]))


def _landmarks(points: np.ndarray, shape: dict[str, float]) -> np.ndarray:
    """Where MTCNN puts its five points on a face seen from the front."""
    eyes = [[side * shape["eye_distance"], shape["eye_height"], shape["eye_depth"] + EYE_RADIUS] for side in (-1, 1)]
    tip = points.reshape(-1, 3)[np.argmax(points[..., 2])]
    corner = np.array([shape["mouth_width"], shape["mouth_height"]])
    at = np.argmin(np.square(points[..., :2] - corner).sum(-1) + 100 * (points[..., 2] < 0))
    depth = points.reshape(-1, 3)[at, 2]
    corners = [[side * corner[0], corner[1], depth] for side in (-1, 1)]
    return np.array([*eyes, [0.0, tip[1], tip[2]], *corners], np.float32)
