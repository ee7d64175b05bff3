"""All files below a folder, links followed: what computers left, loops and what cannot be read become problems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_tools.names import escaped
from data_tools.sources.base import Problem
from sfpn.photos.left_behind import left_by_computer

LEFT = "left by a computer, not by a person"
READ_ALREADY = "a link to a folder that is read already under another name"
NO_FILE = "not a file, but a pipe, a socket or a device"


@dataclass(frozen=True)
class Found:
    """A file and its name below the folder: parts joined by /, see data_tools.names for what is not UTF-8."""

    file: Path
    name: str

    @property
    def parts(self) -> list[str]:
        """The folders below the walked one, and the file's own name."""
        return self.name.split("/")


def walk(root: Path) -> Iterator[Found | Problem]:
    """Every file, in the order of sorted paths.

    A folder is read once, under its own name before that of a link to it, so that links in a circle end.
    """
    linked: set[tuple[int, int]] | None = None  # folders that links may not lead to again; found out at the first link
    waiting: list[tuple[os.DirEntry[str] | OSError, str, bool]] = [(entry, "", False) for entry in _entries(root)]
    while waiting:
        entry, inside, behind_link = waiting.pop()
        if isinstance(entry, OSError):
            yield Problem(inside.rstrip("/"), f"the folder cannot be opened: {entry.strerror}")
            continue
        name = inside + escaped(entry.name)
        if left_by_computer(entry.name):
            yield Problem(name, LEFT)
        elif _is_folder(entry):
            behind_link = behind_link or entry.is_symlink()
            if behind_link:
                linked = _own_folders(root) if linked is None else linked
                if (key := _key(Path(entry.path))) in linked:
                    yield Problem(name, READ_ALREADY)
                    continue
                linked.add(key)
            waiting += [(below, f"{name}/", behind_link) for below in _entries(Path(entry.path))]
        elif _is_special(Path(entry.path)):
            yield Problem(name, NO_FILE)
        else:
            yield Found(Path(entry.path), name)


def _entries(folder: Path) -> list[os.DirEntry[str] | OSError]:
    """Last name first, as a stack wants them; the error where the folder cannot be opened."""
    try:
        with os.scandir(folder) as entries:
            return [*sorted(entries, key=_name, reverse=True)]
    except OSError as error:
        return [error]


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _own_folders(root: Path) -> set[tuple[int, int]]:
    """The folders that are reached without a link."""
    found = set()
    for folder, names, _ in os.walk(root):
        names[:] = [name for name in names if not left_by_computer(name)]
        found.add(_key(Path(folder)))
    return found


def _key(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_special(file: Path) -> bool:
    return file.exists() and not file.is_file()
