"""What a source hands to the build: items, official pairs, and problems for the ledger.

A source enumerates; it decodes nothing. Its order is fixed, so that a build can be resumed and repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sfpn.errors import UserError
from sfpn.photos.photo import looks_like_photo


@dataclass(frozen=True)
class Decided:
    """What a person decided about an item (data_tools.decided), for the ledger; '' where nothing was."""

    left_out: str = ""  # why it does not enter
    changed: str = ""  # what is not as the source says
    face_box: tuple[float, float, float, float] | None = None  # where the face that is meant lies, in stored pixels
    picture_sha256: str = ""  # hexadecimal, of the bytes to store: the picture that was decided about


@dataclass(frozen=True)
class Item:
    """One picture that the source names, before it is read."""

    row_id: str  # unique and stable within the dataset
    identity: str
    path: str  # where it came from, for the ledger
    read: Callable[[], bytes]  # picklable; the encoded image; raises OSError where it cannot be read
    pose: str | None = None  # given labels only; None where the source gives none
    yaw_degrees: float | None = None
    template: str | None = None
    split: str | None = None
    note: str | None = None  # why the row is incomplete, for the ledger
    pitch_degrees: float | None = None
    roll_degrees: float | None = None
    decided: Decided | None = None


@dataclass(frozen=True)
class Problem:
    """Something that the source names and the dataset will not hold."""

    path: str
    reason: str
    row_id: str = ""
    step: str = "source"


@dataclass(frozen=True)
class Pair:
    """One comparison of an official protocol ('FF', 'FP' or 'LFW'); `same` is True for a genuine pair."""

    protocol: str
    fold: int  # from 1
    row_id_a: str
    row_id_b: str
    same: bool


@dataclass(frozen=True)
class SourceInfo:
    """What the data card says about where the pictures come from."""

    name: str
    title: str
    url: str
    licence: str
    citation: str


class Source(Protocol):
    """What the build needs of a source."""

    @property
    def info(self) -> SourceInfo:
        """Licence, citation and name of the set."""
        ...

    @property
    def keeps_duplicates(self) -> bool:
        """True where dropping a picture would change an official protocol."""
        ...

    def total(self) -> int | None:
        """Number of items for the progress bar; None where counting is not cheap."""
        ...

    def items(self) -> Iterator[Item | Problem]:
        """Every picture, in a fixed order."""
        ...

    def pairs(self) -> Iterator[Pair | Problem]:
        """The official pairs; nothing where the source has none."""
        ...


def require_folder(path: Path, *parts: str, what: str) -> Path:
    """The folder `path/parts...`; raises UserError that says which layout was expected when it is not there."""
    folder = path.joinpath(*parts)
    if not folder.is_dir():
        raise UserError(f"{path} is not {what}: there is no folder {folder}")
    return folder


def read_lines(path: Path) -> list[str]:
    """The non-empty lines of a small text file, stripped. Raises UserError when it cannot be read as text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"the list {path} is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"the list {path} cannot be read: {error.strerror}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def may_be_photo(file: Path) -> bool:
    """Whether the file is taken for a photo by its name or content; a link to nothing is, so that it is said absent."""
    return looks_like_photo(file) or (file.is_symlink() and not file.exists())
