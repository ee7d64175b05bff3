"""The faces that a pose estimator learns from, and what is known of the pose of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.photos.detector import estimate_yaw
from sfpn.photos.pose import in_box
from sfpn.photos.preprocess import crop_square

SQUARE_SIZE, SQUARE_FACTOR = 176, 2.1  # px; side over the shorter side of the face box: room for every view
PROFILE_LABEL = 80.0  # degrees, for photos whose label says no more than "profile"; see docs/pose.md
WEAK_YAW_BELOW = 25.0  # degrees: up to here the five points are right within a few

# What is known of a face, by the source of its row
RIG = "rig"  # a person photographed from known directions, who may hold the head turned all the same
EXACT = "exact"  # a drawing
POSED = "posed"  # the label says frontal or profile
UNLABELLED = "unlabelled"
KINDS = {"frmdb": RIG, "heads": EXACT, "cfp": POSED}


@dataclass(frozen=True)
class PosedFaces:
    """N faces; row i of every field is the same face. Angles in degrees, NaN where they are not known."""

    squares: np.ndarray  # (N, 176, 176, 3) uint8: 2.1 shorter sides around the middle of the face box
    landmarks: np.ndarray  # (N, 5, 2) float32, from the middle of the box, in its shorter sides
    confidence: np.ndarray  # (N,) of the detector
    yaw: np.ndarray  # (N,) as given; of POSED and UNLABELLED ones that of the five points, or the label's
    pitch: np.ndarray  # (N,) as given
    roll: np.ndarray  # (N,) as given
    kind: np.ndarray  # (N,) str
    profile: np.ndarray  # (N,) bool: labelled "profile"
    person: np.ndarray  # (N,) str

    def __len__(self) -> int:
        return len(self.yaw)

    def where(self, kept: np.ndarray) -> PosedFaces:
        """Those of a mask or of indices."""
        return PosedFaces(*(getattr(self, field.name)[kept] for field in fields(self)))


def joined(parts: Sequence[PosedFaces]) -> PosedFaces:
    """The faces of several sets, in order."""
    columns = ([getattr(part, field.name) for part in parts] for field in fields(PosedFaces))
    return PosedFaces(*(np.concatenate(column) for column in columns))


def read_faces(selections: Iterable[Selection]) -> PosedFaces:
    """All faces of datasets that were built with detection. Raises UserError if there is none, or none with angles."""
    parts = [faces for selection in selections if len(faces := _faces_of(selection))]
    if not parts:
        raise UserError("none of these rows has a face; build the datasets with detection")
    faces = joined(parts)
    if not np.isin(faces.kind, (RIG, EXACT)).any():
        raise UserError(
            "no face here has a known yaw and pitch; add a dataset of photographs from known directions "
            "(python -m data_tools build frmdb) or of drawn heads (python -m data_tools build heads)"
        )
    return faces


def _faces_of(selection: Selection) -> PosedFaces:
    rows = selection.rows()
    rows = rows[rows["box_xyxy"].notna() & rows["landmarks_xy"].notna()]
    by_id = rows.set_index("row_id").to_dict("index")
    squares, kept = [], []
    for picture in selection.dataset.pictures(set(by_id)):
        image, face = picture.decode(), picture.face
        if face is None or not _shows_the_head(by_id[picture.row_id], face.box_xyxy, image.size):
            continue
        side = SQUARE_FACTOR * face.shorter_side
        squares.append(np.asarray(crop_square(image, face.center_xy, side, SQUARE_SIZE, "edge")))
        kept.append(picture.row_id)
    return _labelled(
        np.array(squares, np.uint8).reshape(-1, SQUARE_SIZE, SQUARE_SIZE, 3), [by_id[name] for name in kept]
    )


def _shows_the_head(row: dict, box_xyxy: tuple[float, ...], size: tuple[int, int]) -> bool:
    """Whether the box is of the one head in the middle of the picture, for sources that show just that."""
    left, top, right, bottom = box_xyxy
    inside = left <= size[0] / 2 <= right and top <= size[1] / 2 <= bottom
    return inside or KINDS.get(row["source"]) not in (RIG, EXACT)


def _labelled(squares: np.ndarray, rows: list[dict]) -> PosedFaces:
    kind = np.array([KINDS.get(row["source"], UNLABELLED) for row in rows], "U16")
    given = np.isin(kind, (RIG, EXACT))
    points = np.array([row["landmarks_xy"] for row in rows], np.float32).reshape(-1, 5, 2)
    landmarks = [in_box(row["box_xyxy"], five) for row, five in zip(rows, points, strict=True)]
    five_point = np.array([estimate_yaw(five) for five in points])
    profile = (kind == POSED) & np.array([row["pose"] == "profile" for row in rows], bool)
    angle = {name: np.array([row[f"{name}_degrees"] for row in rows], float) for name in ("yaw", "pitch", "roll")}
    yaw = np.where(given, angle["yaw"], np.where(profile, np.sign(five_point) * PROFILE_LABEL, five_point))
    return PosedFaces(
        squares=squares,
        landmarks=np.array(landmarks, np.float32).reshape(-1, 5, 2),
        confidence=np.array([row["quality"] for row in rows], float),
        yaw=yaw,
        pitch=np.where(given, angle["pitch"], np.nan),
        roll=np.where(kind == EXACT, angle["roll"], np.where(kind == RIG, 0.0, np.nan)),
        kind=kind,
        profile=profile,
        person=np.array([row["identity"] for row in rows], "U64"),
    )
