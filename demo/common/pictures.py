"""Pictures as data: addresses inside the page, so that none of them is ever written into the app's cache."""

from __future__ import annotations

import base64
import io

from PIL import Image

PREVIEW_SIDE = 720  # px


def data_uri(image: Image.Image, side: int | None = None) -> str:
    """The picture as a data: address, reduced to at most `side` px."""
    if side is not None and max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=90, method=1)  # three times as fast as the default, a tenth larger
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
