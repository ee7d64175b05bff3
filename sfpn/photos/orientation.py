"""Which way is up, from EXIF or XMP bytes; nothing else in them is looked at, so nothing else can break a photo."""

from __future__ import annotations

import re
import struct
from functools import cache

from PIL import Image

UPRIGHT = 1
ORIENTATIONS = range(1, 9)  # EXIF 2.32, tag 0x0112
TURNED_SIDES = (5, 6, 7, 8)  # orientations by which width and height change places
ORIENTATION_TAG = 0x0112
MAX_ENTRIES = 1000  # of a directory; cameras write some 20

# What makes a stored picture upright, by EXIF orientation.
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Clockwise turns as Pillow names them (counter-clockwise).
CLOCKWISE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}

# Field types that can say a whole number: size in bytes and struct code (a rational by its two halves).
_NUMBER_TYPES = {1: "B", 2: "c", 3: "H", 4: "L", 5: "2L", 6: "b", 8: "h", 9: "l", 10: "2l", 11: "f", 12: "d"}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:\s*=\s*["\']|>)\s*([1-8])')


def make_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as it is meant to be seen; itself where it is upright."""
    transpose = TRANSPOSES.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def turn_clockwise(image: Image.Image, degrees: int) -> Image.Image:
    """The picture turned by 0, 90, 180 or 270 degrees; no pixel changes."""
    return image if degrees == 0 else image.transpose(CLOCKWISE[degrees])


@cache
def turned_orientation(orientation: int, degrees: int) -> int:
    """The EXIF orientation of a picture with this one that is to be turned clockwise by further degrees."""
    probe = Image.frombytes("L", (2, 2), bytes([0, 1, 2, 3]))
    wanted = turn_clockwise(make_upright(probe, orientation), degrees).tobytes()
    return next(value for value in ORIENTATIONS if make_upright(probe, value).tobytes() == wanted)


def orientation_of_xmp(packet: bytes) -> int:
    """EXIF orientation (1-8) that an XMP packet states; 1 where it states none."""
    found = _XMP_ORIENTATION.search(packet)
    return int(found[1]) if found else UPRIGHT


def orientation_of_exif(block: bytes) -> int:
    """EXIF orientation (1-8) of an EXIF block, with or without its "Exif" heading; 1 where it has no sensible one.

    Never raises: the block is a TIFF directory from anybody's hands.
    """
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(order + "L", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * min(count, MAX_ENTRIES), 12):
            tag, kind, values = struct.unpack_from(order + "HHL", block, entry)
            if tag == ORIENTATION_TAG:
                return orientation_of_field(block, order, kind, values, entry + 8)
    except struct.error:  # cut off
        pass
    return UPRIGHT


def orientation_of_field(block: bytes, order: str, kind: int, values: int, position: int, inline: int = 4) -> int:
    """EXIF orientation (1-8) of a directory entry whose value, or its offset, stands at `position`.

    order: "<" or ">". kind: the field type, whichever it is: what says a whole number from 1 to 8 is taken.
    inline: how many bytes of value fit into the entry (4; 8 in BigTIFF). Raises struct.error where it is cut off.
    """
    code = _NUMBER_TYPES.get(kind)
    if code is None or values < 1:
        return UPRIGHT
    if struct.calcsize(order + code) * (values if kind == 2 else 1) > inline:
        (position,) = struct.unpack_from(order + ("L" if inline == 4 else "Q"), block, position)
        if position > len(block):
            return UPRIGHT
    found = struct.unpack_from(order + code, block, position)
    if kind == 2:
        number = int(found[0]) if found[0].isdigit() else 0
    elif len(found) == 2:
        number = found[0] / found[1] if found[1] else 0
    else:
        number = found[0]
    return int(number) if number in ORIENTATIONS else UPRIGHT


def exif_with_orientation(orientation: int) -> bytes:
    """The smallest EXIF block, without heading, that states an orientation (1-8)."""
    return struct.pack("<2sHLHHHLHHL", b"II", 42, 8, 1, ORIENTATION_TAG, 3, 1, orientation, 0, 0)
