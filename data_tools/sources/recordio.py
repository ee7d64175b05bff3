"""Reads the RecordIO container of MXNet, as InsightFace packs its training sets in it. Little-endian throughout.

A part is `uint32 magic, uint32 (flag << 29 | length)`, `length` bytes, and zeros up to a multiple of 4. A payload that
contains the magic number at a multiple of 4 is cut there into parts (flag 1 first, 2 middle, 3 last; 0 = whole).
A payload starts with `uint32 n, float32 label, uint64 id, uint64 id2`; with n > 0, n float32 labels follow.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MAGIC = 0xCED7230A
WHOLE, FIRST, MIDDLE, LAST = range(4)
PART_HEAD = struct.Struct("<II")
LABEL_HEAD = struct.Struct("<IfQQ")
LENGTH_BITS = 29


class RecordError(OSError):
    """The bytes at an offset are not a whole record."""


def read_record(file: BinaryIO, offset: int) -> tuple[tuple[float, ...], bytes]:
    """(labels, image bytes) of the record at `offset`. Raises RecordError when it is cut short or not a record."""
    file.seek(offset)
    payload, flag = _read_part(file)
    if flag not in (WHOLE, FIRST):
        raise RecordError(f"byte {offset} lies inside a record")
    while flag in (FIRST, MIDDLE):
        part, flag = _read_part(file)
        payload += struct.pack("<I", MAGIC) + part
    return _split_payload(payload)


def read_image(path: Path, offset: int) -> bytes:
    """The image bytes of the record at `offset` of the file `path`. Raises OSError."""
    with path.open("rb") as file:
        return read_record(file, offset)[1]


def _read_part(file: BinaryIO) -> tuple[bytes, int]:
    head = file.read(PART_HEAD.size)
    if len(head) < PART_HEAD.size:
        raise RecordError("the record lies beyond the end of the file")
    magic, flag_and_length = PART_HEAD.unpack(head)
    if magic != MAGIC:
        raise RecordError("no RecordIO record at this offset")
    length = flag_and_length & ((1 << LENGTH_BITS) - 1)
    payload = file.read(length)
    if len(payload) < length:
        raise RecordError("the record is cut short by the end of the file")
    file.seek(-length % 4, 1)
    return payload, flag_and_length >> LENGTH_BITS


def _split_payload(payload: bytes) -> tuple[tuple[float, ...], bytes]:
    if len(payload) < LABEL_HEAD.size:
        raise RecordError("the record has no label header")
    count, label, _, _ = LABEL_HEAD.unpack_from(payload)
    if not count:
        return (label,), payload[LABEL_HEAD.size :]
    end = LABEL_HEAD.size + 4 * count
    if len(payload) < end:
        raise RecordError("the record has fewer labels than its header says")
    return struct.unpack_from(f"<{count}f", payload, LABEL_HEAD.size), payload[end:]
