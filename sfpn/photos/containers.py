"""A picture file cut down to its pixels before any decoder sees it.

What a decoder reads beside the pixels (EXIF, XMP, colour profiles, comments, thumbnails, later frames) can only break
an intact photo or cost unbounded time and memory, so it is left out here: only the orientation is read. What bounds
the work of decoding (scans, strips, pieces) is counted, by walking the file's own structure: see sfpn.photos.formats.

A file that is cut off or out of order is passed on as far as it goes: the decoder says what is wrong with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from sfpn.photos.formats import bmp, gif, heif, jpeg, png, tiff, webp
from sfpn.photos.orientation import UPRIGHT, exif_with_orientation

AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_STRIP: dict[str, Callable[[bytes], tuple[bytes, int]]] = {
    "JPEG": jpeg.strip,
    "PNG": png.strip,
    "WEBP": webp.strip,
    "GIF": gif.strip,
    "BMP": bmp.strip,
    "TIFF": tiff.strip,
    "AVIF": heif.strip,
    "HEIF": heif.strip,
}  # a file -> its picture alone, and the orientation (1-8) that was stated


@dataclass(frozen=True)
class PixelData:
    """A picture file without anything but its first picture.

    kind: Pillow's name of the format. orientation: by EXIF (1-8), which `encoded` no longer states.
    """

    kind: str
    encoded: bytes
    orientation: int = UPRIGHT


def kind_of(start: bytes) -> str | None:
    """Pillow's name of a file's format by its first bytes (at least 64, or all); None if it is no known picture."""
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(png.HEADING):
        return "PNG"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if start.startswith(b"BM") and start[14:18] in [struct.pack("<L", size) for size in (12, 40, 52, 56, 64, 108, 124)]:
        return "BMP"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if start[4:8] == b"ftyp":
        (size,) = struct.unpack(">L", start[:4])
        brands = [start[8:12], *(start[at : at + 4] for at in range(16, min(size, len(start)), 4))]
        if any(brand in AVIF_BRANDS for brand in brands):
            return "AVIF"
        if any(brand in HEIC_BRANDS for brand in brands):
            return "HEIF"
    return None


def pixels_only(encoded: bytes) -> PixelData | None:
    """The picture without all else; None if it is of no known format.

    Raises UserError (without the photo's name) for what would take a decoder unbounded work.
    """
    kind = kind_of(encoded[:64])
    if kind is None:
        return None
    try:
        stripped, orientation = _STRIP[kind](encoded)
    except (struct.error, IndexError, OverflowError):  # cut off in its structure, or leading far out of it
        return PixelData(kind, encoded)
    return PixelData(kind, stripped, orientation)


def with_orientation(encoded: bytes, orientation: int) -> bytes:
    """A JPEG or PNG whose only metadata is an EXIF orientation (1-8); its pixels stay as they are, byte for byte.

    Raises ValueError for other formats.
    """
    data = pixels_only(encoded)
    block = exif_with_orientation(orientation)
    if data is not None and data.kind == "JPEG":
        block = b"Exif\0\0" + block
        return data.encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data.encoded[2:]
    if data is not None and data.kind == "PNG":
        after_header = len(png.HEADING) + 25
        return data.encoded[:after_header] + png.chunk(b"eXIf", block) + data.encoded[after_header:]
    raise ValueError("only JPEG and PNG files carry their orientation in EXIF here")
