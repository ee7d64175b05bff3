"""Bounds of what a decoder may be given to do, whatever the format."""

from __future__ import annotations

from sfpn.errors import UserError

MAX_SCANS = 64  # of a progressive JPEG; cameras and web tools write 1 to about 12
MAX_SCANNED_PIXELS = 1_000_000_000  # scans times pixels: each scan passes over the whole picture
MAX_PIECES = 100_000  # segments of a JPEG, chunks of a PNG or WebP, extensions of a GIF, strips or tiles of a TIFF


def one_more(pieces: int, kind: str) -> int:
    """`pieces` + 1. Raises UserError for a file of more pieces than any photo has."""
    if pieces >= MAX_PIECES:
        raise UserError(f"is a {kind} cut into more than {MAX_PIECES:,} pieces; save it again")
    return pieces + 1


def check_scans(scans: int, pixels: int) -> None:
    """Raise UserError for a JPEG, or one inside a TIFF, whose scans take too long to decode."""
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise UserError(f"is a JPEG of {scans:,} scans, more than can be decoded in reasonable time; save it again")
