"""Lays the generic head over a face: weak perspective from five landmarks and a known yaw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpn.photos.turning.geometry import head_rotation
from sfpn.photos.turning.head import Head

STRETCH = (0.8, 1.3)  # of the face's height against the average head's
NOSE_SHARE = 0.58  # how far down from the eyes to the mouth the nose tip lies on a level face: median of real portraits
NOSE_SHARE_PER_RADIAN = 0.33  # how much less where the face is lifted: 10 degrees move it by 0.06
PITCH_TRUST = 0.5  # long noses look like lowered heads
PITCH_LIMIT = 12.0  # degrees
WARP_REACH = 3.0  # cm around a landmark that follow it
WARP_LIMIT = 2.0  # cm: a landmark further off is no landmark


@dataclass(frozen=True)
class Fit:
    """How a head lies in a photo (pixels, y down)."""

    yaw: float  # degrees
    pitch: float
    roll: float
    scale: float  # pixels per cm
    stretch: float  # factor of heights on the face
    origin: np.ndarray  # (2,) pixels of the point between the ears

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors (2, 2) across the head and down along it, in the photo."""
        angle = np.deg2rad(self.roll)
        return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def place(self, points: np.ndarray, yaw: float) -> np.ndarray:
        """This head's points (..., 3) cm turned to `yaw` degrees -> (..., 3): x, y in pixels and cm to the camera."""
        turned = points @ head_rotation(yaw, self.pitch, self.roll).T
        pixels = self.origin + self.scale * turned[..., :2] * np.array([1.0, -1.0])
        return np.concatenate([pixels, turned[..., 2:]], axis=-1)

    def stretched(self, points: np.ndarray) -> np.ndarray:
        """Points of the generic head with this face's height: full below the eyes, half as much above them."""
        factor = np.where(points[..., 1:2] < 0, self.stretch, (1 + self.stretch) / 2)
        return points * np.concatenate([np.ones_like(factor), factor, np.ones_like(factor)], axis=-1)


def fit_head(head: Head, landmarks_xy: np.ndarray, yaw: float) -> Fit:
    """Fit to landmarks (5, 2) pixels of a face turned by `yaw` degrees (below 60)."""
    roll = eye_tilt_degrees(landmarks_xy)
    across, down = Fit(yaw, 0.0, roll, 1.0, 1.0, np.zeros(2)).axes
    eyes, nose, mouth = landmarks_xy[:2].mean(0), landmarks_xy[2], landmarks_xy[3:].mean(0)
    eye_distance = (landmarks_xy[1] - landmarks_xy[0]) @ across
    height = max((mouth - eyes) @ down, 0.3 * eye_distance)
    model = head.landmarks
    scale = eye_distance / ((model[1, 0] - model[0, 0]) * np.cos(np.deg2rad(yaw)))
    pitch = PITCH_TRUST * (NOSE_SHARE - ((nose - eyes) @ down) / height) / NOSE_SHARE_PER_RADIAN
    pitch = float(np.clip(np.degrees(pitch), -PITCH_LIMIT, PITCH_LIMIT))
    stretch = float(np.clip(height / (scale * (model[0, 1] - model[3, 1])), *STRETCH))
    fit = Fit(yaw, pitch, roll, float(scale), stretch, np.zeros(2))
    miss = landmarks_xy - fit.place(fit.stretched(model), yaw)[:, :2]
    return Fit(yaw, pitch, roll, float(scale), stretch, miss[[0, 1, 3, 4]].mean(0))


def shaped(head: Head, fit: Fit, landmarks_xy: np.ndarray) -> np.ndarray:
    """The head's points (H, W, 3) cm, bent so that this face's landmarks (5, 2) lie where the photo has them.

    Otherwise a nose's picture slides off the nose's relief, and all faces come to have the same proportions.
    """
    points, marks = fit.stretched(head.points), fit.stretched(head.landmarks)
    miss = (landmarks_xy - fit.place(marks, fit.yaw)[:, :2]) / fit.scale * np.array([1, -1])
    miss *= np.minimum(1, WARP_LIMIT / np.maximum(np.linalg.norm(miss, axis=1, keepdims=True), 1e-6))
    moved = np.pad(miss, ((0, 0), (0, 1))) @ head_rotation(fit.yaw, fit.pitch, fit.roll)
    bend = np.linalg.solve(_nearness(marks, marks), moved)
    return points + _nearness(points, marks) @ bend


def _nearness(points: np.ndarray, marks: np.ndarray) -> np.ndarray:
    squared = np.square(points[..., None, :] - marks).sum(-1)
    return np.exp(-squared / (2 * WARP_REACH**2))


def eye_tilt_degrees(landmarks_xy: np.ndarray) -> float:
    """Angle of the line between the eyes, (5, 2) pixels with y down: positive = turned clockwise in the picture."""
    across, down = np.asarray(landmarks_xy[1], float) - np.asarray(landmarks_xy[0], float)
    return float(np.degrees(np.arctan2(down, across)))
