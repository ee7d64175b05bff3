"""TIFF 6.0 and BigTIFF: the tags of the first directory that say where the pixels are and how to read them."""

from __future__ import annotations

import struct

from sfpn.errors import UserError
from sfpn.photos.formats.bounds import MAX_PIECES, check_scans
from sfpn.photos.orientation import ORIENTATION_TAG, UPRIGHT, orientation_of_field

MAX_TILE_PIXELS = 64_000_000
_COMPRESSION, _STRIP_OFFSETS, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 259, 273, 322, 323, 324
_KEPT = {
    *(256, 257, 258, _COMPRESSION, 262, 266, _STRIP_OFFSETS, 277, 278, 279, 284, 292, 293, 317, 320),
    *(_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, 325, 338, 339, 347, *range(512, 522), *range(529, 533)),
}
_JPEG_COMPRESSIONS = (6, 7)


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The same file with a first directory of pixel tags only, and no further directory; its orientation (1-8)."""
    order = "<" if encoded[:2] == b"II" else ">"
    big = encoded[2 if order == "<" else 3] == 43
    offset, count_code, size = ("Q", "Q", 20) if big else ("L", "H", 12)
    (start,) = struct.unpack_from(order + offset, encoded, 8 if big else 4)
    (count,) = struct.unpack_from(order + count_code, encoded, start)
    first = start + struct.calcsize(order + count_code)
    if first + count * size > len(encoded):
        raise struct.error("the directory is cut off")
    kept, numbers, pieces, orientation = [], {}, 0, UPRIGHT
    for position in range(first, first + count * size, size):
        tag, kind, values = struct.unpack_from(order + "HH" + offset, encoded, position)
        at = position + 4 + struct.calcsize(order + offset)
        if tag == ORIENTATION_TAG:
            orientation = orientation_of_field(encoded, order, kind, values, at, 8 if big else 4)
        if tag not in _KEPT or tag in numbers:
            continue
        kept.append(encoded[position : position + size])
        code = {3: "H", 4: "L", 16: "Q"}.get(kind)
        numbers[tag] = struct.unpack_from(order + code, encoded, at)[0] if code else 0
        pieces = max(pieces, values) if tag in (_STRIP_OFFSETS, _TILE_OFFSETS) else pieces
    if pieces > MAX_PIECES:
        raise UserError(f"is a TIFF cut into more than {MAX_PIECES:,} pieces; save it again")
    if numbers.get(_TILE_WIDTH, 0) * numbers.get(_TILE_LENGTH, 0) > MAX_TILE_PIXELS:
        raise UserError("is a TIFF whose tiles are larger than any photo; save it again")
    if numbers.get(_COMPRESSION) in _JPEG_COMPRESSIONS:
        check_scans(encoded.count(b"\xff\xda") - pieces, 0)
    directory = struct.pack(order + count_code, len(kept)) + b"".join(kept) + struct.pack(order + offset, 0)
    return encoded[:start] + directory + encoded[start + len(directory) :], orientation
