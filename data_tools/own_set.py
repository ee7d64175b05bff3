"""A dataset folder from a file that a visitor brought: what the app hands to its page, which knows no data_tools.

A ZIP, a Parquet file that holds its pictures, or a dataset of the Hugging Face Hub by its id. Names in it never lead to
a file of this computer, and everything is bounded: see data_tools.sources.archive.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from PIL import Image

from data_tools.annotate import Annotated, Detector, FindFace, face_finder
from data_tools.build import BuildConfig, build
from data_tools.save import LEDGER_FILE
from data_tools.sources.archive import (
    Archive,
    Bounds,
    Member,
    NoIdentity,
    ZippedFolder,
    absent,
    check_count,
    pictures_of,
)
from data_tools.sources.base import Item, Pair, Problem, Source, SourceInfo
from data_tools.sources.columns import REQUIRED, Columns, parse_columns
from data_tools.sources.folder import Table
from data_tools.sources.hub import Hub
from data_tools.sources.tables import header_names
from sfpn.data.decisions import Box
from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.machine import processors
from sfpn.photos.photo import count_pixels
from sfpn.progress import Progress

THREADS = 2  # at most: each has a detector, and the page answers meanwhile
TABLE_BYTES = 20_000_000
HEADER_BYTES = 20_000  # of the row that names the columns
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
NOT_OPENED = "is neither a ZIP nor a Parquet file: put the folders person/photo.jpg into a ZIP"
COLUMNS_LENGTH = 500
Seen = Callable[[str, bytes], None]  # row_id and encoded picture


@dataclass
class Finders:
    """Detectors for several threads, made when they are needed and kept."""

    _free: SimpleQueue = field(default_factory=SimpleQueue)

    def find(self, image: Image.Image, *box: Box) -> Any:
        """The face of a picture, or the one at a place: see data_tools.annotate.FindFace."""
        try:
            finder: FindFace = self._free.get_nowait()
        except Empty:
            finder = face_finder(small_faces=False, turns=True)
        try:
            return finder(image, *box)
        finally:
            self._free.put(finder)


FINDERS = Finders()


def build_own_set(
    upload: Path | None,
    title: str,
    out: Path,
    seen: Seen,
    progress: Progress,
    *,
    columns: str = "",
    bounds: Bounds | None = None,
    parquet: bool = True,
) -> None:
    """Build the dataset folder `out` from an upload, or with None from the Hub dataset whose id is `title`.

    seen: told of each picture that enters, as soon as it is read. progress: may raise to end the build. columns: as
    --columns, in one line. parquet: whether Parquet files are taken, which cannot be bounded as well as a ZIP.
    Raises UserError.
    """
    from sfpn.photos.detector import detector_name

    bounds = bounds or Bounds()
    with without_paths(out, title), open_source(upload, title, columns, bounds, out.parent, parquet) as source:
        total, done, size = source.total() or 0, 0, 0

        def watch(result: Annotated | Problem) -> None:
            nonlocal done, size
            done += 1
            if isinstance(result, Annotated):
                size += len(result.row["image"]["bytes"])
                check_stored(size, bounds)
                seen(result.row["row_id"], result.row["image"]["bytes"])
            progress(done, max(total, done))

        detector = Detector(detector_name(), _shared_finder)
        config = BuildConfig(command="app.py, Open your own photos", threads=processors(THREADS), progress=False)
        build(Bounded(source, bounds), out, detector, config, watch)


@contextmanager
def without_paths(out: Path, title: str) -> Iterator[None]:
    """Sentences of a UserError without this computer's folders, and with the reasons where no picture was kept."""
    try:
        yield
    except UserError as error:
        ledger = out.with_name(f"{out.name}.building") / LEDGER_FILE
        if ledger.is_file():
            with ledger.open(newline="", encoding="utf-8") as stream:
                lines = [f"{line['path']}: {line['reason']}" for line in csv.DictReader(stream)]
            raise UserError(f"{title}: no picture could be kept; {len(lines):,} were left out, {lines[0]}") from error
        raise UserError(str(error).replace(f"{out.parent}/", "").replace(out.parent.name, "")) from error


def check_stored(size: int, bounds: Bounds) -> None:
    """Raise UserError when the pictures take far too much; kinds that are not kept as they are take more, as PNG."""
    if size > 3 * bounds.total_bytes:
        raise UserError("the pictures take too much room: leave some out, or save them smaller and as JPEG")


def _shared_finder() -> FindFace:
    return FINDERS.find


@contextmanager
def open_source(
    upload: Path | None, title: str, columns: str, bounds: Bounds, place: Path, parquet: bool = True
) -> Iterator[Source]:
    """The source of a set. `place`: a folder in which a table of the archive may be kept. Raises UserError."""
    named = _columns(columns)
    info = SourceInfo(name_of(title), title[:80], "", "not stated", "")
    if upload is None:
        yield open_hub(title, named, bounds)
    elif is_zip(upload):
        with Archive(upload, title, bounds) as archive:
            yield zipped_source(archive, named, info, bounds, place)
    elif is_parquet(upload) and parquet:
        yield checked(Table(upload, named, info, pictures=lambda _: absent), title, bounds)
    else:
        raise UserError(f"{title} {NOT_OPENED}")


