"""WebP (RFC 9649): the chunks of the first picture."""

from __future__ import annotations

import struct

from sfpn.photos.formats.bounds import one_more
from sfpn.photos.orientation import UPRIGHT, orientation_of_exif, orientation_of_xmp

_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")
_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # colour profile, EXIF, XMP


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The file without metadata and later frames, and its orientation by EXIF or else XMP (1-8)."""
    kept, position, frames, pieces = [], 12, 0, 0
    exif, xmp = UPRIGHT, UPRIGHT
    while position + 8 <= len(encoded):
        kind, (length,) = encoded[position : position + 4], struct.unpack_from("<L", encoded, position + 4)
        end = position + 8 + length + length % 2
        pieces = one_more(pieces, "WebP")
        frames += kind == b"ANMF"
        if kind == b"VP8X" and length:
            flags = bytes([encoded[position + 8] & ~_METADATA_FLAGS])
            kept.append(encoded[position : position + 8] + flags + encoded[position + 9 : end])
        elif kind in _KEPT and frames <= 1:
            kept.append(encoded[position:end])
        elif kind == b"EXIF":
            exif = orientation_of_exif(encoded[position + 8 : end])
        elif kind == b"XMP ":
            xmp = orientation_of_xmp(encoded[position + 8 : end])
        position = end
    content = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<L", len(content)) + content, exif if exif != UPRIGHT else xmp
