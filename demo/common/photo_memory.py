"""How much the photos of visitors may take in memory: on one side of a page, and on all pages together.

What counts is what stays: the encoded photo, its preview and the crop of its face. Pixels are bounded too, because a
comparison by a network with other crops, or of another face, decodes the photos of a side again, one after the other.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from PIL import Image

from sfpn.errors import UserError

SIDE_BYTES = 60_000_000
SIDE_PIXELS = 250_000_000  # five photos of 48 megapixels, or ten of 24
ALL_BYTES = 1_000_000_000


class Held(Protocol):
    """A photo in memory."""

    @property
    def encoded(self) -> bytes: ...

    @property
    def preview(self) -> str: ...

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def crops(self) -> Mapping[Any, Image.Image]: ...


_held: weakref.WeakValueDictionary[int, Held] = weakref.WeakValueDictionary()


def count(photo: Held) -> None:
    """Count a photo for as long as it is in memory."""
    _held[id(photo)] = photo


def held_bytes() -> int:
    """What all photos of all visitors take; the same content in several places counts once."""
    return sum({id(photo.encoded): _bytes_of(photo) for photo in list(_held.values())}.values())


def _bytes_of(photo: Held) -> int:
    crops = sum(4 * crop.width * crop.height for crop in photo.crops.values())
    return len(photo.encoded) + len(photo.preview) + crops


def check_room(side: Iterable[Held], name: str, size: int = 0, pixels: int = 0) -> None:
    """Raise UserError if a photo of `size` bytes and `pixels` has no room beside those of its side, or in the app."""
    side = tuple(side)
    if sum(len(photo.encoded) for photo in side) + size > SIDE_BYTES:
        raise UserError(
            f"{name}: the photos of a side may have {SIDE_BYTES / 1e6:.0f} MB together; remove one or save it smaller"
        )
    if sum(photo.size[0] * photo.size[1] for photo in side) + pixels > SIDE_PIXELS:
        raise UserError(
            f"{name}: the photos of a side may have {SIDE_PIXELS / 1e6:.0f} megapixels together; "
            "remove one or make it smaller"
        )
    if held_bytes() + size > ALL_BYTES:
        raise UserError(f"{name}: the app holds as many photos of its visitors as it can; try again in some minutes")
