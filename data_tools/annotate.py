"""Reads one picture and finds its face: an item becomes a dataset row, or a problem for the ledger.

Given labels win over estimated ones, and both are kept. Boxes and landmarks are pixels of the picture as `datasets`
decodes it, that is after its EXIF orientation.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from data_tools.sources.base import Item, Problem, one_line
from sfpn.schema import ROW_COLUMNS, pose_from_yaw

KEPT_FORMATS = ("JPEG", "PNG")  # their bytes are stored as they are; anything else is stored as PNG

FindFace = Callable[[Image.Image], Any]  # RGB picture -> sfpn.photos.detector.Face, or None where there is no face


@dataclass(frozen=True)
class Detector:
    """A face detector that every worker loads once for itself.

    Equal after pickling, so that it is loaded once and not per task: `load` is a module's function, not a closure.
    """

    name: str  # name and version, as the rows carry it
    load: Callable[..., FindFace]
    options: tuple = ()  # arguments of `load`


@dataclass(frozen=True)
class Annotated:
    """A row with what the ledger needs to know about it."""

    row: dict[str, Any]  # by ROW_COLUMNS
    path: str
    digest: bytes  # SHA-256 of the stored image bytes
    notes: tuple[tuple[str, str], ...] = ()  # (step, reason) why the row is incomplete


def mtcnn(*, small_faces: bool = False) -> Detector:
    """The project's detector. small_faces: search below portrait size as well (slower)."""
    from sfpn.photos import detector as faces

    return Detector(faces.detector_name(), load_mtcnn, (small_faces,))


def load_mtcnn(small_faces: bool) -> FindFace:
    """Load MTCNN on one thread: workers share the cores, and the rows do not depend on their number."""
    import torch

    from sfpn.photos.detector import FaceDetector, choose_face

    torch.set_num_threads(1)
    detector = FaceDetector(small_faces=small_faces)
    return lambda image: choose_face(detector.detect(image), image.size)


def annotate(item: Item | Problem, source: str, detector: Detector | None) -> Annotated | Problem:
    """Read, decode and annotate one item. Whatever a picture raises becomes a Problem: one must not end a build.

    Raises what loading the detector raises, since no picture is to blame for that.
    """
    if isinstance(item, Problem):
        return item
    find_face = _loaded(detector) if detector else None
    try:
        encoded, image = decode(item.read())
    except FileNotFoundError:
        return Problem(item.path, "the file is absent", item.row_id)
    except UnidentifiedImageError:  # its text holds a memory address
        return Problem(item.path, "cannot be read: not a picture of a known format", item.row_id, step="annotate")
    except Exception as error:  # noqa: BLE001 - decoders raise anything
        return Problem(item.path, f"cannot be read: {one_line(error)}", item.row_id, step="annotate")
    try:
        face = find_face(image) if find_face else None
        row = dict.fromkeys(ROW_COLUMNS) | _given(item, source, encoded) | _found(face, detector)
        return Annotated(_with_pose(row), item.path, hashlib.sha256(encoded).digest(), _notes(item, row, detector))
    except Exception as error:  # noqa: BLE001 - so do networks
        return Problem(item.path, f"no face could be looked for: {one_line(error)}", item.row_id, step="annotate")


def decode(encoded: bytes) -> tuple[bytes, Image.Image]:
    """(bytes to store, upright RGB picture). Raises whatever Pillow does for truncated or unknown data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata are no concern of a build
        return _decode(encoded)


def _decode(encoded: bytes) -> tuple[bytes, Image.Image]:
    with Image.open(io.BytesIO(encoded)) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
        if opened.format in KEPT_FORMATS:
            return encoded, image
    stored = io.BytesIO()
    image.save(stored, "PNG")
    return stored.getvalue(), image


@cache
def _loaded(detector: Detector) -> FindFace:
    return detector.load(*detector.options)


def _given(item: Item, source: str, encoded: bytes) -> dict[str, Any]:
    yaw = item.yaw_degrees
    return {
        "row_id": item.row_id,
        "image": {"bytes": encoded, "path": PurePosixPath(item.path).name},
        "identity": item.identity,
        "pose": item.pose,
        "yaw_degrees": yaw,
        "yaw_source": None if yaw is None else "given",
        "template": item.template,
        "split": item.split,
        "source": source,
    }


def _found(face: Any, detector: Detector | None) -> dict[str, Any]:
    if face is None:
        return {"detector": detector.name if detector else None}
    return {
        "detector": detector.name,
        "pose_estimated": face.pose,
        "roll_degrees": roll_degrees(face.landmarks_xy),
        "quality": float(face.confidence),
        "box_xyxy": [float(value) for value in face.box_xyxy],
        "landmarks_xy": [float(value) for point in face.landmarks_xy for value in point],
    } | {"_yaw": float(face.yaw_degrees)}


def _with_pose(row: dict[str, Any]) -> dict[str, Any]:
    """Fill what was not given from the estimate: yaw, then pose."""
    estimated = row.pop("_yaw", None)
    if row["yaw_degrees"] is None and estimated is not None:
        row |= {"yaw_degrees": estimated, "yaw_source": "estimated"}
    if row["pose"] is None and row["yaw_degrees"] is not None:
        row["pose"] = pose_from_yaw(row["yaw_degrees"])
    return row


def _notes(item: Item, row: dict[str, Any], detector: Detector | None) -> tuple[tuple[str, str], ...]:
    notes = [("source", item.note)] if item.note else []
    if detector and row["box_xyxy"] is None:
        notes.append(("annotate", "no face found"))
    return tuple(notes)


def roll_degrees(landmarks_xy: Any) -> float:
    """Angle of the line between the eyes, (5, 2) pixels with y down: positive = turned clockwise in the picture."""
    (left_x, left_y), (right_x, right_y) = landmarks_xy[0], landmarks_xy[1]
    return math.degrees(math.atan2(float(right_y - left_y), float(right_x - left_x)))
