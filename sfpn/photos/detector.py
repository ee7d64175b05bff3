"""Finds faces in a photo with facenet-pytorch's MTCNN; where they look is estimated by the network of pose.py.

Three measured facts shape this module. MTCNN clips a candidate box at the image border instead of padding it, which
shifts box and landmarks of a face that touches the border by up to half the face: photos are padded before detection.
Its cost is the image pyramid: a photo is searched for large faces at once and for small ones only if there is need.
And a panorama that is reduced by its longer side has no face left: it is searched in overlapping tiles.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from sfpn.photos.searched import WORKING_SIZE, reduced, tiles_of
from sfpn.schema import pose_from_yaw

PAD_FRACTION = 0.4  # of the longer side (of twice the shorter one at most), on every side
LARGE_WORKING_SIZE = 640  # px; portraits are found there as well as at WORKING_SIZE, in half the time
LARGE_FACE_FRACTION = 0.3  # of the shorter side: portraits
PYRAMID_FACTOR = 0.709  # MTCNN's own, as the thresholds; not imported from mtcnn.py, which loads torch
Thresholds = tuple[float, float, float]  # of MTCNN's three networks
USUAL_THRESHOLDS: Thresholds = (0.6, 0.7, 0.7)
SMALL_FACE_STEPS = 4  # pyramid steps below a portrait: 0.3 * 0.709**4 = 7.6 % of the shorter side
TINY_FACE_STEPS = 6  # 3.8 %, searched only where nothing larger was found
SMALLEST_FACE_PIXELS = 12  # MTCNN's receptive field
MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]  # which landmark of a mirrored face is which
DEVICE_HELP = (
    "of the face detector and the pose estimator: cpu, cuda, cuda:1 ..., mps, or auto; their networks are tiny, and a "
    "graphics processor finds faces hardly sooner (default: cpu)"
)
UNPOSED = -1.0  # doubt that no face leaves
SAME_FACE_OVERLAP = 0.5  # of the smaller box: found in two tiles

# Yaw from landmarks alone, see estimate_yaw. Measured on drawn heads of known yaw: up to the knee the geometry holds as
# it is; beyond it MTCNN keeps the hidden eye in sight, so that the angle grows more slowly than the head turns.
YAW_KNEE_DEGREES = 40.0
YAW_STRETCH = 2.2  # degrees of the head per degree of the geometry beyond the knee


@dataclass(frozen=True)
class HeadPose:
    """Where a face looks, in degrees, and what two thirds of such estimates are at most wrong by."""

    yaw_degrees: float  # positive = the face turns to the image's right
    pitch_degrees: float  # positive = the face is lifted
    roll_degrees: float  # positive = the head is tilted clockwise in the image
    yaw_uncertainty_degrees: float  # 68 % of the photos of people never seen before are off by less
    pitch_uncertainty_degrees: float


@dataclass(frozen=True)
class Face:
    """One detected face, in pixels of the photo it was found in (x right, y down); angles as those of HeadPose."""

    box_xyxy: tuple[float, float, float, float]
    landmarks_xy: np.ndarray  # (5, 2): image-left eye, image-right eye, nose tip, image-left and -right mouth corner
    confidence: float  # 0-1
    yaw_degrees: float  # positive = the face turns to the image's right
    pose: str
    turned_degrees: int = 0  # clockwise (0, 90, 180, 270): the photo turned so is the one that the pixels are of
    pitch_degrees: float | None = None  # None, as the next three, of a face whose photo was not looked at for its pose
    roll_degrees: float | None = None
    yaw_uncertainty_degrees: float | None = None
    pitch_uncertainty_degrees: float | None = None

    @property
    def shorter_side(self) -> float:
        left, top, right, bottom = self.box_xyxy
        return min(right - left, bottom - top)

    @property
    def center_xy(self) -> tuple[float, float]:
        left, top, right, bottom = self.box_xyxy
        return (left + right) / 2, (top + bottom) / 2


def make_face(
    box_xyxy: Sequence[float] | np.ndarray, landmarks_xy: np.ndarray, confidence: float, head: HeadPose | None = None
) -> Face:
    """A Face from its box (4,) and landmarks (5, 2), pixels. Without `head` its yaw is that of the landmarks alone."""
    yaw = head.yaw_degrees if head else estimate_yaw(landmarks_xy)
    left, top, right, bottom = (float(v) for v in box_xyxy)
    box, points = (left, top, right, bottom), np.asarray(landmarks_xy, np.float32)
    face = Face(box, points, float(confidence), yaw, pose_from_yaw(yaw))
    return replace(face, **other_angles(head)) if head else face


def other_angles(head: HeadPose) -> dict[str, Any]:
    """What a Face takes over from a HeadPose beside its yaw."""
    return {name: value for name, value in vars(head).items() if name != "yaw_degrees"}


def estimate_yaw(landmarks_xy: np.ndarray) -> float:
    """Yaw in degrees (-90..90, positive = the face turns to the image's right) from the five landmarks (5, 2) alone.

    Good to a few degrees up to 25; beyond, and for lifted and lowered faces, pose.py sees what landmarks do not tell.
    With eyes at (-e, 0, 0) and (e, 0, 0) and a nose tip e in front of their axis, a head turned by yaw shows the eyes
    2 e cos(yaw) apart and the nose tip e sin(yaw) beside their middle, so tan(yaw) = 2 * offset / distance.
    """
    eye_left, eye_right, nose = np.asarray(landmarks_xy, np.float64)[:3]
    axis = eye_right - eye_left
    distance = float(np.hypot(*axis))
    if distance == 0:
        return 0.0
    offset = float((nose - (eye_left + eye_right) / 2) @ axis) / distance
    geometric = math.degrees(math.atan2(2 * abs(offset), distance))
    stretched = geometric + (YAW_STRETCH - 1) * max(0.0, geometric - YAW_KNEE_DEGREES)
    return math.copysign(min(90.0, stretched), offset)


def detector_name() -> str:
    """Name and version of the detector, as stored in dataset rows."""
    return f"facenet-pytorch MTCNN {importlib.metadata.version('facenet-pytorch')}"


class FaceDetector:
    """Finds all faces of a photo. Calls from several threads wait for each other; one per process is enough.

    >>> from sfpn import FaceDataset
    >>> [picture] = FaceDataset.open("demo/assets/synthetic").pictures({"syn-0000-profile-00"})
    >>> [face] = FaceDetector().detect(picture.decode())
    >>> face.pose, face.confidence > 0.9
    ('profile', True)
    >>> abs(face.pitch_degrees) < 20
    True
    """

    def __init__(self, *, small_faces: bool = True, device: str = "cpu") -> None:
        """small_faces: also search below portrait size (group photos). Datasets of portraits are faster without.

        device: see `sfpn.machine.choose_device`. The processor unless asked otherwise: the networks are tiny, and a
        graphics processor is hardly faster (docs/small.md). Raises UserError for a device that is not there.
        """
        from sfpn.photos.mtcnn import Mtcnn
        from sfpn.photos.pose import PoseEstimator

        self._mtcnn, self._poses = Mtcnn(device), PoseEstimator(device=device)
        self._small_faces = small_faces

    def detect(self, photo: Image.Image) -> list[Face]:
        """All faces of a photo of any size, largest first; an empty list where there is none."""
        return self._detect(photo, posed_up_to=1.0)

    def detect_sure(self, photo: Image.Image, most_doubt: float) -> list[Face]:
        """As `detect`, but an empty list, and less work, where the surest face leaves more doubt: 1 - confidence."""
        faces = self._detect(photo, posed_up_to=most_doubt)
        return faces if min((1 - face.confidence for face in faces), default=1.0) <= most_doubt else []

    def _detect(self, photo: Image.Image, posed_up_to: float) -> list[Face]:
        photo = photo if photo.mode == "RGB" else photo.convert("RGB")
        if min(photo.size) < SMALLEST_FACE_PIXELS:
            return []
        tiles = tiles_of(photo.size)
        if len(tiles) == 1:
            first = LARGE_WORKING_SIZE if max(photo.size) >= WORKING_SIZE else WORKING_SIZE
            found = self._search(photo, first, 0, posed_up_to=posed_up_to)
            return largest_first(found or self._search(photo, WORKING_SIZE, 1, posed_up_to=posed_up_to))
        found = []
        for tile in tiles:
            in_tile = [moved(face, tile[:2]) for face in self._search(photo.crop(tile), WORKING_SIZE, 1)]
            found += [face for face in in_tile if not is_cut(face, tile, photo.size)]
        return largest_first(without_repetitions(found))

    def look_again(self, photo: Image.Image) -> list[Face]:
        """Faces of an RGB photo in which `detect` found none, largest first: a slower, less sure look at portraits."""
        from sfpn.photos.second_look import look_again

        if min(photo.size) < SMALLEST_FACE_PIXELS or len(tiles_of(photo.size)) > 1:
            return []
        faces = look_again(self._search_portraits, photo)
        boxes, points = (np.array([getattr(face, name) for face in faces]) for name in ("box_xyxy", "landmarks_xy"))
        heads = self._poses.estimate(photo, boxes, points, np.array([face.confidence for face in faces]))
        found = [(face.box_xyxy, face.landmarks_xy, face.confidence) for face in faces]
        return largest_first([make_face(*face, head) for face, head in zip(found, heads, strict=True)])

    def look_closer(self, photo: Image.Image, faces: list[Face]) -> list[Face]:
        """Faces of an RGB photo, the main one as the surest of several looks sees it: for faces that are not sure.

        What its angles can be wrong by stays that of an unsure face.
        """
        from sfpn.photos.second_look import surest

        main = choose_face(faces, photo.size)
        if main is None or len(tiles_of(photo.size)) > 1:
            return faces
        found = surest(self._search_portraits, photo, main)
        if found is main:
            return faces
        where = np.array([found.box_xyxy]), found.landmarks_xy[None], np.array([main.confidence])
        [head] = self._poses.estimate(photo, *where)
        surer = make_face(found.box_xyxy, found.landmarks_xy, found.confidence, head)
        return largest_first([surer, *(face for face in faces if face is not main)])

    def _search_portraits(self, photo: Image.Image, thresholds: Thresholds) -> list[Face]:
        """Faces without poses, which are those of a photo that is mirrored or turned."""
        steps = (self._search(photo, WORKING_SIZE, step, thresholds, posed_up_to=UNPOSED) for step in (0, 1))
        return next((found for found in steps if found), [])

    def _search(
        self,
        photo: Image.Image,
        longer_side: int,
        step: int,
        thresholds: Thresholds = USUAL_THRESHOLDS,
        *,
        posed_up_to: float = 1.0,
    ) -> list[Face]:
        """Faces of at least the size of a step of search_sizes, in a copy whose longer side is at most so many px.

        Their poses are estimated where the surest of them leaves at most so much doubt (1 - confidence).
        """
        working = reduced(photo, longer_side)
        smallest = search_sizes(min(working.size), self._small_faces)[step]
        pad = math.ceil(PAD_FRACTION * min(max(working.size), 2 * min(working.size)))
        scale_xy = np.array(photo.size) / working.size
        found = self._mtcnn.search(working, smallest, pad, thresholds)
        confidences = found.confidences.tolist()
        heads: Sequence[HeadPose | None] = [None] * len(confidences)
        if confidences and 1 - max(confidences) <= posed_up_to:
            heads = self._poses.estimate(working, found.boxes_xyxy, found.landmarks_xy, found.confidences)
        boxes = found.boxes_xyxy.astype(np.float64) * np.tile(scale_xy, 2)
        points = found.landmarks_xy.astype(np.float64) * scale_xy
        return [make_face(*face) for face in zip(boxes, points, confidences, heads, strict=True)]


def search_sizes(shorter_side: int, small_faces: bool) -> tuple[float, float]:
    """Smallest face sizes (px) to try in turn in a photo of this shorter side.

    All lie on one pyramid, so that a search for smaller faces sees the larger ones at the same scales.
    """
    large = max(LARGE_FACE_FRACTION * shorter_side, SMALLEST_FACE_PIXELS)
    small = max(large * PYRAMID_FACTOR**SMALL_FACE_STEPS, SMALLEST_FACE_PIXELS)
    tiny = max(large * PYRAMID_FACTOR**TINY_FACE_STEPS, SMALLEST_FACE_PIXELS)
    return (small, tiny) if small_faces else (large, small)


def smallest_face_searched(photo_size: tuple[int, int]) -> float:
    """Shorter side (px of the photo) of the smallest faces that are looked for in a photo of (width, height) px."""
    left, top, right, bottom = tiles_of(photo_size)[0]
    width, height = right - left, bottom - top
    scale = min(1.0, WORKING_SIZE / max(width, height))
    return search_sizes(round(min(width, height) * scale), small_faces=True)[-1] / scale


def moved(face: Face, by_xy: tuple[int, int]) -> Face:
    """The face with its box and landmarks shifted by (x, y) px."""
    dx, dy = by_xy
    left, top, right, bottom = face.box_xyxy
    box = (left + dx, top + dy, right + dx, bottom + dy)
    return replace(face, box_xyxy=box, landmarks_xy=face.landmarks_xy + np.array(by_xy, np.float32))


def enlarged(face: Face, by: float) -> Face:
    """The face in a photo whose sides are so many times as long."""
    left, top, right, bottom = (value * by for value in face.box_xyxy)
    return replace(face, box_xyxy=(left, top, right, bottom), landmarks_xy=face.landmarks_xy * np.float32(by))


def is_cut(face: Face, tile: tuple[int, int, int, int], photo_size: tuple[int, int]) -> bool:
    """Whether the face reaches over a border of the tile that is not one of the photo: the next tile has it whole."""
    whole = (0, 0, *photo_size)
    beyond = (
        face.box_xyxy[0] < tile[0],
        face.box_xyxy[1] < tile[1],
        face.box_xyxy[2] > tile[2],
        face.box_xyxy[3] > tile[3],
    )
    return any(out and at != end for out, at, end in zip(beyond, tile, whole, strict=True))


def without_repetitions(faces: list[Face]) -> list[Face]:
    """The faces without those that lie on a surer one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if all(overlap_of_smaller(face, other) <= SAME_FACE_OVERLAP for other in kept):
            kept.append(face)
    return kept


def overlap_of_smaller(first: Face, second: Face) -> float:
    """Common area of two face boxes over the area of the smaller one, 0-1."""
    a, b = np.array(first.box_xyxy).reshape(2, 2), np.array(second.box_xyxy).reshape(2, 2)
    common = np.prod((np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])).clip(0))
    return float(common / max(min(np.prod(a[1] - a[0]), np.prod(b[1] - b[0])), 1e-9))


def largest_first(faces: list[Face]) -> list[Face]:
    """The faces by the area of their boxes."""

    def area(face: Face) -> float:
        left, top, right, bottom = face.box_xyxy
        return (right - left) * (bottom - top)

    return sorted(faces, key=area, reverse=True)


def choose_face(faces: list[Face], photo_size: tuple[int, int]) -> Face | None:
    """The large and central face: area less twice the squared distance from the photo's centre. None if there is none.

    photo_size: (width, height) in pixels. The weighting is that of facenet-pytorch's "center_weighted_size".
    """
    center = np.array(photo_size) / 2

    def rank(face: Face) -> float:
        left, top, right, bottom = face.box_xyxy
        return (right - left) * (bottom - top) - 2 * float(np.sum((np.array(face.center_xy) - center) ** 2))

    return max(faces, key=rank, default=None)
