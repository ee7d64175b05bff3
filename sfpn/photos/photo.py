"""Photos from untrusted hands: opened within stated bounds, upright and in RGB, or refused with one named sentence.

Only the formats listed here are ever handed to a decoder, and the number of pixels is read from the header before any
pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sfpn.errors import UserError

MAX_PIXELS = 64_000_000  # a 48-megapixel phone photo fits
MAX_BYTES = 40_000_000
MIN_SIDE = 20  # px; no face can be larger than its photo
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # MPO: what many phones call JPEG
NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # after four bytes of length and "ftyp"

# What Pillow raises on damaged files, from its own decoders and from the libraries below them.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True)
class Photo:
    """An upright RGB picture and the name by which messages speak of it."""

    name: str
    image: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo that is decoded anew whenever its pixels are asked for, so that many of them never lie decoded in memory."""

    name: str
    encoded: bytes
    size: tuple[int, int]

    @property
    def image(self) -> Image.Image:
        """Upright, RGB."""
        return decode_photo(self.encoded, self.name).image


def load_photo(path: str | Path) -> Photo:
    """Read a picture file; see decode_photo. Raises UserError, also if it is missing or too large."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the path")
    check_bytes(path.stat().st_size, str(path))
    return decode_photo(path.read_bytes(), str(path))


def decode_photo(encoded: bytes, name: str) -> Photo:
    """Decode one picture: first frame, EXIF rotation applied, transparency on white, 16 bits reduced to 8.

    Raises UserError, which calls it by `name` and says the remedy, if it is empty, not a picture, damaged, too large
    or too small.
    """
    check_bytes(len(encoded), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata, and its pixel warning: our bound is lower
        with _open(encoded, name) as opened:
            _check_size(opened, name)
            try:
                return Photo(name, _upright_rgb(opened))
            except DECODING_ERRORS as error:
                raise UserError(f"{name}: is damaged or cut off ({error}); copy or export it again") from error


def count_pixels(encoded: bytes, name: str) -> int:
    """The pixels that a picture's header states, before any is decoded. Raises UserError as decode_photo would for them."""
    check_bytes(len(encoded), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _open(encoded, name) as opened:
            _check_size(opened, name)
            return opened.size[0] * opened.size[1]


def check_bytes(size: int, name: str) -> None:
    """Raise UserError for an empty file or one above MAX_BYTES."""
    if size == 0:
        raise UserError(f"{name}: is an empty file; choose another photo")
    if size > MAX_BYTES:
        raise UserError(f"{name}: is larger than {MAX_BYTES / 1e6:.0f} MB; save it smaller or as JPEG")


def _open(encoded: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(encoded), formats=_formats())
    except Image.DecompressionBombError as error:
        raise UserError(f"{name}: has far more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller") from error
    except DECODING_ERRORS as error:
        raise UserError(_not_a_picture(encoded, name)) from error


def _formats() -> list[str]:
    """Those of FORMATS that can be read here; HEIF needs pillow-heif."""
    try:
        import pillow_heif
    except ModuleNotFoundError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _not_a_picture(encoded: bytes, name: str) -> str:
    if encoded[4:8] == b"ftyp" and encoded[8:12] in HEIC_BRANDS:
        return f"{name}: HEIC photos cannot be read here; save it as JPEG, or run: pip install pillow-heif"
    return f"{name}: is not a picture that can be read; give a {NAMES}"


def _check_size(opened: Image.Image, name: str) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{name}: has {width * height / 1e6:.0f} megapixels, more than the {MAX_PIXELS / 1e6:.0f} allowed; make it smaller"
        )
    if min(width, height) < MIN_SIDE:
        raise UserError(
            f"{name}: is only {width}x{height} pixels; a face needs at least {MIN_SIDE}, give a larger photo"
        )


def _upright_rgb(opened: Image.Image) -> Image.Image:
    opened.load()
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey pictures of 16 or 32 bits, or floats, as 8 bits; Pillow's own conversion would clip them at 255."""
    pixels = np.nan_to_num(np.asarray(image).astype(np.float64))
    full_scale = 255.0 if pixels.max(initial=0) <= 255 and image.mode == "F" else 65535.0
    return Image.fromarray((pixels / full_scale * 255).round().clip(0, 255).astype(np.uint8))
