"""GIF: the screen and the first picture."""

from __future__ import annotations

from sfpn.photos.formats.bounds import one_more
from sfpn.photos.orientation import UPRIGHT


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The screen, and the first picture with the control block before it; a GIF states no orientation."""
    position = 13 + _table_bytes(encoded[10])
    kept, control, pieces = [encoded[:position]], b"", 0
    while encoded[position] == 0x21:  # an extension
        pieces = one_more(pieces, "GIF")
        end = _blocks_end(encoded, position + 2)
        if encoded[position + 1] == 0xF9:
            control = encoded[position:end]
        position = end
    if encoded[position] == 0x2C:
        data = position + 10 + _table_bytes(encoded[position + 9])
        kept += [control, encoded[position : _blocks_end(encoded, data + 1)], b"\x3b"]
    return b"".join(kept), UPRIGHT


def _table_bytes(packed: int) -> int:
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _blocks_end(encoded: bytes, position: int) -> int:
    while encoded[position]:
        position += 1 + encoded[position]
    return position + 1
