"""Files made for the visitor: what a handler returns is saved by the browser, and no file is kept on the server."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from demo.common.handlers import QUIET

_SAVE = """packed => {
  if (!packed) return [];
  const {name, data} = JSON.parse(packed), bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name; link.click(); URL.revokeObjectURL(link.href);
  return [];
}"""


def download(asked: gr.Button | Callable[..., Any], make: Callable[..., tuple[str, bytes]], inputs: Any) -> None:
    """Each click on a button, or each event, saves what `make` gives for the inputs: a file name and its content."""
    packed = gr.Textbox(visible="hidden", show_label=False)
    event = asked.click if isinstance(asked, gr.Button) else asked
    event(_packed(make), inputs, packed, **QUIET).then(None, packed, None, js=_SAVE, api_visibility="private")


def _packed(make: Callable[..., tuple[str, bytes]]) -> Callable[..., str]:
    """`make`, with its signature, whose file is packed into a text."""

    @functools.wraps(make)
    def pack(*values: Any) -> str:
        name, content = make(*values)
        return json.dumps({"name": name, "data": base64.b64encode(content).decode()})

    return pack
