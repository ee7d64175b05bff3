"""Photos from untrusted hands: opened within stated bounds, upright and in RGB, or refused with one named sentence.

This is the one decoder of the project: photos to verify, pictures of a dataset, and thumbnails all come through it.
Only the formats listed here are ever handed to Pillow, cut down to their pixels, and the number of pixels is read from
the header before any of them is decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from sfpn.errors import UserError
from sfpn.photos.colours import read_rgb
from sfpn.photos.containers import PixelData, kind_of, pixels_only
from sfpn.photos.orientation import TURNED_SIDES, UPRIGHT, make_upright, orientation_of_exif, turn_clockwise
from sfpn.photos.searched import divided

MAX_PIXELS = 64_000_000  # a 48-megapixel phone photo fits
MAX_BYTES = 40_000_000
JPEG_DIVISOR = 8  # the largest by which libjpeg divides the sides of a picture while it decodes it
MIN_SIDE = 20  # px; no face can be larger than its photo
NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"

# What picture files are called. Any other name is a photo as well if its content is one: see looks_like_photo.
PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".mpo", ".jpg_large", ".jpg_orig"),
    *(".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
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

    def divided(self, divisor: int) -> Image.Image:
        """The picture with its sides divided; see `searched.divided`."""
        return divided(self.image, divisor)

    def turned(self, degrees: int) -> Photo:
        """The same photo turned clockwise by 0, 90, 180 or 270 degrees."""
        return Photo(self.name, turn_clockwise(self.image, degrees)) if degrees else self


def looks_like_photo(path: str | Path) -> bool:
    """Whether a file is to be taken for a photo: by its suffix, in any case, else by its first bytes.

    True for a damaged .jpg, which load_photo then names, and for a JPEG without a suffix; False for a folder.
    """
    path = Path(path)
    if not path.is_file():
        return False
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return kind_of(file.read(64)) is not None
    except OSError:
        return False


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo that is decoded anew whenever its pixels are asked for, so that many of them never lie decoded in memory.

    turned_degrees: how far it is turned clockwise (0, 90, 180, 270) after its own orientation; `size` is that of it so.
    """

    name: str
    encoded: bytes
    size: tuple[int, int]
    turned_degrees: int = 0

    @property
    def image(self) -> Image.Image:
        """Upright, RGB."""
        return self.divided(1)

    def divided(self, divisor: int) -> Image.Image:
        """The picture, upright and RGB, with its sides divided by 1, 2, 4, 8 ...: a JPEG is not decoded further."""
        return turn_clockwise(decode_photo(self.encoded, self.name, divisor=divisor).image, self.turned_degrees)

    def turned(self, degrees: int) -> EncodedPhoto:
        """The same photo turned clockwise by further 0, 90, 180 or 270 degrees."""
        size = self.size if degrees % 180 == 0 else (self.size[1], self.size[0])
        return replace(self, size=size, turned_degrees=(self.turned_degrees + degrees) % 360)


def load_photo(path: str | Path) -> Photo:
    """Read a picture file; see decode_photo. Raises UserError, also if it is missing or too large.

    >>> load_photo("demo/assets/synthetic/sheet-yaw.webp").image.mode
    'RGB'
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the path")
    try:
        check_bytes(path.stat().st_size, str(path))
        encoded = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    return decode_photo(encoded, str(path))


def decode_photo(encoded: bytes, name: str, *, min_side: int = MIN_SIDE, divisor: int = 1) -> Photo:
    """Decode one picture: first frame, its orientation applied, transparency on white, other depths brought to 8 bits.

    divisor: 1, 2, 4, 8 ..., of both sides, if only that much detail is needed; must divide them without a rest.
    Raises UserError, which calls it by `name` and says the remedy, if it is empty, not a picture, damaged, too large,
    or if a side is under `min_side` px.
    """
    check_bytes(len(encoded), name)
    try:
        return Photo(name, _decode(encoded, min_side, divisor))
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def open_photo(encoded: bytes, name: str) -> EncodedPhoto:
    """A picture of which only the header was read: its pixels may yet be damaged. Raises UserError as decode_photo."""
    check_bytes(len(encoded), name)
    try:
        data = _pixel_data(encoded)
        with _open(data) as opened:
            _check_size(opened.size, MIN_SIDE)
            width, height = opened.size
            on_its_side = _orientation(opened, data) in TURNED_SIDES
            return EncodedPhoto(name, encoded, (height, width) if on_its_side else (width, height))
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def count_pixels(encoded: bytes, name: str) -> int:
    """The pixels that a picture's header states, before any is decoded. Raises UserError as open_photo does."""
    width, height = open_photo(encoded, name).size
    return width * height


def check_bytes(size: int, name: str) -> None:
    """Raise UserError for an empty file or one above MAX_BYTES."""
    if size == 0:
        raise UserError(f"{name}: is an empty file; choose another photo")
    if size > MAX_BYTES:
        raise UserError(f"{name}: is larger than {MAX_BYTES / 1e6:.0f} MB; save it smaller or as JPEG")


def _decode(encoded: bytes, min_side: int, divisor: int) -> Image.Image:
    """decode_photo whose UserError does not name the photo."""
    data = _pixel_data(encoded)
    with _open(data) as opened:
        _check_size(opened.size, min_side)
        try:
            if divisor > 1 and data.kind == "JPEG":
                decoded = min(divisor, JPEG_DIVISOR)
                opened.draft(None, (opened.width // decoded, opened.height // decoded))
                divisor //= decoded
            image = divided(read_rgb(opened, lambda: _open(data)), divisor)
        # The decoders below Pillow raise whatever they like for hostile bytes; here it becomes one sentence.
        except Exception as error:
            raise UserError(_damaged(data.kind, error)) from error
        return make_upright(image, _orientation(opened, data))


def _pixel_data(encoded: bytes) -> PixelData:
    data = pixels_only(encoded)
    if data is None:
        raise UserError(f"is not a picture that can be read; give a {NAMES}")
    return data


def _open(data: PixelData) -> ImageFile.ImageFile:
    if data.kind == "HEIF" and not _heif_can_be_read():
        raise UserError("HEIC photos cannot be read here; save it as JPEG, or run: pip install pillow-heif")
    Image.init()
    if data.kind not in Image.OPEN:
        raise UserError(
            f"is {data.kind}, which this Pillow cannot read; save it as JPEG, or run: pip install -U pillow"
        )
    try:
        return Image.open(io.BytesIO(data.encoded), formats=[data.kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"has far more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller") from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"is not a picture that can be read: a damaged {data.kind}, or one of a rare kind; save it as JPEG or PNG"
        ) from error
    except Exception as error:  # as above
        raise UserError(_damaged(data.kind, error)) from error


def _heif_can_be_read() -> bool:
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _damaged(kind: str, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"is damaged or cut off ({kind}: {reason}); copy or export it again"


def _check_size(size: tuple[int, int], min_side: int) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise UserError(
            f"has {width * height / 1e6:.0f} megapixels, more than the {MAX_PIXELS / 1e6:.0f} allowed; make it smaller"
        )
    if min(width, height) < min_side:
        raise UserError(f"is only {width}x{height} pixels; a face needs at least {min_side}, give a larger photo")


def _orientation(opened: Image.Image, data: PixelData) -> int:
    """AVIF keeps its turns outside EXIF, and Pillow hands them over as EXIF; HEIF comes turned."""
    if data.kind == "AVIF" and data.orientation == UPRIGHT:
        return orientation_of_exif(opened.info.get("exif", b""))
    return data.orientation
