"""The endpoints as tools for agents (Model Context Protocol); the protocol's package is optional."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

from gradio.mcp import GradioMCPServer

from sfpn.errors import UserError


def serve_tools() -> None:
    """Prepare Gradio's server of tools. Raises UserError where its package is missing.

    It would answer with Python's way of writing an object; here the answer is JSON.
    """
    if not (find_spec("mcp") and hasattr(GradioMCPServer, "StreamableHTTPSessionManager")):
        raise UserError('--mcp needs a package that is not installed: run pip install "mcp>=1.21,<2", or leave it out')
    GradioMCPServer.postprocess_output_data = _as_json


_as_texts = GradioMCPServer.postprocess_output_data


def _as_json(self: GradioMCPServer, data: Any, root_url: str) -> list:
    texts = [
        json.dumps(value, ensure_ascii=False, allow_nan=False) if isinstance(value, (dict, list)) else value
        for value in data
    ]
    return _as_texts(self, texts, root_url)
