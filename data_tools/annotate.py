"""Reads one picture and finds its face: an item becomes a dataset row, or a problem for the ledger.

Given labels win over estimated ones, and both are kept. Boxes and landmarks are pixels of the picture as `datasets`
decodes it, that is after its EXIF orientation. A picture that lies on its side or upside down without saying so gets
the EXIF orientation it lacks, so that every reader sees it upright: no pixel changes, and the ledger says so.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from PIL import Image

from data_tools.sources.base import Decided, Item, Problem
from sfpn.data.decisions import Box
from sfpn.errors import UserError, one_line
from sfpn.photos.containers import PixelData, pixels_only, with_orientation
from sfpn.photos.orientation import ORIENTATION_TAG, UPRIGHT, turn_clockwise, turned_orientation
from sfpn.photos.photo import Photo, decode_photo
from sfpn.schema import ROW_COLUMNS, pose_from_yaw

if TYPE_CHECKING:
    from sfpn.photos.detector import Face

KEPT_FORMATS = ("JPEG", "PNG")  # their bytes are stored as they are; anything else is stored as PNG

FindFace = Callable[..., Any]
"""find_face(RGB picture) -> sfpn.photos.detector.Face, or None where there is no face.

find_face(picture, box) -> the face at that place (left, top, right, bottom, pixels of the upright picture), or None.
"""
SAME_PLACE = 0.5  # share that a face's box and the one that a decision names have in common


@dataclass(frozen=True)
class Detector:
    """A face detector that every worker loads once for itself.

    Equal after pickling, so that it is loaded once and not per task: `load` is a module's function, not a closure.
    """

    name: str  # name and version, as the rows carry it
    load: Callable[..., FindFace]
    options: tuple = ()  # arguments of `load`
    pose_estimator: str | None = None  # its version, as the card carries it


@dataclass(frozen=True)
class Annotated:
    """A row with what the ledger needs to know about it."""

    row: dict[str, Any]  # by ROW_COLUMNS
    path: str
    digest: bytes  # SHA-256 of the stored image bytes
    notes: tuple[tuple[str, str], ...] = ()  # (step, reason) why the row is incomplete
    decided: Decided | None = None


def mtcnn(*, small_faces: bool = False, device: str = "cpu") -> Detector:
    """The project's detector. small_faces: search below portrait size as well (slower). device: see `choose_device`.

    Raises UserError for a device that is not there.
    """
    from sfpn.machine import choose_device
    from sfpn.photos import detector as faces
    from sfpn.photos.pose import estimator_version

    choose_device(device)  # now, because a worker's error would be counted as a picture's
    return Detector(faces.detector_name(), load_mtcnn, (small_faces, True, device), estimator_version())


def load_mtcnn(small_faces: bool, turns: bool = False, device: str = "cpu") -> FindFace:
    """Load MTCNN for a worker process: all of torch on one thread, since workers share the cores; see face_finder."""
    import torch

    torch.set_num_threads(1)
    return face_finder(small_faces, turns, device)


def face_finder(small_faces: bool, turns: bool = False, device: str = "cpu") -> FindFace:
    """A detector as rows need it; calls from several threads wait for each other.

    turns: look at a picture in its four turns where no face in it is sure; Face.turned_degrees says which it was.
    """
    from sfpn.photos.detector import FaceDetector, choose_face, enlarged
    from sfpn.photos.finding import Found, find_in_photo

    detector = FaceDetector(small_faces=small_faces, device=device)

    def find_face(image: Image.Image, box: Box | None = None) -> Face | None:
        found = find_in_photo(detector, Photo("", image)) if turns else Found(image, tuple(detector.detect(image)))
        if box is None:
            return choose_face(list(found.faces), found.size)
        if face := face_at(found.faces, box):
            return face
        small = FaceDetector(device=device).detect(found.image)  # a small one beside a large one, which was enough
        small = [enlarged(face, found.divisor) for face in small]
        return face_at([replace(face, turned_degrees=found.turned_degrees) for face in small], box)

    return find_face


def face_at(faces: Sequence[Face], box: Box) -> Face | None:
    """The face whose box has most in common with a given one; None where none has the half."""
    best = max(faces, key=lambda face: common_share(face.box_xyxy, box), default=None)
    return best if best is not None and common_share(best.box_xyxy, box) >= SAME_PLACE else None


def common_share(first: Box, second: Box) -> float:
    """Common area of two boxes over the area that they cover together, 0-1.

    >>> common_share((0, 0, 2, 2), (1, 0, 3, 2)) == 1 / 3, common_share((0, 0, 1, 1), (2, 2, 3, 3))
    (True, 0.0)
    """
    sides = [min(first[i + 2], second[i + 2]) - max(first[i], second[i]) for i in (0, 1)]
    common = max(sides[0], 0.0) * max(sides[1], 0.0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (first, second)]
    return common / max(sum(areas) - common, 1e-9)


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
    except Exception as error:  # noqa: BLE001 - decoders raise anything
        return Problem(item.path, f"cannot be read: {one_line(error)}", item.row_id, step="annotate")
    try:
        face = find_face(image, *_meant(item)) if find_face else None
        if degrees := _turn_of(face):
            encoded = turned(encoded, image, degrees)
        row = dict.fromkeys(ROW_COLUMNS) | _given(item, source, encoded) | _found(face, detector)
        notes = _notes(item, row, face, detector)
        return Annotated(_with_pose(row, face), item.path, hashlib.sha256(encoded).digest(), notes, item.decided)
    except Exception as error:  # noqa: BLE001 - so do networks
        return Problem(item.path, f"no face could be looked for: {one_line(error)}", item.row_id, step="annotate")


def _meant(item: Item) -> tuple[Box, ...]:
    """What find_face is told of the face that was decided for."""
    return (item.decided.face_box,) if item.decided and item.decided.face_box else ()


def with_face(row: dict[str, Any], face: Any, *, given_pose: bool) -> dict[str, Any]:
    """A finished row with another face of its picture: its box and landmarks, and what was estimated from the old one.

    given_pose: whether the label of the pose was given and stays.
    """
    row = row | _found_face(face)
    if row["yaw_source"] == "estimated":
        row |= {"yaw_degrees": None, "pitch_degrees": None, "roll_degrees": None}
        row |= {} if given_pose else {"pose": None}
    return _with_pose(row, face)


def decode(encoded: bytes) -> tuple[bytes, Image.Image]:
    """(bytes to store, upright RGB picture). Raises UserError, with the reason alone, for what cannot be decoded."""
    try:
        image = decode_photo(encoded, "", min_side=1).image
    except UserError as error:
        raise UserError(str(error).removeprefix(": ")) from error
    return (encoded if _is_kept(encoded) else _as_png(image)), image


def turned(encoded: bytes, image: Image.Image, degrees: int) -> bytes:
    """The bytes of a picture (decoded and upright by its EXIF: `image`) so that readers see it turned clockwise."""
    data = pixels_only(encoded)
    if data is not None and data.kind in KEPT_FORMATS:
        return with_orientation(encoded, turned_orientation(data.orientation, degrees))
    return _as_png(turn_clockwise(image, degrees))


def _is_kept(encoded: bytes) -> bool:
    """Whether other readers, which trust EXIF as it is, see the picture as it is seen here."""
    data = pixels_only(encoded)
    if data is not None and data.kind in KEPT_FORMATS and data.encoded is not encoded and data.encoded == encoded:
        return True  # its structure could be read, and there is nothing in it but pixels
    return _reads_the_same(encoded, data)


def _reads_the_same(encoded: bytes, data: PixelData | None) -> bool:
    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            exif = opened.getexif()
            orientation = exif.get(ORIENTATION_TAG, UPRIGHT)
            if orientation != UPRIGHT:
                exif.tobytes()  # as ImageOps.exif_transpose does, which raises for odd tags
            return opened.format in KEPT_FORMATS and data is not None and data.orientation == orientation
    except Exception:  # whatever odd metadata makes Pillow raise
        return False


def _turn_of(face: Any) -> int:
    """Degrees clockwise by which the picture was turned to find the face; 0 where there is none."""
    return getattr(face, "turned_degrees", 0)


def _as_png(image: Image.Image) -> bytes:
    stored = io.BytesIO()
    image.save(stored, "PNG")
    return stored.getvalue()


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
        "pitch_degrees": item.pitch_degrees,
        "roll_degrees": item.roll_degrees,
        "template": item.template,
        "split": item.split,
        "source": source,
    }


def _found(face: Any, detector: Detector | None) -> dict[str, Any]:
    if face is None or detector is None:
        return {"detector": detector.name if detector else None}
    return {"detector": detector.name} | _found_face(face)


def _found_face(face: Any) -> dict[str, Any]:
    return {
        "pose_estimated": face.pose,
        "quality": float(face.confidence),
        "box_xyxy": [float(value) for value in face.box_xyxy],
        "landmarks_xy": [float(value) for point in face.landmarks_xy for value in point],
    }


def _with_pose(row: dict[str, Any], face: Any) -> dict[str, Any]:
    """Fill what was not given from the estimate: the three angles, then pose."""
    if face is not None and row["yaw_degrees"] is None:
        row |= {"yaw_degrees": float(face.yaw_degrees), "yaw_source": "estimated"}
    if face is not None and row["pitch_degrees"] is None:
        row["pitch_degrees"] = face.pitch_degrees
    if face is not None and row["roll_degrees"] is None:
        row["roll_degrees"] = face.roll_degrees
    if row["pose"] is None and row["yaw_degrees"] is not None:
        row["pose"] = pose_from_yaw(row["yaw_degrees"])
    return row


def _notes(item: Item, row: dict[str, Any], face: Any, detector: Detector | None) -> tuple[tuple[str, str], ...]:
    notes = [("source", item.note)] if item.note else []
    if degrees := _turn_of(face):
        notes.append(("annotate", f"lay on its side: its EXIF orientation now turns it by {degrees} degrees clockwise"))
    if detector and row["box_xyxy"] is None:
        notes.append(("annotate", "no face found"))
    return tuple(notes)
