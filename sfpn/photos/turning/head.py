"""The generic head: the average of the drawn people's heads, with a layer of hair, on a grid coarse enough to be quick.

Lengths are centimetres; x points to the image's right, y up, z to a camera that sees the face from the front. The file
beside this module holds the bald head; data_tools/synthetic/average_head.py makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from sfpn.photos.turning.geometry import grid_triangles

FILE = Path(__file__).parent / "average_head.safetensors"
HAIR_THICKNESS = 1.0  # cm on top and at the back; short hair, since long hair hangs rather than stands


@dataclass(frozen=True)
class Head:
    """A closed grid of the head's surface with the five landmarks on it."""

    points: np.ndarray  # (H, W, 3) cm, rows from the top down, columns once around from the back over image-left
    azimuth: np.ndarray  # (W,) degrees -180..180 of the columns about its centre, 0 = the face, positive = image-right
    elevation: np.ndarray  # (H,) degrees 90..-90 of the rows about its centre
    outward: np.ndarray  # (H, W, 3) those directions as unit vectors
    hair: np.ndarray  # (H, W) 1 where hair grows, 0 on bare skin
    triangles: np.ndarray  # (T, 3) vertex numbers
    landmarks: np.ndarray  # (5, 3) cm: eyes, nose tip, mouth corners; image-left first


@cache
def generic_head() -> Head:
    """The average head, read once per process."""
    from safetensors.numpy import load_file

    held = load_file(FILE)
    points, hair = held["points"], held["hair"]
    outward = points - held["centre"]
    outward = outward / np.linalg.norm(outward, axis=2, keepdims=True)
    thick = (points + HAIR_THICKNESS * hair[..., None] * outward).astype(np.float32)
    return Head(thick, *_directions(outward), outward, hair, grid_triangles(*thick.shape[:2]), held["landmarks"])


def _directions(outward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth (W,) and elevation (H,) in degrees of the grid's unit directions (H, W, 3)."""
    row, column = outward[len(outward) // 2], outward[:, -1]
    azimuth = np.degrees(np.arctan2(row[:, 0], row[:, 2]))
    azimuth[[0, -1]] = -180.0, 180.0
    return azimuth, np.degrees(np.arcsin(column[:, 1]))
