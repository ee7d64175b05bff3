"""JPEG (ITU-T T.81, annex B): the segments that a decoder needs, of the first picture in the file."""

from __future__ import annotations

import re
import struct

from sfpn.photos.formats.bounds import check_scans, one_more
from sfpn.photos.orientation import UPRIGHT, orientation_of_exif, orientation_of_xmp

XMP_HEADING = b"http://ns.adobe.com/xap/1.0/\0"
_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in entropy-coded data, every other 0xFF is stuffed


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The file without metadata, and its orientation by EXIF or else XMP (1-8)."""
    kept, position, scans, pixels, pieces = [encoded[:2]], 2, 0, 0, 0
    exif, xmp = UPRIGHT, UPRIGHT
    while found := _NEXT_MARKER.search(encoded, position):
        start, marker = found.start(), encoded[found.start() + 1]
        pieces = one_more(pieces, "JPEG")
        if scans:
            kept.append(encoded[position:start])  # the entropy-coded data of the scan before
        if marker == _EOI:
            kept.append(encoded[start : start + 2])
            position = len(encoded)  # what follows is another picture or a film
            break
        if marker in (_SOI, 0x01):
            position = start + 2
            continue
        (length,) = struct.unpack_from(">H", encoded, start + 2)
        position = start + 2 + length
        segment = encoded[start:position]
        if marker == _APP1:
            exif = exif if exif != UPRIGHT else orientation_of_exif(segment[4:])
            if segment[4:].startswith(XMP_HEADING):
                xmp = orientation_of_xmp(segment)
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", segment, 5)
            pixels = max(pixels, height * width)
        scans += marker == _SOS
        is_needed = (marker == _APP0 and segment[4:9] == b"JFIF\0") or (marker == _APP14 and len(segment) >= 16)
        if is_needed or not (_APP0 <= marker <= 0xEF or marker == _COM):
            kept.append(segment)
    check_scans(scans, pixels)
    if scans:  # before the first scan, what is no segment is filling
        kept.append(encoded[position:])
    return b"".join(kept), exif if exif != UPRIGHT else xmp
