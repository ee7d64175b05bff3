"""Components that take photos and hand them over as files, exactly as they came.

Gradio would open and convert a picture before our own checks, and leave an empty file beside each upload. None of them
has an __init__ of its own: only the parameters that it names would reach the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.uploads import upload_paths


def take_any_file() -> str:
    """JavaScript for the page: files of any name reach the app, whose own check says what is wrong with them.

    It needs the class "photo-input" on a PhotoInput for files that are dropped.
    """
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


class PhotoInput(gr.Image):
    """One photo from a file, the camera or the clipboard."""

    is_template = True  # shown by the browser's image component

    def preprocess(self, payload: Any) -> str | None:
        """The path of the upload."""
        return None if payload is None or payload.path is None else upload_paths([payload.path])[0]


class PhotoButton(gr.UploadButton):
    """A button that asks for photos; give file_count="multiple" for any number of them."""

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        """The paths of the uploads."""
        return [] if payload is None else upload_paths([file.path for file in payload.root])
