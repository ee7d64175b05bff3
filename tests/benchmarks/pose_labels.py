"""What FRMDB's angles are worth, by an estimator that shares nothing with this project's: MediaPipe's face mesh.

    python -m pip install -r requirements.txt mediapipe==0.10.14      # in an environment of its own
    python -m tests.benchmarks.pose_labels ../shared/data/frmdb [--people 19-33]

The mesh's points of each photo are laid on their mean shape, which gives yaw, pitch and roll, the zero of the pitch
being the people's mean. What the mesh sees of a person's frontal photo beside the rig is taken as how the person held
the head, a rotation, which tells the true angles of the photos from the side: a nod is a pitch from the front and a
roll from the side. The bundled estimator is asked about the same photos; people 1 to 18 were trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from data_tools.sources.base import Item
from data_tools.sources.frmdb import FRMDB
from sfpn.photos.detector import Face, FaceDetector
from sfpn.photos.preprocess import crop_square
from sfpn.photos.turning.geometry import head_rotation
from tests.benchmarks.pose import HEIGHTS, opened, see, span

LOOKS = tuple((factor, mirrored) for factor in (1.7, 2.4) for mirrored in (False, True))  # times the face box
MESH_SIDE, MESH_POINTS = 512, 468  # px of the mesh's pictures
TURNS = (0.0, 45.0, 90.0)  # |yaw|
ANGLES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class Photo:
    """Angles in degrees as (yaw, pitch, roll), of the rig, of the bundled estimator and of the mesh (or None)."""

    person: str
    rig: np.ndarray
    ours: np.ndarray
    mesh: np.ndarray | None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frmdb", type=Path)
    parser.add_argument("--people", type=span, default=span("19-33"), help="of FRMDB (default: 19-33, not trained on)")
    args = parser.parse_args()
    photos = measured(args.frmdb, args.people)
    true = true_angles(photos)
    report_agreement(photos)
    report_nods(photos, true)
    report_errors(photos, true)


def face_mesh():
    """MediaPipe's, as a function of an RGB array that returns its points (468, 3) or None."""
    try:
        from mediapipe.python.solutions.face_mesh import FaceMesh  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SystemExit(
            "this needs MediaPipe, which the project does not: make an environment of its own and run there "
            f"python -m pip install -r requirements.txt mediapipe==0.10.14 ({error})"
        ) from error
    mesh = FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.2)

    def points(picture: np.ndarray) -> np.ndarray | None:
        faces = mesh.process(picture).multi_face_landmarks
        return np.array([[p.x, p.y, p.z] for p in faces[0].landmark])[:MESH_POINTS] if faces else None

    return points


def measured(folder: Path, people: range) -> list[Photo]:
    """Every photo of the people in which a face is found, seen by both."""
    detector, points_of, found = FaceDetector(small_faces=False), face_mesh(), []
    for item in FRMDB(folder).items():
        if not isinstance(item, Item) or int(item.identity) not in people:
            continue
        image, rig = opened(item.read()), np.array([item.yaw_degrees or 0.0, item.pitch_degrees or 0.0, 0.0])
        face = see(detector, image, *rig).face
        if face is not None:
            found.append((item.identity, rig, face, list(looks_at(image, face, points_of)) if abs(rig[0]) < 90 else []))
    shape = mean_shape(np.array([points for *_, looks in found for points, _ in looks]))
    return [
        Photo(person, rig, np.array([getattr(face, f"{name}_degrees") for name in ANGLES]), mesh_angles(looks, shape))
        for person, rig, face, looks in found
    ]


def looks_at(image: Image.Image, face: Face, points_of) -> Iterator[tuple[np.ndarray, bool]]:
    """Points of the mesh in crops of two sizes and their mirror images, x right, y up, z to the camera, no mean."""
    left, top, right, bottom = face.box_xyxy
    for factor, mirrored in LOOKS:
        crop = crop_square(image, face.center_xy, factor * max(right - left, bottom - top), MESH_SIDE, "edge")
        points = points_of(np.ascontiguousarray(ImageOps.mirror(crop) if mirrored else crop))
        if points is not None:
            points = points * [1, -1, -1]
            yield (points - points.mean(0)) / np.linalg.norm(points - points.mean(0)), mirrored


