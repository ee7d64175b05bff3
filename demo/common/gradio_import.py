"""Imports Gradio without the .pyi file that it writes beside the source of each component.

For these files, which only editors read, it parses all sources at each start: a second, and files in folders that may
be read-only or under version control. It leaves out components whose source is not in a file.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

WRITER = "gradio.component_meta"


def import_gradio() -> None:
    """Call it before Gradio is imported; of later components no file is written either."""
    file_of = inspect.getfile

    def other_files(thing: Any) -> str:
        if sys._getframe(1).f_globals.get("__name__") == WRITER:
            raise OSError("not in a file")
        return file_of(thing)

    inspect.getfile = other_files
    try:
        from gradio import component_meta
    finally:
        inspect.getfile = file_of
    component_meta.create_or_modify_pyi = lambda *_: None
