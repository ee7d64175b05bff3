"""A component that takes a photo and hands it over as a file, exactly as it came."""

from __future__ import annotations

from typing import Any

import gradio as gr


class PhotoInput(gr.Image):
    """gr.Image that hands over the file as it came: Gradio would open and convert it before our own checks."""

    is_template = True  # shown by the browser's image component

    def preprocess(self, payload: Any) -> str | None:
        """The path of the upload."""
        return None if payload is None else payload.path
