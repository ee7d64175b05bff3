"""Files and folders that are there whole or not at all: written under a temporary name, then renamed.

with whole_file(path) as temporary:
    write(temporary)
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sfpn.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name to write to; after the block it is on the disk and renamed to `path`, replacing what was there.

    After an error in the block `path` is as before and the temporary file is gone. Makes missing folders.
    Raises OSError as writing does.
    """
    temporary = _beside(path)
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder to fill; after the block it is renamed to `path`, replacing what was there.

    After an error in the block `path` is as before and the temporary folder is gone. Raises OSError as writing does.
    """
    temporary = _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush_to_disk(file)
        replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`; a folder that was there is removed once the new one has its place."""
    if not path.exists():
        os.replace(new, path)
        return
    old = _beside(path)
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_text(text: str, path: Path) -> None:
    """Write a text file (UTF-8), whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_utf8(path: Path) -> None:
    """Raise UserError for a path that is not UTF-8: Parquet files cannot be read or written there."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"the name of {str(path)!a} is not UTF-8: rename that folder, or choose another") from error


def _beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else uses, on the same disk so that renaming is one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def _flush_to_disk(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())
