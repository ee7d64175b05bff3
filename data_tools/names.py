"""Names of files as text that can be stored: bytes that are not UTF-8 become \\xNN, and the way back.

Names in UTF-8 stay as they are, but for a backslash that would be read as such an escape: it becomes \\x5c.
"""

from __future__ import annotations

import os
import re

_TO_ESCAPE = re.compile(r"[\udc80-\udcff]|\\(?=x[0-9a-f]{2})")  # how Python holds such bytes; see os.fsdecode
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


def escaped(name: str) -> str:
    """`M\\xfcnchen.jpg` for a name with that byte: text that UTF-8, tables and terminals can hold."""
    return _TO_ESCAPE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", name)


def unescaped(text: str) -> str:
    """Inverse of escaped: the name by which the file opens."""
    return _ESCAPED.sub(lambda found: os.fsdecode(bytes.fromhex(found[1])) if found[1] >= "80" else "\\", text)
