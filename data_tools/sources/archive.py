"""Pictures in a ZIP from untrusted hands: `identity/image.jpg`, or a CSV file with columns and the pictures it names.

Nothing is ever written under a name of the archive: pictures are read into memory one by one. What an archive says of
itself is bounded before anything is unpacked, and no member gives more bytes than it said. Folders around all pictures
are looked through.
"""

from __future__ import annotations

import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from data_tools.sources.base import Item, Pair, Problem, SourceInfo
from data_tools.sources.walk import LEFT
from sfpn.errors import UserError
from sfpn.photos.containers import kind_of
from sfpn.photos.left_behind import left_by_computer
from sfpn.photos.photo import MAX_BYTES, PHOTO_SUFFIXES

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can blow up a few bytes before they can be bounded
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".cbz", ".jar")
DIRECTORY_BYTES = 16_000_000  # of the list of members
MEMBERS_PER_PHOTO = 4  # each picture may come with as many other files and folders
LONGEST_NAME = 400
ENCRYPTED, UTF8_NAME = 0x1, 0x800  # flags of a member
# what zipfile and zlib raise for damaged content; NotImplementedError for ways of packing that they do not know
BROKEN = (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, zlib.error)
DAMAGED = "is not a ZIP that can be read: pack it again"


class NoIdentity(UserError):
    """No picture of an archive lies in the folder of an identity."""


@dataclass(frozen=True)
class Bounds:
    """What a set from untrusted hands may take."""

    photos: int = 5_000
    total_bytes: int = 500_000_000  # of its pictures, unpacked
    pixels: int = 24_000_000  # of one picture, from its header


@dataclass(frozen=True)
class Member:
    """A file in the archive; `name` is made of safe parts joined by /, and is never used to open anything."""

    name: str
    info: zipfile.ZipInfo

    @property
    def parts(self) -> list[str]:
        return self.name.split("/")


class Archive:
    """A ZIP: `members` are files that may be read, `problems` what is left out with the reason.

    Raises UserError if it is none, is encrypted, holds too much, or is packed in a way that cannot be bounded.
    """

    def __init__(self, file: Path, name: str, bounds: Bounds) -> None:
        """name: how sentences call it."""
        self.name, self._bounds, self.problems = name, bounds, list[Problem]()
        check_directory(file, name)
        try:
            self._zip = zipfile.ZipFile(file)
        except BROKEN as error:
            raise UserError(f"{name} {DAMAGED}") from error
        try:
            self.members = self._list()
            self._check_size()
        except UserError:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, member: Member, most: int = MAX_BYTES) -> bytes:
        """The content of a member. Raises UserError if it is damaged or larger than `most` bytes."""
        if member.info.file_size > most:
            raise UserError(f"is larger than {most / 1e6:.0f} MB; save it smaller or as JPEG")
        try:
            with self._zip.open(member.info) as stream:
                return stream.read(most + 1)
        except BROKEN as error:
            raise UserError("is damaged inside the ZIP") from error

    def is_picture(self, member: Member) -> bool:
        """Whether a member is taken for a picture by its name or its content."""
        if Path(member.name).suffix.lower() in PHOTO_SUFFIXES:
            return True
        try:
            with self._zip.open(member.info) as stream:
                return kind_of(stream.read(64)) is not None
        except BROKEN:
            return False

    def _list(self) -> list[Member]:
        most = MEMBERS_PER_PHOTO * self._bounds.photos
        infos = self._zip.infolist()
        if len(infos) > most:
            raise UserError(f"{self.name} has {len(infos):,} members, more than the {most:,} that are looked at here")
        if any(info.flag_bits & ENCRYPTED for info in infos):
            raise UserError(f"{self.name} is encrypted: pack it again without a password")
        found = [Member(member_name(info), info) for info in infos if not info.is_dir()]
        fit = []
        for member in sorted(found, key=lambda member: member.name):
            if reason := why_left_out(member):
                self.problems.append(Problem(member.name[:LONGEST_NAME], reason))
            else:
                fit.append(member)
        return without_common_folder(fit)

    def _check_size(self) -> None:
        size, most = sum(member.info.file_size for member in self.members), self._bounds.total_bytes
        if size > most:
            raise UserError(
                f"{self.name} unpacks to {size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} MB that a set may "
                "have here: leave pictures out or save them smaller"
            )


