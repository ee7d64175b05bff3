"""PNG (W3C, third edition): the chunks of the picture itself; orientations stand in several kinds of others."""

from __future__ import annotations

import re
import struct
import zlib

from sfpn.photos.formats.bounds import one_more
from sfpn.photos.orientation import UPRIGHT, orientation_of_exif, orientation_of_xmp

HEADING = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 1_000_000  # of a compressed text in which an orientation is looked for
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The file without metadata, and its orientation by EXIF or else XMP (1-8)."""
    kept, position, pieces = [HEADING], len(HEADING), 0
    exif, xmp = UPRIGHT, UPRIGHT
    while position + 8 <= len(encoded):
        (length,), kind = struct.unpack_from(">L", encoded, position), encoded[position + 4 : position + 8]
        content = encoded[position + 8 : position + 8 + length]
        if kind in _KEPT:
            kept.append(encoded[position : position + 12 + length])
        elif kind == b"eXIf":
            exif = orientation_of_exif(content)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            exif_here, xmp_here = _text(kind, content)
            exif, xmp = (exif, xmp_here) if exif != UPRIGHT else (exif_here, max(xmp, xmp_here))
        pieces = one_more(pieces, "PNG")
        position += 12 + length
        if kind == b"IEND":
            break
    return b"".join(kept), exif if exif != UPRIGHT else xmp


def _text(kind: bytes, content: bytes) -> tuple[int, int]:
    """Orientations by the EXIF and by the XMP that some programs put into a text chunk."""
    keyword, _, text = content.partition(b"\0")
    if keyword == b"Raw profile type exif" and kind != b"iTXt":  # ImageMagick: three lines, then hexadecimal
        lines = (_inflated(text[1:]) if kind == b"zTXt" else text[:MAX_TEXT_BYTES]).split(b"\n")
        digits = b"".join(lines[3:])
        block = bytes.fromhex(digits.decode()) if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})*", digits) else b""
        return orientation_of_exif(block), UPRIGHT
    if keyword == b"XML:com.adobe.xmp" and kind == b"iTXt":
        packet = text[2:].partition(b"\0")[2].partition(b"\0")[2]
        return UPRIGHT, orientation_of_xmp(_inflated(packet) if text[:1] == b"\1" else packet)
    return UPRIGHT, UPRIGHT


def _inflated(compressed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, MAX_TEXT_BYTES)
    except zlib.error:
        return b""


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))
