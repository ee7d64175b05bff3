"""What the checks need of the pixels, from one pass over the pictures: fingerprints, small greys, sharpness.

Of each picture some 5 KB stay in memory, so that 100,000 take half a gigabyte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from sfpn.data.dataset import FaceDataset, Picture
from sfpn.errors import UserError
from sfpn.machine import processors
from sfpn.photos.preprocess import crop_square

SMALL = 32  # px, side of the small grey pictures
FACE = 96  # px at most, side of the face crop whose sharpness is measured
BLUR_WIDTH = 9  # px, of the blur that a crop is compared with
THREADS, AT_ONCE = 4, 64


@dataclass(frozen=True)
class PictureFacts:
    """Of N pictures, in the order of `row_ids` (N,).

    `pixels_sha256`, `stored_sha256` (N,) bytes: of the decoded pixels (b'' where they cannot be) and the stored file.
    `small` (N, SMALL, SMALL) uint8: the grey picture, squeezed. `blur` (N,): 0 = sharp, 1 = blurred; `face_pixels`
    (N,): shorter side of the face box; both NaN where no face was found. `unreadable`: row_id -> why.
    """

    row_ids: np.ndarray
    pixels_sha256: np.ndarray
    stored_sha256: np.ndarray
    small: np.ndarray
    blur: np.ndarray
    face_pixels: np.ndarray
    unreadable: dict[str, str]


@dataclass(frozen=True)
class _Fact:
    row_id: str
    pixels_sha256: bytes
    stored_sha256: bytes
    small: np.ndarray
    blur: float
    face_pixels: float
    unreadable: str = ""


def picture_facts(
    dataset: FaceDataset, row_ids: list[str], progress: Callable[[int, int], None] | None = None
) -> PictureFacts:
    """Look at these rows once. Raises UserError where the dataset's files are damaged."""
    found: dict[str, _Fact] = {}
    with ThreadPoolExecutor(processors(THREADS)) as pool:
        for some in _batches(dataset.pictures(set(row_ids))):
            found |= {fact.row_id: fact for fact in pool.map(_fact, some)}
            if progress:
                progress(len(found), len(row_ids))
    facts = [found[row_id] for row_id in row_ids]
    return PictureFacts(
        np.array(row_ids, str),
        np.array([fact.pixels_sha256 for fact in facts], object),
        np.array([fact.stored_sha256 for fact in facts], object),
        np.stack([fact.small for fact in facts]) if facts else np.zeros((0, SMALL, SMALL), np.uint8),
        np.array([fact.blur for fact in facts]),
        np.array([fact.face_pixels for fact in facts]),
        {fact.row_id: fact.unreadable for fact in facts if fact.unreadable},
    )


def blurriness(grey: np.ndarray) -> float:
    """How little a grey picture (H, W) loses when it is blurred: 0 = all its detail, 1 = nothing.

    The no-reference blur metric of Crete, Dolmiere, Ladret and Nicolas, "The blur effect", SPIE 6492, 2007.
    """
    from scipy.ndimage import uniform_filter1d  # here, because the app starts sooner without

    pixels = grey.astype(np.float32)
    worst = 0.0
    for axis in (0, 1):
        blurred = uniform_filter1d(pixels, BLUR_WIDTH, axis=axis)
        sharp_steps, blurred_steps = (np.abs(np.diff(values, axis=axis)) for values in (pixels, blurred))
        total = float(sharp_steps.sum())
        lost = float(np.maximum(sharp_steps - blurred_steps, 0).sum())
        worst = max(worst, (total - lost) / total if total else 1.0)
    return worst


def _fact(picture: Picture) -> _Fact:
    stored = hashlib.sha256(picture.encoded or b"").digest()
    try:
        image = picture.decode()
    except UserError as error:
        nothing = np.zeros((SMALL, SMALL), np.uint8)
        return _Fact(picture.row_id, b"", stored, nothing, np.nan, np.nan, str(error))
    pixels = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
    grey = image.convert("L")
    small = np.asarray(grey.resize((SMALL, SMALL), Image.Resampling.BOX), np.uint8)
    if picture.face is None:
        return _Fact(picture.row_id, pixels, stored, small, np.nan, np.nan)
    if not _is_near(picture.face.box_xyxy, image.size):
        return _Fact(picture.row_id, pixels, stored, small, np.nan, np.nan, "its face box lies outside the picture")
    side = picture.face.shorter_side
    crop = crop_square(image, picture.face.center_xy, side, max(8, min(FACE, round(side))), "edge")
    blur = blurriness(np.asarray(crop.convert("L")))
    return _Fact(picture.row_id, pixels, stored, small, blur, side)


def _is_near(box_xyxy: tuple[float, float, float, float], size: tuple[int, int]) -> bool:
    """Whether a box is one, and reaches no further beyond the picture than the picture is large."""
    left, top, right, bottom = box_xyxy
    inside = -size[0] <= left < right <= 2 * size[0] and -size[1] <= top < bottom <= 2 * size[1]
    return bool(np.isfinite(box_xyxy).all() and inside)


def _batches(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    while some := list(islice(pictures, AT_ONCE)):
        yield some
