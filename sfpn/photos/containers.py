"""A picture file cut down to its pixels before any decoder sees it.

What a decoder reads beside the pixels (EXIF, XMP, colour profiles, comments, thumbnails, later frames) can only break
an intact photo or cost unbounded time and memory, so it is left out here: only the orientation is read. What bounds
the work of decoding (scans, strips, pieces) is counted here, by walking the file's own structure.

A file that is cut off or out of order is passed on as far as it goes: the decoder says what is wrong with it.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from sfpn.errors import UserError
from sfpn.photos.orientation import (
    ORIENTATION_TAG,
    UPRIGHT,
    exif_with_orientation,
    orientation_of_exif,
    orientation_of_field,
    orientation_of_xmp,
)

MAX_SCANS = 64  # of a progressive JPEG; cameras and web tools write 1 to about 12
MAX_SCANNED_PIXELS = 1_000_000_000  # scans times pixels: each scan passes over the whole picture
MAX_PIECES = 100_000  # segments of a JPEG, chunks of a PNG or WebP, extensions of a GIF, strips or tiles of a TIFF
MAX_TILE_PIXELS = 64_000_000
MAX_RUN_LENGTH_BYTES = 4_000_000  # of a run-length coded BMP, which Pillow decodes in Python
MAX_TEXT_BYTES = 1_000_000  # of a compressed text in which an orientation is looked for

XMP_HEADING = b"http://ns.adobe.com/xap/1.0/\0"
PNG_HEADING = b"\x89PNG\r\n\x1a\n"
AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


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
    if start.startswith(PNG_HEADING):
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
        stripped, orientation = _STRIPPERS[kind](encoded)
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
        after_header = len(PNG_HEADING) + 25
        return data.encoded[:after_header] + _png_chunk(b"eXIf", block) + data.encoded[after_header:]
    raise ValueError("only JPEG and PNG files carry their orientation in EXIF here")


def _one_more(pieces: int, kind: str) -> int:
    if pieces >= MAX_PIECES:
        raise UserError(f"is a {kind} cut into more than {MAX_PIECES:,} pieces; save it again")
    return pieces + 1


# JPEG: ITU-T T.81, annex B
_SOI, _EOI, _SOS, _APP0, _APP1, _APP14, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in entropy-coded data, every other 0xFF is stuffed


def _strip_jpeg(encoded: bytes) -> tuple[bytes, int]:
    kept, position, scans, pixels, pieces = [encoded[:2]], 2, 0, 0, 0
    exif, xmp = UPRIGHT, UPRIGHT
    while found := _NEXT_MARKER.search(encoded, position):
        start, marker = found.start(), encoded[found.start() + 1]
        pieces = _one_more(pieces, "JPEG")
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
    _check_scans(scans, pixels)
    if scans:  # before the first scan, what is no segment is filling
        kept.append(encoded[position:])
    return b"".join(kept), exif if exif != UPRIGHT else xmp


def _check_scans(scans: int, pixels: int) -> None:
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise UserError(f"is a JPEG of {scans:,} scans, more than can be decoded in reasonable time; save it again")


# PNG: W3C, third edition
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def _strip_png(encoded: bytes) -> tuple[bytes, int]:
    kept, position, pieces = [PNG_HEADING], len(PNG_HEADING), 0
    exif, xmp = UPRIGHT, UPRIGHT
    while position + 8 <= len(encoded):
        (length,), kind = struct.unpack_from(">L", encoded, position), encoded[position + 4 : position + 8]
        content = encoded[position + 8 : position + 8 + length]
        if kind in _PNG_KEPT:
            kept.append(encoded[position : position + 12 + length])
        elif kind == b"eXIf":
            exif = orientation_of_exif(content)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            exif_here, xmp_here = _png_text(kind, content)
            exif, xmp = (exif, xmp_here) if exif != UPRIGHT else (exif_here, max(xmp, xmp_here))
        pieces = _one_more(pieces, "PNG")
        position += 12 + length
        if kind == b"IEND":
            break
    return b"".join(kept), exif if exif != UPRIGHT else xmp


def _png_text(kind: bytes, content: bytes) -> tuple[int, int]:
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


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


# WebP: RFC 9649
_WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # colour profile, EXIF, XMP


def _strip_webp(encoded: bytes) -> tuple[bytes, int]:
    kept, position, frames, pieces = [], 12, 0, 0
    exif, xmp = UPRIGHT, UPRIGHT
    while position + 8 <= len(encoded):
        kind, (length,) = encoded[position : position + 4], struct.unpack_from("<L", encoded, position + 4)
        end = position + 8 + length + length % 2
        pieces = _one_more(pieces, "WebP")
        frames += kind == b"ANMF"
        if kind == b"VP8X" and length:
            flags = bytes([encoded[position + 8] & ~_WEBP_METADATA_FLAGS])
            kept.append(encoded[position : position + 8] + flags + encoded[position + 9 : end])
        elif kind in _WEBP_KEPT and frames <= 1:
            kept.append(encoded[position:end])
        elif kind == b"EXIF":
            exif = orientation_of_exif(encoded[position + 8 : end])
        elif kind == b"XMP ":
            xmp = orientation_of_xmp(encoded[position + 8 : end])
        position = end
    content = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<L", len(content)) + content, exif if exif != UPRIGHT else xmp


def _strip_gif(encoded: bytes) -> tuple[bytes, int]:
    """The screen, and the first picture with the control block before it."""
    position = 13 + _gif_table_bytes(encoded[10])
    kept, control, pieces = [encoded[:position]], b"", 0
    while encoded[position] == 0x21:  # an extension
        pieces = _one_more(pieces, "GIF")
        end = _gif_blocks_end(encoded, position + 2)
        if encoded[position + 1] == 0xF9:
            control = encoded[position:end]
        position = end
    if encoded[position] == 0x2C:
        data = position + 10 + _gif_table_bytes(encoded[position + 9])
        kept += [control, encoded[position : _gif_blocks_end(encoded, data + 1)], b"\x3b"]
    return b"".join(kept), UPRIGHT


def _gif_table_bytes(packed: int) -> int:
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _gif_blocks_end(encoded: bytes, position: int) -> int:
    while encoded[position]:
        position += 1 + encoded[position]
    return position + 1


def _strip_bmp(encoded: bytes) -> tuple[bytes, int]:
    header, compression = encoded[14], struct.unpack_from("<L", encoded, 30)[0]
    if header >= 40 and compression in (1, 2) and len(encoded) > MAX_RUN_LENGTH_BYTES:
        raise UserError(
            f"is a run-length coded BMP of more than {MAX_RUN_LENGTH_BYTES / 1e6:.0f} MB; save it as PNG or JPEG"
        )
    return encoded, UPRIGHT


# TIFF 6.0 and BigTIFF: the tags that say where the pixels are and how to read them
_COMPRESSION, _STRIP_OFFSETS, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 259, 273, 322, 323, 324
_TIFF_KEPT = {
    *(256, 257, 258, _COMPRESSION, 262, 266, _STRIP_OFFSETS, 277, 278, 279, 284, 292, 293, 317, 320),
    *(_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, 325, 338, 339, 347, *range(512, 522), *range(529, 533)),
}
_JPEG_COMPRESSIONS = (6, 7)


def _strip_tiff(encoded: bytes) -> tuple[bytes, int]:
    """The same file with a first directory of pixel tags only, and no further directory."""
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
        if tag not in _TIFF_KEPT or tag in numbers:
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
        _check_scans(encoded.count(b"\xff\xda") - pieces, 0)
    directory = struct.pack(order + count_code, len(kept)) + b"".join(kept) + struct.pack(order + offset, 0)
    return encoded[:start] + directory + encoded[start + len(directory) :], orientation


def _strip_heif(encoded: bytes) -> tuple[bytes, int]:
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


_STRIPPERS: dict[str, Callable[[bytes], tuple[bytes, int]]] = {
    "JPEG": _strip_jpeg,
    "PNG": _strip_png,
    "WEBP": _strip_webp,
    "GIF": _strip_gif,
    "BMP": _strip_bmp,
    "TIFF": _strip_tiff,
    "AVIF": _strip_heif,
    "HEIF": _strip_heif,
}
