"""A drawn head turned as a face is: an ellipsoid with the lines of a face, seen from the front, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from sfpn.photos.turning.geometry import head_rotation
from sfpn.verification.verifier import Side
from sfpn.verification.wording import head_words

RADII = np.array([7.4, 10.4, 9.0])  # cm: half the width, height and depth of a head
VIEW = 13.0  # cm from the middle of the picture to its border
MIDDLE = [(0.0, elevation) for elevation in range(-85, 86, 5)]  # (azimuth, elevation) in degrees: along the middle
BROWS = [(azimuth, 17.0) for azimuth in range(-90, 91, 5)]
MOUTH = [(azimuth, -40.0 - 0.012 * azimuth * azimuth / 4) for azimuth in range(-16, 17, 4)]
NOSE = np.array([[0, 2.2, 8.9], [0, -1.8, 11.4], [1.2, -2.8, 9.0], [0, -2.9, 9.6], [-1.2, -2.8, 9.0], [0, -1.8, 11.4]])
EYE_AZIMUTH, EYE_ELEVATION, EYE_WIDTH, EYE_HEIGHT = 24.0, 6.0, 8.0, 4.5  # degrees


def heads_svg(sides: Sequence[Side]) -> str:
    """Both sides' heads beside each other, with their angles in words, as HTML."""
    figures = "".join(_figure(name, side) for name, side in zip("AB", sides, strict=True))
    return f'<div class="heads">{figures}</div>'


def _figure(name: str, side: Side) -> str:
    faces = [shot.face for shot in side.shots]
    pitch = float(np.mean([face.pitch_degrees or 0.0 for face in faces]))
    if len(faces) == 1:
        yaw, words = faces[0].yaw_degrees, head_words(faces[0]).replace("-", "−")
    else:
        yaw = side.yaw_degrees * (1 if sum(face.yaw_degrees for face in faces) >= 0 else -1)
        words = f"{len(faces)} photos, on average {side.yaw_degrees:.0f} degrees to the side"
    label = f"Drawn head of person {name}: {words}"
    return f"<figure>{head_svg(yaw, pitch, label)}<figcaption><b>{name}</b>: {escape(words)}</figcaption></figure>"


def head_svg(yaw_degrees: float, pitch_degrees: float, label: str) -> str:
    """One head; the parts that look away from the viewer are left out."""
    turn = head_rotation(yaw_degrees, pitch_degrees, 0.0).astype(float)
    eyes = "".join(_outline(_eye(side), turn, "eye") for side in (-1, 1))
    near = 1 if turn[2, 0] > 0 else -1  # of the two ears, the one on the side that is seen
    far_ear, near_ear = (_outline(_ear(side), turn, "ear") for side in (-near, near))
    behind, before = far_ear + (near_ear if abs(turn[2, 0]) < 0.2 else ""), near_ear if abs(turn[2, 0]) >= 0.2 else ""
    lines = "".join(_line(_on_head(angles), turn, kind) for angles, kind in ((MIDDLE, "guide"), (BROWS, "guide")))
    mouth = _line(_on_head(MOUTH), turn, "mouth")
    nose = _path((NOSE @ turn.T)[:, :2], "nose") if (turn @ [0, 0, 1])[2] > 0.05 else ""
    size = f"{-VIEW:g} {-VIEW:g} {2 * VIEW:g} {2 * VIEW:g}"
    return (
        f'<svg class="drawn-head" viewBox="{size}" role="img" aria-label="{escape(label)}">'
        f"{behind}{_silhouette(turn)}{lines}{before}{eyes}{mouth}{nose}</svg>"
    )


def _silhouette(turn: np.ndarray) -> str:
    """The outline of the turned ellipsoid from afar: an ellipse."""
    squared = (turn @ np.diag(RADII**2) @ turn.T)[:2, :2]
    lengths, axes = np.linalg.eigh(squared)
    angle = -np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))  # of the longer axis, y down
    rx, ry = np.sqrt(lengths[[1, 0]])
    return f'<ellipse class="skull" rx="{rx:.2f}" ry="{ry:.2f}" transform="rotate({angle:.1f})"/>'


def _on_head(angles: Sequence[tuple[float, float]]) -> np.ndarray:
    """(N, 3) cm on the ellipsoid, of azimuth and elevation in degrees."""
    azimuth, elevation = np.deg2rad(np.asarray(angles, float)).T
    ball = [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    return RADII * np.stack(ball, -1)


def _eye(side: int) -> np.ndarray:
    around = np.deg2rad(np.arange(0, 360, 20))
    azimuth, elevation = side * EYE_AZIMUTH + EYE_WIDTH * np.cos(around), EYE_ELEVATION + EYE_HEIGHT * np.sin(around)
    return _on_head(np.column_stack([azimuth, elevation]).tolist())


def _ear(side: int) -> np.ndarray:
    around = np.deg2rad(np.arange(0, 360, 20))
    y, z = 0.5 + 2.8 * np.sin(around), -1.2 + 1.6 * np.cos(around)
    return np.column_stack([np.full_like(y, side * 7.5), y, z])


def _facing(points: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """(N,) whether points on the ellipsoid are on the viewer's side of it."""
    return ((points / RADII**2) @ turn.T)[:, 2] > 0


def _outline(points: np.ndarray, turn: np.ndarray, kind: str) -> str:
    """A closed shape, where its middle is to be seen. Ears stand out: they are seen from behind too."""
    if kind == "eye" and not _facing(points.mean(0, keepdims=True), turn)[0]:
        return ""
    return _path((points @ turn.T)[:, :2], kind, closed=True)


def _line(points: np.ndarray, turn: np.ndarray, kind: str) -> str:
    """The part of a line that is on the viewer's side."""
    seen = points[_facing(points, turn)]
    return _path((seen @ turn.T)[:, :2], kind) if len(seen) > 1 else ""


def _path(xy: np.ndarray, kind: str, closed: bool = False) -> str:
    steps = "L".join(f"{x:.2f} {-y:.2f}" for x, y in xy)
    return f'<path class="{kind}" d="M{steps}{"Z" if closed else ""}"/>'
