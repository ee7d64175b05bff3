"""Any kind of pixels to RGB of 8 bits: grey and colour of more bits, floats, palettes, transparency, CMYK, L*a*b*.

Pillow's own conversions clip what has more than 8 bits at 255, and show the colours that transparency hides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms, ImageFile

FULL_SCALES = (255, 1023, 4095, 16383, 65535)  # 8, 10, 12, 14 and 16 bits, whatever they are stored in
_WHITE_IS_ZERO, _PHOTOMETRIC, _SAMPLE_FORMAT = 0, 262, 339  # of a TIFF
_NATIVE, _SWAPPED = ("L", "B") if sys.byteorder == "little" else ("B", "L")
_LOW_BYTE = {"L": "B", "B": "L", "N": _SWAPPED}  # the byte order that makes Pillow keep the low byte of 16 bits


def read_rgb(opened: ImageFile.ImageFile, reopen: Callable[[], ImageFile.ImageFile]) -> Image.Image:
    """The pixels of a picture as stored (not turned), RGB of 8 bits, what is transparent on white.

    reopen: opens the same picture once more. Raises what Pillow raises for damaged pixels.
    """
    raw_mode = _raw_mode(opened)
    opened.load()
    if opened.mode.startswith(("I", "F")):
        return _grey(opened)
    if raw_mode[:-1] in ("RGB;16", "RGBX;16", "RGBA;16", "LA;16"):
        return _on_white(_colour_of_16_bits(opened, reopen, raw_mode))
    if opened.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(opened, *profiles, outputMode="RGB") or opened
    return _on_white(opened)


def full_scale_of(maximum: float) -> float:
    """The value that is white in a picture with this largest value: 8, 10, 12, 14, 16 bits, or what it takes."""
    for scale in FULL_SCALES:
        if maximum <= scale:
            return scale
    return 2.0 ** np.ceil(np.log2(maximum + 1)) - 1


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")  # a copy, which does not hold the file
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floats."""
    pixels = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and tags.get(_SAMPLE_FORMAT, (1,))[0] == 1 and tags:
        pixels = pixels.view(np.uint32)  # Pillow holds them with a sign
    values = pixels.astype(np.float64)
    finite = np.isfinite(values)
    top = values.max(initial=0.0, where=finite)
    values = np.where(finite, values, np.where(values > 0, top, 0.0)).clip(0, None)
    scale = 1.0 if image.mode == "F" and top <= 1 else full_scale_of(top)
    values *= 255 / scale
    if tags and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = 255 - values
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):  # the value that stands for transparent
        values[pixels == hidden] = 255
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert("RGB")


def _colour_of_16_bits(opened: Image.Image, reopen: Callable, raw_mode: str) -> Image.Image:
    """Pillow keeps the high byte of 16 bits; where only low ones are in use (8 to 14 bits), both are put together."""
    opened = _with_small_transparency(opened)
    high = np.asarray(opened)
    if high[..., :3].max(initial=0) > FULL_SCALES[-2] // 256:
        return opened
    low = _low_bytes(reopen(), raw_mode)
    values = high.astype(np.float64) * 256 + low
    for bands in (slice(0, 3), slice(3, None)):
        values[..., bands] *= 255 / full_scale_of(values[..., bands].max(initial=0))
    return Image.fromarray(values.round().astype(np.uint8))


def _with_small_transparency(image: Image.Image) -> Image.Image:
    """The transparent colour of a PNG of 16 bits, in the 8 bits that Pillow keeps."""
    hidden = image.info.get("transparency")
    if isinstance(hidden, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in hidden)
    return image


def _low_bytes(opened: ImageFile.ImageFile, raw_mode: str) -> np.ndarray:
    if raw_mode == "LA;16B":  # Pillow has no low bytes of these: read the four bytes of a pixel as four bands
        _set_raw_mode(opened, "RGBA")
        return np.asarray(opened)[..., (1, 1, 1, 3)]
    _set_raw_mode(opened, raw_mode[:-1] + _LOW_BYTE[raw_mode[-1]])
    return np.asarray(opened)


def _raw_mode(opened: ImageFile.ImageFile) -> str:
    """How the decoder is told to read a pixel, e.g. "RGB;16B"; empty where it is not told."""
    if not opened.tile:
        return ""
    arguments = opened.tile[0].args
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _set_raw_mode(opened: ImageFile.ImageFile, raw_mode: str) -> None:
    opened.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in opened.tile
    ]
