"""The faces of a photo whichever way it was turned, and, where there is none, the reason that can be seen in the photo.

A photo that lies on its side without saying so in its EXIF still "has" a face for the detector now and then, in the
wrong place, and a comparison of it is wrong without a warning. The detector is less sure of such faces. Measured with
MTCNN on 450 photos (150 frontal and 150 profile ones of CFP folds 7-9, 150 of LFW), each in its four turns: 92 % of the
photos as they are meant reach SURE_CONFIDENCE, 4 of 1,350 turned ones do; by the rule below none of the 450 upright
photos was turned, and 1,331 of the 1,350 turned ones were put upright (of the other 19, 6 show faces not found at all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image

from sfpn.photos.detector import Face, FaceDetector, enlarged, smallest_face_searched
from sfpn.photos.orientation import turn_clockwise
from sfpn.photos.photo import EncodedPhoto, Photo
from sfpn.photos.searched import search_divisor
from sfpn.photos.second_look import UNSURE

SURE_CONFIDENCE = 0.998  # of the surest face: the photo is taken to be upright
MIN_TURNED_CONFIDENCE = 0.95  # a turned photo must show a face at least so surely
SURER = 3.0  # and leave at most one third of the doubt (1 - confidence) that the photo as it is leaves

DARK = 40.0  # of 255: the brightest hundredth of a photo too dark to see a face in
FLAT = 12.0  # of 255: between the darkest and the brightest hundredth of a photo that shows nothing


class DetectsFaces(Protocol):
    """What is asked of a detector here."""

    def detect(self, photo: Image.Image) -> list[Face]:
        """All faces of an RGB photo, largest first."""
        ...


@dataclass(frozen=True)
class Found:
    """A photo as it was searched, upright, and its faces, largest first, in pixels of the whole photo."""

    image: Image.Image
    faces: tuple[Face, ...]
    turned_degrees: int = 0  # clockwise: how far the given photo was turned
    divisor: int = 1  # sides of the photo over those of `image`

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole photo, upright."""
        return self.image.width * self.divisor, self.image.height * self.divisor


def find_in_photo(detector: DetectsFaces, photo: Photo | EncodedPhoto) -> Found:
    """find_faces in as much of a photo as a search needs: a large JPEG that is not decoded yet is not decoded whole.

    Raises UserError for one that cannot be decoded.
    """
    divisor = search_divisor(photo.size)
    found = find_faces(detector, photo.divided(divisor))
    return replace(found, faces=tuple(enlarged(face, divisor) for face in found.faces), divisor=divisor)


def find_faces(detector: DetectsFaces, image: Image.Image) -> Found:
    """The faces of an RGB photo, which is tried in its four turns where the detector is not sure of any face.

    Where there is none in any turn, or none that is sure, it is looked at once more, more closely (see second_look.py).
    """
    faces = detector.detect(image)
    best = Found(image, tuple(faces))
    doubt = _doubt(faces)
    if doubt <= 1 - SURE_CONFIDENCE:
        return best
    least = min(1 - MIN_TURNED_CONFIDENCE, doubt / SURER)
    for degrees in (90, 180, 270):
        turned = turn_clockwise(image, degrees)
        faces = _detect_sure(detector, turned, least)
        if _doubt(faces) <= least:
            least = _doubt(faces)
            best = Found(turned, tuple(replace(face, turned_degrees=degrees) for face in faces), degrees)
    faces = looked_at_again(detector, best.image, list(best.faces))
    return replace(best, faces=tuple(replace(face, turned_degrees=best.turned_degrees) for face in faces))


def looked_at_again(detector: DetectsFaces, image: Image.Image, faces: list[Face]) -> list[Face]:
    """The faces that `detect` found in an upright RGB photo, after another look where it found none or no sure one."""
    if not isinstance(detector, FaceDetector):
        return faces
    if not faces:
        return detector.look_again(image)
    return detector.look_closer(image, faces) if _doubt(faces) > 1 - UNSURE else faces


def _detect_sure(detector: DetectsFaces, image: Image.Image, most_doubt: float) -> Sequence[Face]:
    """The faces of a photo if the surest leaves at most so much doubt; else perhaps none: nobody asks for them."""
    return detector.detect_sure(image, most_doubt) if isinstance(detector, FaceDetector) else detector.detect(image)


def _doubt(faces: Sequence[Face]) -> float:
    return 1 - max((face.confidence for face in faces), default=0.0)


def why_no_face(found: Found) -> str:
    """A clause for a photo without a face, with the remedy: what can be seen to be wrong with it."""
    image = found.image
    small = image.copy()
    small.thumbnail((256, 256))
    low, high = np.percentile(np.asarray(small.convert("L")), [1, 99])
    if high - low < FLAT:
        return "no face was found: the photo shows hardly anything but one colour; give another photo"
    if high < DARK:
        return (
            f"no face was found: the photo is almost black (its lights reach {high:.0f} of 255); give a brighter photo"
        )
    return (
        f"no face was found, upright or turned, of {smallest_face_searched(found.size):.0f} px or more; "
        "give a photo in which the face is larger and not covered"
    )
