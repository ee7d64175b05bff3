"""What a program may hand over as a photo: a path, a PIL image, an array, or a Photo."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sfpn.errors import UserError
from sfpn.photos.photo import MAX_PIXELS, MIN_SIDE, Photo, decode_photo, load_photo

GivenPhoto = str | Path | Image.Image | np.ndarray | Photo
GivenSide = GivenPhoto | Sequence[GivenPhoto]  # one photo, or several of one person


def photos_of(given: GivenSide, name: str) -> list[Photo]:
    """The photos of one side, called "NAME photo 1" and so on in messages where they have no name of their own.

    Raises UserError for what is not a photo, and for what `load_photo` refuses.
    """
    if isinstance(given, (list, tuple)):
        return [as_photo(photo, f"{name} photo {number}") for number, photo in enumerate(given, 1)]
    return [as_photo(given, f"{name} photo")]  # pyright: ignore[reportArgumentType] (other sequences are refused there)


def as_photo(given: GivenPhoto, name: str) -> Photo:
    """One photo, upright and in RGB.

    An array is (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey, uint8; OpenCV's are BGR: give `array[..., ::-1]`.
    Raises UserError, which calls it by `name` unless it is a path.

    >>> as_photo(np.zeros((40, 30, 3), np.uint8), "it").size
    (30, 40)
    """
    if isinstance(given, Photo):
        return given
    if isinstance(given, (str, Path)):
        return load_photo(given)
    if isinstance(given, np.ndarray):
        given = _picture(given, name)
    if not isinstance(given, Image.Image):
        kind = type(given).__name__
        raise UserError(
            f"{name}: {kind} is not a photo; give a path, a PIL image or an array of uint8, or a list of them"
        )
    width, height = given.size
    if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE:
        raise UserError(
            f"{name}: has {width}x{height} pixels; give {MIN_SIDE} pixels a side at least "
            f"and {MAX_PIXELS / 1e6:.0f} megapixels at most"
        )
    if given.mode in ("RGB", "L") and "transparency" not in given.info:
        return Photo(name, ImageOps.exif_transpose(given).convert("RGB"))
    return decode_photo(_encoded(given), name)  # alpha, palettes and deep pixels: as from a file


def _picture(array: np.ndarray, name: str) -> Image.Image:
    is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not is_picture or not array.size:
        raise UserError(
            f"{name}: an array of shape {array.shape} and type {array.dtype} is not a photo; "
            "give (height, width, 3) RGB of uint8, 0-255"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _encoded(image: Image.Image) -> bytes:
    """The picture as a file without loss."""
    buffer = io.BytesIO()
    in_png = image.mode in ("1", "LA", "I", "I;16", "P", "RGBA", "RGB", "L")
    if in_png:
        image.save(buffer, "PNG", compress_level=1, exif=image.getexif())
    else:
        (image if image.mode == "F" else image.convert("RGB")).save(buffer, "TIFF", exif=image.getexif())
    return buffer.getvalue()
