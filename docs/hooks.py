"""What mkdocs needs beside the pages: the screenshot, which lies with the app, and intervals that do not break."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

SCREENSHOT = "demo/assets/screenshot.png"
INTERVAL = re.compile(r"\[([+-]?[\d.]+), ([+-]?[\d.]+)\]")


def on_files(files: Files, config: Any) -> Files:
    """Add the screenshot to the site."""
    source = Path(config.config_file_path).parent / SCREENSHOT
    files.append(File.generated(config, "images/screenshot.png", abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name it by its place in the site, and keep the intervals of tables on one line."""
    lines = markdown.replace(f"../{SCREENSHOT}", "images/screenshot.png").split("\n")
    return "\n".join(INTERVAL.sub(r"[\1,&nbsp;\2]", line) if line.startswith("|") else line for line in lines)
