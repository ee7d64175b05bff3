"""What of a photo is searched for faces: a reduced copy of it, or of a panorama overlapping tiles.

Large photos are reduced in two steps. First their sides are divided by 2, 4 or 8, by averaging whole squares of pixels:
that is what a JPEG's own scaling gives (libjpeg-turbo averages within its blocks of 8x8), so that a photo need not be
decoded whole to be searched, and the same faces are found in it as where it is.
"""

from __future__ import annotations

import math

from PIL import Image

WORKING_SIZE = 960  # longer side, px, that a photo is reduced to for detection
PANORAMA = 3.0  # longer over shorter side; beyond it, the smallest faces searched would end under what MTCNN can see
MAX_TILES = 64  # of a panorama; beyond 65:1 they are longer, and faces in them must be larger


def search_divisor(photo_size: tuple[int, int]) -> int:
    """What the sides of a photo of (width, height) px are divided by before it is searched: 1, 2, 4, 8 ...

    As far as both are multiples of it, so that no pixel stands for fewer than others, and WORKING_SIZE is left.
    Panoramas are searched in all their pixels.
    """
    divisor, longer = 1, max(photo_size)
    if longer > PANORAMA * min(photo_size):
        return divisor
    while longer >= 2 * divisor * WORKING_SIZE and all(side % (2 * divisor) == 0 for side in photo_size):
        divisor *= 2
    return divisor


def divided(image: Image.Image, divisor: int) -> Image.Image:
    """A picture with its sides divided, every pixel the mean of a square of them; itself for 1."""
    return image if divisor == 1 else image.reduce(divisor)


def reduced(photo: Image.Image, longer_side: int) -> Image.Image:
    """The photo with a longer side of at most so many px, WORKING_SIZE at most."""
    photo = divided(photo, search_divisor(photo.size))
    scale = longer_side / max(photo.size)
    if scale >= 1:
        return photo
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def tiles_of(photo_size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) that cover a photo of (width, height) px; one, unless it is a panorama.

    Tiles of a panorama are twice as long as high and overlap by half, so that every face lies whole in one of them.
    """
    longer, shorter = max(photo_size), min(photo_size)
    if longer <= PANORAMA * shorter:
        return [(0, 0, *photo_size)]
    step = max(shorter, math.ceil(longer / MAX_TILES))
    starts = [*range(0, longer - 2 * step, step), longer - 2 * step]
    across = photo_size[0] == longer
    return [(at, 0, at + 2 * step, shorter) if across else (0, at, shorter, at + 2 * step) for at in starts]