def turned_onto(points: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) of the shape (P, 3) that lay it best on points (N, P, 3), Kabsch's."""
    left, _, right = np.linalg.svd(np.einsum("npa,pb->nab", points, shape))
    left[..., 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return left @ right


def mean_shape(points: np.ndarray) -> np.ndarray:
    """(468, 3): mean of shapes (N, 468, 3) laid on each other, turned so that its plane of symmetry is x = 0.

    Half of the shapes are of mirror images, so that the mean is symmetric but for how it is turned.
    """
    shape = points.mean(0)  # of all heights, so that it looks straight ahead but for a degree or two
    for _ in range(5):
        shape = np.einsum("nab,npa->npb", turned_onto(points, shape), points).mean(0)
    for _ in range(20):
        mirrored = shape * [-1, 1, 1]
        partner = ((shape[:, None] - mirrored[None]) ** 2).sum(-1).argmin(1)
        across = turned_onto(shape[None], mirrored[partner])[0]  # twice the turn that is left
        half = np.eye(3) + across
        left, _, right = np.linalg.svd(half)
        shape = shape @ (left @ right)
    return shape


def angles_of_rotation(rotation: np.ndarray) -> np.ndarray:
    """(yaw, pitch, roll) in degrees of a (3, 3) from head to room: the inverse of head_rotation."""
    yaw, pitch = np.arctan2(-rotation[2, 0], rotation[2, 2]), -np.arcsin(np.clip(rotation[2, 1], -1, 1))
    return np.degrees([yaw, pitch, np.arctan2(rotation[0, 1], rotation[1, 1])])


def mesh_angles(looks: list[tuple[np.ndarray, bool]], shape: np.ndarray) -> np.ndarray | None:
    """Mean angles of the looks; None without one."""
    if not looks:
        return None
    turns = turned_onto(np.array([points for points, _ in looks]), shape)
    back = [[-1, 1, -1] if mirrored else [1, 1, 1] for _, mirrored in looks]
    return np.mean([angles_of_rotation(turn) * sign for turn, sign in zip(turns, back, strict=True)], 0)


def true_angles(photos: list[Photo]) -> list[np.ndarray | None]:
    """Angles of every photo if the person held the head as in the frontal one of that height; None without that.

    Of pitch and roll what the people have in common at a height is taken off: the mesh's zero, not a posture.
    """
    frontal = {(p.person, p.rig[1]): p.mesh for p in photos if p.rig[0] == 0 and p.mesh is not None}
    postures = {}
    for height in HEIGHTS:
        common = np.mean([seen - [0, height, 0] for (_, h), seen in frontal.items() if h == height], 0) * [0, 1, 1]
        for (person, h), seen in frontal.items():
            if h == height:
                postures[person, h] = head_rotation(0, height, 0).T @ head_rotation(*(seen - common))
    keys = [(p.person, p.rig[1]) for p in photos]
    return [
        angles_of_rotation(head_rotation(p.rig[0], p.rig[1], 0) @ postures[key]) if key in postures else None
        for p, key in zip(photos, keys, strict=True)
    ]


def beside_common(values: Iterable[tuple[tuple, float, float]]) -> np.ndarray:
    """(2, N) of (cell, a, b): both less their means in the cell."""
    cells: dict[tuple, list[tuple[float, float]]] = {}
    for cell, *pair in values:
        cells.setdefault(cell, []).append((pair[0], pair[1]))
    return np.concatenate([np.array(pairs) - np.mean(pairs, 0) for pairs in cells.values()]).T


def report_agreement(photos: list[Photo]) -> None:
    """Correlation of what both see beside the rig, in photos from one direction and height."""
    print(
        "beside the rig, less the mean of that direction and height: deviation of ours / the mesh / their difference / "
        "what they share, correlation, photos"
    )
    for turn in TURNS[:2]:
        for number, name in enumerate(ANGLES[:2]):
            ours, mesh = beside_common(
                (tuple(p.rig), p.ours[number], p.mesh[number])
                for p in photos
                if abs(p.rig[0]) == turn and p.mesh is not None
            )
            r = np.corrcoef(ours, mesh)[0, 1]
            spreads = (ours.std(), mesh.std(), (ours - mesh).std(), max(np.mean(ours * mesh), 0) ** 0.5)
            spread = " / ".join(f"{value:4.1f}" for value in spreads)
            print(f"  |yaw| {turn:2.0f}, {name:5s}: {spread}, {r:.2f}, {len(ours)}")


def report_nods(photos: list[Photo], true: list[np.ndarray | None]) -> None:
    """A nod seen by the mesh from the front is a roll seen by the bundled estimator from the side."""
    seen = beside_common(
        (tuple(p.rig), p.ours[2], t[2])
        for p, t in zip(photos, true, strict=True)
        if abs(p.rig[0]) == 90 and t is not None
    )
    print(
        f"roll in profiles: correlation of ours with that which the mesh's nod in the frontal photo gives "
        f"{np.corrcoef(seen)[0, 1]:.2f}, {seen.shape[1]} photos"
    )


def report_errors(photos: list[Photo], true: list[np.ndarray | None]) -> None:
    """How far the rig lies from the postures, and the bundled estimator from both."""
    print("mean distance yaw / pitch: rig from posture (a perfect estimator's error), ours from rig, ours from posture")
    rows = [(p.rig, p.ours, t) for p, t in zip(photos, true, strict=True) if t is not None]
    for turn in TURNS:
        print(f"  |yaw| {turn:2.0f}  {distances([row for row in rows if abs(row[0][0]) == turn])}")
    for height, name in HEIGHTS.items():
        print(f"  {name:9s} {distances([row for row in rows if row[0][1] == height])}")
    print(f"  {'all':9s} {distances(rows)}")


def distances(rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Mean absolute differences of angles of (rig, ours, posture) in words."""
    rig, ours, posture = (np.array(column) for column in zip(*rows, strict=True))
    far = [np.abs((a - b + 180) % 360 - 180).mean(0) for a, b in ((rig, posture), (ours, rig), (ours, posture))]
    return ", ".join(f"{yaw:4.1f} / {pitch:4.1f}" for yaw, pitch, _ in far) + f", {len(rows)} photos"


if __name__ == "__main__":
    main()
