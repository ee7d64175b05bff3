"""Lists in docstrings, for the API reference: Markdown wants an empty line around them, our docstrings do without."""

from __future__ import annotations

from typing import Any

import griffe

ITEM = "* "


class DocstringLists(griffe.Extension):
    """Puts the empty lines in."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class and function."""
        if obj.docstring:
            obj.docstring.value = with_empty_lines(obj.docstring.value)


def with_empty_lines(text: str) -> str:
    """`text` with an empty line before and after each list."""
    lines, in_list = [], False
    for line in text.split("\n"):
        belongs = line.startswith(ITEM) or (in_list and line.startswith(" "))
        if line and lines and lines[-1] and belongs != in_list:
            lines.append("")
        in_list = belongs
        lines.append(line)
    return "\n".join(lines)
