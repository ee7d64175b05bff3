"""Addresses of pictures: as data inside the page, so that none is ever written into the app's cache, or as a file."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from urllib.parse import quote

from PIL import Image

PREVIEW_SIDE = 720  # px


def data_uri(image: Image.Image, side: int | None = None) -> str:
    """The picture as a data: address, reduced to at most `side` px."""
    if side is not None and max(image.size) > side:
        size = [max(1, round(length * side / max(image.size))) for length in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _address(image, "WEBP", quality=90, method=1)  # three times as fast as the default, a tenth larger


def preview_uri(photo: Image.Image) -> str:
    """A visitor's photo (RGB) as a data: address, reduced to PREVIEW_SIDE: in a quarter of the time of data_uri."""
    scale = min(1.0, PREVIEW_SIDE / max(photo.size))
    if scale < 1:
        size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
        photo = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return _address(photo, "JPEG", quality=88)


def _address(image: Image.Image, file_format: str, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return f"data:image/{file_format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def file_address(path: Path | str) -> str:
    """The address of a file that the app serves, relative to its pages; # ? % and quotes in its path are escaped."""
    return f"gradio_api/file={quote(str(path))}"
