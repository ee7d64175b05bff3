"""Finds faces in a photo with facenet-pytorch's MTCNN and estimates their yaw from the five landmarks.

Two measured facts shape this module. MTCNN clips a candidate box at the image border instead of padding it, which
shifts box and landmarks of a face that touches the border by up to half the face: photos are padded before detection.
Its cost is the image pyramid: a photo is searched for large faces at once and for small ones only if there is need.
"""

from __future__ import annotations

import importlib.metadata
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from sfpn.schema import pose_from_yaw

PAD_FRACTION = 0.4  # of the longer side, on every side
WORKING_SIZE = 960  # longer side, px, that a photo is reduced to for detection
LARGE_FACE_FRACTION = 0.3  # of the shorter side: portraits
PYRAMID_FACTOR = 0.709  # MTCNN's own
SMALL_FACE_STEPS = 4  # pyramid steps below a portrait: 0.3 * 0.709**4 = 7.6 % of the shorter side
TINY_FACE_STEPS = 6  # 3.8 %, searched only where nothing larger was found
SMALLEST_FACE_PIXELS = 12  # MTCNN's receptive field

# Yaw from landmarks, see estimate_yaw. Measured on drawn heads of known yaw: up to the knee the geometry holds as it is;
# beyond it MTCNN keeps the hidden eye in sight, so that the angle grows more slowly than the head turns.
YAW_KNEE_DEGREES = 40.0
YAW_STRETCH = 2.2  # degrees of the head per degree of the geometry beyond the knee


@dataclass(frozen=True)
class Face:
    """One detected face, in pixels of the photo it was found in (x right, y down)."""

    box_xyxy: tuple[float, float, float, float]
    landmarks_xy: np.ndarray  # (5, 2): image-left eye, image-right eye, nose tip, image-left and -right mouth corner
    confidence: float  # 0-1
    yaw_degrees: float  # positive = the face turns to the image's right
    pose: str

    @property
    def shorter_side(self) -> float:
        left, top, right, bottom = self.box_xyxy
        return min(right - left, bottom - top)

    @property
    def center_xy(self) -> tuple[float, float]:
        left, top, right, bottom = self.box_xyxy
        return (left + right) / 2, (top + bottom) / 2


def make_face(box_xyxy: np.ndarray, landmarks_xy: np.ndarray, confidence: float) -> Face:
    """A Face whose yaw and pose follow from its landmarks. Shapes (4,) and (5, 2), pixels."""
    yaw = estimate_yaw(landmarks_xy)
    box = tuple(float(v) for v in box_xyxy)
    return Face(box, np.asarray(landmarks_xy, np.float32), float(confidence), yaw, pose_from_yaw(yaw))


def estimate_yaw(landmarks_xy: np.ndarray) -> float:
    """Yaw in degrees (-90..90, positive = the face turns to the image's right) from the five landmarks (5, 2).

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
    """Finds all faces of a photo. Not thread-safe by contract; one per process is enough.

    >>> from sfpn import FaceDataset
    >>> [picture] = FaceDataset.open("demo/assets/synthetic").pictures({"syn-0000-profile-00"})
    >>> [face] = FaceDetector().detect(picture.decode())
    >>> face.pose, face.confidence > 0.9
    ('profile', True)
    """

    def __init__(self, *, small_faces: bool = True) -> None:
        """small_faces: also search below portrait size (group photos). Datasets of portraits are faster without."""
        from sfpn.photos.torchvision_ops import ensure_torchvision

        ensure_torchvision()
        from facenet_pytorch import MTCNN

        self._mtcnn = MTCNN(keep_all=True, factor=PYRAMID_FACTOR, device="cpu")
        self._small_faces = small_faces

    def detect(self, photo: Image.Image) -> list[Face]:
        """All faces of an RGB photo, largest first; an empty list where there is none."""
        scale = min(1.0, WORKING_SIZE / max(photo.size))
        if scale < 1:
            size = tuple(max(1, round(side * scale)) for side in photo.size)
            working = photo.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        else:
            working = photo
        pad = math.ceil(PAD_FRACTION * max(working.size))
        padded = np.asarray(ImageOps.expand(working.convert("RGB"), pad))
        for smallest in self._search_sizes(min(working.size)):
            faces = self._search(padded, smallest, pad, np.array(photo.size) / working.size)
            if faces:
                return faces
        return []

    def _search_sizes(self, shorter_side: int) -> list[float]:
        """Smallest face sizes (px) to try in turn. All lie on one pyramid, so that a search for smaller faces sees the
        larger ones at the same scales."""
        large = max(LARGE_FACE_FRACTION * shorter_side, SMALLEST_FACE_PIXELS)
        small = max(large * PYRAMID_FACTOR**SMALL_FACE_STEPS, SMALLEST_FACE_PIXELS)
        tiny = max(large * PYRAMID_FACTOR**TINY_FACE_STEPS, SMALLEST_FACE_PIXELS)
        return sorted({small, tiny} if self._small_faces else {large, small}, reverse=True)

    def _search(self, padded: np.ndarray, smallest: float, pad: int, scale_xy: np.ndarray) -> list[Face]:
        self._mtcnn.min_face_size = smallest
        boxes, confidences, landmarks = self._mtcnn.detect(padded, landmarks=True)
        if boxes is None:
            return []
        boxes = (boxes.astype(np.float64).reshape(-1, 2, 2) - pad) * scale_xy
        points = (landmarks.astype(np.float64).reshape(-1, 5, 2) - pad) * scale_xy
        return [make_face(b.ravel(), p, c) for b, p, c in zip(boxes, points, confidences.astype(float), strict=True)]


def choose_face(faces: list[Face], photo_size: tuple[int, int]) -> Face | None:
    """The large and central face: area less twice the squared distance from the photo's centre. None if there is none.

    photo_size: (width, height) in pixels. The weighting is that of facenet-pytorch's "center_weighted_size".
    """
    center = np.array(photo_size) / 2

    def rank(face: Face) -> float:
        left, top, right, bottom = face.box_xyxy
        return (right - left) * (bottom - top) - 2 * float(np.sum((np.array(face.center_xy) - center) ** 2))

    return max(faces, key=rank, default=None)
