"""HEIF, in which HEIC and AVIF are stored: boxes, and items that are named in one of them."""

from __future__ import annotations

import struct

from sfpn.photos.orientation import UPRIGHT


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The same file in which no item is called EXIF; its own turns stay, which the decoder applies or names."""
    position = 0
    while position + 8 <= len(encoded):
        (size,) = struct.unpack_from(">L", encoded, position)
        if encoded[position + 4 : position + 8] == b"meta":
            end = position + size if size else len(encoded)
            meta = encoded[position:end].replace(b"Exif", b"none")
            return encoded[:position] + meta + encoded[end:], UPRIGHT
        if size == 1:  # a 64-bit size follows
            (size,) = struct.unpack_from(">Q", encoded, position + 8)
        if size < 8:
            break
        position += size
    return encoded, UPRIGHT
