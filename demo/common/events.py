"""What an event brings from the browser, checked: whoever sends a request can put anything into it.

Each function raises gr.Error, which the page shows, for what the page itself would not send.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import gradio as gr
import numpy as np

GONE = "This is not on the page any more: reload it."


def detail(event: gr.EventData, name: str) -> Any:
    """A field of the event, e.g. 'index'."""
    try:
        return getattr(event, name)
    except (AttributeError, TypeError, KeyError) as error:
        raise gone() from error


def place(value: object, count: int) -> int:
    """An index into a list of `count`."""
    if type(value) is int and 0 <= value < count:
        return value
    raise gone()


def pair(value: object) -> tuple[Any, Any]:
    """A list of two."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(value)
    raise gone()


def texts(value: object, *counts: int) -> tuple[str, ...]:
    """A list of strings, of one of these lengths."""
    if isinstance(value, (list, tuple)) and len(value) in counts and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise gone()


def mask(value: object, count: int) -> np.ndarray:
    """(count,) bool from their bits, eight a byte, the first one highest, in base64."""
    try:
        packed = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError) as error:
        raise gone() from error
    if len(packed) != -(-count // 8):
        raise gone()
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(bool)


def number(value: object) -> float:
    """A finite number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value):
        return float(value)
    raise gone()


def gone() -> gr.Error:
    """What to raise for it."""
    return gr.Error(GONE, print_exception=False)
