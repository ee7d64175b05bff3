"""The On your device tab: a place on the page that the browser fills by itself, once it knows where the files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from demo.common.handlers import AT_ONCE
from demo.loaded import Loaded
from demo.on_device.preparation import Preparation
from demo.on_device.runtime import cache_folder, runtime_folder
from demo.on_device.static_page import BROWSER

JAVASCRIPT = Path(__file__).with_name("tab.js")
INTRO = """<p class="quiet">The same verification as in the tab Verify, but in your own browser: the networks come to
you, and your photos stay. Made to study verification across poses, not to identify people.</p>"""


class OnDevice(gr.HTML):
    """The page of demo/on_device/browser. `value`: Preparation.status as JSON; it triggers `prepare` to get one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            value=None,
            html_template='<div class="on-device"></div>',
            js_on_load=JAVASCRIPT.read_text(encoding="utf-8"),
            apply_default_css=False,
            folder=quote(str(BROWSER)),
            **kwargs,
        )

    def api_info(self) -> dict[str, str]:
        """How the value looks to API clients."""
        return {"type": "string"}


def build(loaded: Loaded) -> None:
    """Lay out and wire the tab."""
    cache = cache_folder()
    gr.set_static_paths([BROWSER, cache / "networks", runtime_folder(cache)])
    gr.HTML(INTRO)
    page = OnDevice(elem_id="on-device")
    preparation = Preparation(cache, loaded.weights, loaded.examples, loaded.cdn)

    def prepare() -> str:
        return json.dumps(preparation.status())

    page.prepare(prepare, None, page, **AT_ONCE)  # pyright: ignore (an event of its own, see tab.js)
