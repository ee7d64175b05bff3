"""BMP, which holds nothing beside its picture."""

from __future__ import annotations

import struct

from sfpn.errors import UserError
from sfpn.photos.orientation import UPRIGHT

MAX_RUN_LENGTH_BYTES = 4_000_000  # of a run-length coded BMP, which Pillow decodes in Python


def strip(encoded: bytes) -> tuple[bytes, int]:
    """The file itself; a BMP states no orientation. Raises UserError for one that takes long to decode."""
    header, compression = encoded[14], struct.unpack_from("<L", encoded, 30)[0]
    if header >= 40 and compression in (1, 2) and len(encoded) > MAX_RUN_LENGTH_BYTES:
        raise UserError(
            f"is a run-length coded BMP of more than {MAX_RUN_LENGTH_BYTES / 1e6:.0f} MB; save it as PNG or JPEG"
        )
    return encoded, UPRIGHT