@dataclass(frozen=True)
class ZippedFolder:
    """The pictures of an archive by identity. Raises UserError when there is none, or more than the bounds allow."""

    archive: Archive
    info: SourceInfo
    bounds: Bounds
    keeps_duplicates: bool = False

    def __post_init__(self) -> None:
        pictures = sum(isinstance(item, Item) for item in self._items)
        if not pictures:
            raise NoIdentity(f"{self.archive.name} holds no identity/image.jpg: one folder per person is expected")
        check_count(pictures, self.archive.name, self.bounds)

    def total(self) -> int:
        """Number of items."""
        return len(self._items)

    @property
    def identities(self) -> int:
        """Number of folders with pictures."""
        return len({item.identity for item in self._items if isinstance(item, Item)})

    def items(self) -> Iterator[Item | Problem]:
        """What is left out, then every picture, by identity and name."""
        return iter(self._items)

    def pairs(self) -> Iterator[Pair]:
        """None: a folder has no official pairs."""
        return iter(())

    @cached_property
    def _items(self) -> list[Item | Problem]:
        found: list[Item | Problem] = list(self.archive.problems)
        for member in self.archive.members:
            if not self.archive.is_picture(member):
                found.append(Problem(member.name, "not a picture, by its name and its content"))
            elif len(member.parts) < 2:
                found.append(Problem(member.name, "not in the folder of an identity"))
            else:
                read = partial(self.archive.read, member)
                found.append(Item(member.name, member.parts[0], member.name, read))
        return found


def pictures_of(archive: Archive, table: Member) -> Callable[[str], Callable[[], bytes]]:
    """Finds the pictures that a table in the archive names: beside it or from the top, however it writes folders.

    Computers differ in how they write an umlaut and in whether IMG_1.JPG is img_1.jpg; a table may be from another one.
    """
    known = {same_name(member.name): member for member in reversed(archive.members)}
    exact = {member.name: member for member in archive.members}
    above = table.name[: len(table.name) - len(table.parts[-1])]

    def find(path: str) -> Callable[[], bytes]:
        name = "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
        names = (above + name, name)
        found = [exact.get(each) for each in names] + [known.get(same_name(each)) for each in names]
        member = next(filter(None, found), None)
        return partial(archive.read, member) if member else absent

    return find


def same_name(name: str) -> str:
    """Equal for names that two computers take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def absent() -> bytes:
    """What reads a picture that is not there."""
    raise FileNotFoundError


def check_directory(file: Path, name: str) -> None:
    """Raise UserError for an archive without a list of members, or with one that would fill the memory."""
    try:
        with file.open("rb") as stream:
            end = zipfile._EndRecData(stream)  # type: ignore[attr-defined]  # reads the last 66 kB only
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"{name} {DAMAGED}") from error
    if not end:
        raise UserError(f"{name} {DAMAGED}")
    if end[zipfile._ECD_SIZE] > DIRECTORY_BYTES:  # type: ignore[attr-defined]
        raise UserError(f"{name} lists far more files than are looked at here")


def check_count(pictures: int, name: str, bounds: Bounds) -> None:
    """Raise UserError for more pictures than the bounds allow."""
    if pictures > bounds.photos:
        raise UserError(
            f"{name} has {pictures:,} pictures, more than the {bounds.photos:,} that a set may have here: "
            "leave some out"
        )


def member_name(info: zipfile.ZipInfo) -> str:
    """The name as text of printable letters with / between folders.

    Where the archive does not say that it is UTF-8, most packers wrote it so all the same; the rest is code page 437.
    """
    name = info.filename
    if not info.flag_bits & UTF8_NAME:
        try:
            name = name.encode("cp437").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            pass
    name = "".join(letter if letter.isprintable() else "_" for letter in name.replace("\\", "/"))
    return "/".join(part for part in name.encode("utf-8", "replace").decode().split("/") if part != ".")


def why_left_out(member: Member) -> str | None:
    """Why a member is not looked at, None if it is."""
    mode, parts = member.info.external_attr >> 16, member.parts
    if ".." in parts or "" in parts or ":" in parts[0]:
        return "its name leads out of the archive"
    if any(left_by_computer(part) for part in parts):
        return LEFT
    if stat.S_ISLNK(mode):
        return "a link: what it leads to is not in the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not a file"
    if len(member.name) > LONGEST_NAME:
        return "its name is too long"
    if Path(member.name).suffix.lower() in ARCHIVES:
        return "an archive inside the archive: it is not opened"
    if member.info.compress_type not in METHODS:
        return "compressed in a way that is not read here: pack it with the usual one (deflate)"
    return None


def without_common_folder(members: list[Member]) -> list[Member]:
    """The members below the folders that are around all pictures, as long as each picture has one of an identity."""
    while True:
        pictures = [member.parts for member in members if Path(member.name).suffix.lower() in PHOTO_SUFFIXES]
        around = {parts[0] for parts in pictures}
        if len(around) != 1 or any(len(parts) < 3 for parts in pictures):
            return members
        folder = f"{around.pop()}/"
        members = [Member(member.name.removeprefix(folder), member.info) for member in members]
