"""Where the turned head takes its colours from, also on the sides and the back that the photo does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from sfpn.photos.turning.backdrop import sample
from sfpn.photos.turning.geometry import ramp
from sfpn.photos.turning.head import Head

SEEN_TO = 66.0  # degrees from the camera's direction up to which the photo shows the head well, and no background
RIM = 16.0  # degrees inside of that which are shown again, to and fro, on what lies beyond
BEYOND = 0.4  # degrees of the rim for each degree beyond: stretched, so that few turns are seen
HAIR_FROM, HAIR_TO = 60.0, 82.0  # degrees from the camera's direction between which hair comes to have one colour
BLUR_FROM, BLUR_TO = 64.0, 82.0  # and between which the rest comes to be blurred, lest stretched pores be stripes
HAIR_ELEVATION = (15.0, 75.0)  # degrees between which the rim shows hair on most heads
HAIR_RIM = (48.0, 63.0)  # degrees from the camera's direction
SKIN_WITHIN = 40.0


@dataclass(frozen=True)
class Texture:
    """Where each head point's colour is in the picture, and what is mixed into it where the photo does not show it."""

    at: np.ndarray  # (H, W, 2) pixels
    blur: np.ndarray  # (H, W) 0-1
    hair_share: np.ndarray  # (H, W) 0-1
    hair_colour: np.ndarray  # (3,) 0-255


def head_texture(picture: np.ndarray, head: Head, seen: np.ndarray, yaw: float) -> Texture:
    """The colours of a picture (S, S, 3) at `yaw` degrees, in which each head point is at `seen` (H, W, 2).

    What turns away from the camera is a mirror image of the rim of what is seen. On the back of the head that would be
    cheeks and ears, so that has the colour of the hair.
    """
    seen_from = directions(*np.meshgrid(head.azimuth + yaw, head.elevation))
    azimuth, elevation = towards_camera(seen_from)
    column = np.interp(azimuth - yaw, head.azimuth, np.arange(len(head.azimuth)))
    row = np.interp(-elevation, -head.elevation, np.arange(len(head.elevation)))
    at = np.stack([map_coordinates(seen[..., i], [row, column], order=1, mode="nearest") for i in range(2)], -1)
    away = degrees_away(seen_from)
    hair = head.hair * ramp(away, HAIR_FROM, HAIR_TO)
    return Texture(at, ramp(away, BLUR_FROM, BLUR_TO), hair, hair_colour(picture, seen, seen_from))


def directions(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) of directions in degrees."""
    az, el = np.deg2rad(azimuth), np.deg2rad(elevation)
    return np.stack([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)], -1)


def degrees_away(seen_from: np.ndarray) -> np.ndarray:
    """Angle (...) between unit vectors (..., 3) and the camera's direction."""
    return np.degrees(np.arccos(np.clip(seen_from[..., 2], -1, 1)))


def towards_camera(seen_from: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth and elevation in degrees of unit vectors (..., 3); those beyond SEEN_TO come back to the rim radially."""
    away = degrees_away(seen_from)
    to_and_fro = RIM - np.abs(BEYOND * (away - SEEN_TO) % (2 * RIM) - RIM)
    kept = np.deg2rad(np.where(away > SEEN_TO, SEEN_TO - to_and_fro, away))
    sideways = np.sin(kept) / np.maximum(np.hypot(seen_from[..., 0], seen_from[..., 1]), 1e-6)
    x, y, z = seen_from[..., 0] * sideways, seen_from[..., 1] * sideways, np.cos(kept)
    return np.degrees(np.arctan2(x, z)), np.degrees(np.arcsin(np.clip(y, -1, 1)))


def hair_colour(picture: np.ndarray, seen: np.ndarray, seen_from: np.ndarray) -> np.ndarray:
    """The colour (3,) on the upper rim of the seen head that is least like the skin; a bald head's is skin."""
    away, height = degrees_away(seen_from), np.degrees(np.arcsin(seen_from[..., 1]))
    skin = np.median(sample(picture, seen[away < SKIN_WITHIN]), axis=0)
    low, high = HAIR_ELEVATION
    colours = sample(picture, seen[(away > HAIR_RIM[0]) & (away < HAIR_RIM[1]) & (height > low) & (height < high)])
    weight = np.linalg.norm(colours - skin, axis=1) ** 3 + 1e-6
    return weight @ colours / weight.sum()