def zipped_source(archive: Archive, columns: Columns, info: SourceInfo, bounds: Bounds, place: Path) -> Source:
    """The table of an archive if it has one, else its folders."""
    headers = {member: _header(archive, member) for member in archive.members if _may_be_table(member)}
    wanted = {getattr(columns, name) for name in REQUIRED}
    table = next((member for member, names in headers.items() if wanted <= set(names)), None)
    if table is None:
        try:
            folder = ZippedFolder(archive, info, bounds)
        except NoIdentity as error:
            if not headers:
                raise
            raise UserError(_which_columns(headers)) from error
        if headers and folder.identities == 1:
            raise UserError(_which_columns(headers))
        return folder
    file = place / "table.csv"
    with whole_file(file) as temporary:
        temporary.write_bytes(archive.read(table, TABLE_BYTES))
    return checked(Table(file, columns, info, pictures=pictures_of(archive, table)), table.name, bounds)


def _may_be_table(member: Member) -> bool:
    return Path(member.name).suffix.lower() == ".csv" and member.info.file_size <= TABLE_BYTES


def _header(archive: Archive, member: Member) -> list[str]:
    return header_names(archive.read(member, TABLE_BYTES)[:HEADER_BYTES].decode("utf-8", "replace"))


def _which_columns(headers: dict[Member, list[str]]) -> str:
    """What to say of tables none of which has the columns."""
    member, names = next(iter(headers.items()))
    shown = ", ".join(map(repr, names))[:COLUMNS_LENGTH]
    return (
        f"{member.name} has the columns {shown}: say in the field beside which are the picture and the person, as "
        "image=... identity=..., with quotes around a name that has spaces"
    )


def checked(source: Table, title: str, bounds: Bounds) -> Table:
    """The table. Raises UserError for more rows than the bounds allow."""
    check_count(source.total(), title, bounds)
    return source


def open_hub(name: str, columns: Columns, bounds: Bounds) -> Source:
    """A dataset of the Hub, of which so many rows are read as the bounds allow. Raises UserError."""
    if not HUB_ID.fullmatch(name) or Path(name).exists():
        raise UserError(f"{name[:100]!r} is not the id of a dataset on the Hub: write it as user/name")
    return Hub(name, columns, pictures=lambda _: absent)


@dataclass(frozen=True)
class Bounded:
    """A source of which no more pictures are read than the bounds allow, and no picture of more pixels."""

    source: Source
    bounds: Bounds
    keeps_duplicates: bool = False

    @property
    def info(self) -> SourceInfo:
        """As the source says."""
        return self.source.info

    def total(self) -> int:
        """Number of items where the source knows it, else the most that are read."""
        return self.source.total() or self.bounds.photos

    def items(self) -> Iterator[Item | Problem]:
        """Those of the source; once there are enough, one line says that the others were not read."""
        count = 0
        for item in self.source.items():
            if count == self.bounds.photos:
                yield Problem(self.info.title, f"only the first {count:,} pictures are read here")
                return
            if isinstance(item, Item):
                count += 1
                item = replace(item, read=partial(read_bounded, item.read, self.bounds.pixels))
            yield item

    def pairs(self) -> Iterator[Pair]:
        """None."""
        return iter(())


def read_bounded(read: Callable[[], bytes], most: int) -> bytes:
    """What `read` gives. Raises UserError, which does not name the picture, if its header states more pixels."""
    encoded = read()
    try:
        pixels = count_pixels(encoded, "")
    except UserError as error:
        raise UserError(str(error).removeprefix(": ")) from error
    if pixels > most:
        raise UserError(f"has {pixels / 1e6:.0f} megapixels, more than the {most / 1e6:.0f} of a set; make it smaller")
    return encoded


def is_zip(file: Path) -> bool:
    """Whether a file begins as a ZIP does; one that is empty has no pictures."""
    return _starts(file) == b"PK\x03\x04"


def is_parquet(file: Path) -> bool:
    """Whether a file begins as Parquet does."""
    return _starts(file) == b"PAR1"


def _starts(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4)


def name_of(title: str) -> str:
    """A name for the data card, of letters that every file system takes.

    >>> name_of("My photos (2).zip")
    'My-photos-2'
    """
    return re.sub(r"[^\w-]+", "-", Path(title).stem).strip("-")[:60] or "own"


def _columns(words: str) -> Columns:
    try:
        return parse_columns(shlex.split(words[:COLUMNS_LENGTH]))
    except ValueError as error:
        raise UserError("the columns are not written as image=img identity=person") from error
