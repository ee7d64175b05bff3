"""Any pictures of yours: a folder `identity/image.jpg`, or a CSV or Parquet file with columns.

Columns: image (a path relative to the file; in Parquet also the encoded bytes) and identity, and where you have them
row_id, pose, yaw_degrees, template, split. What is absent is estimated or left empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from data_tools.names import escaped
from data_tools.sources.base import Item, Pair, Problem, SourceInfo, may_be_photo
from data_tools.sources.columns import Columns, Pictures, files_below, item_from_row, require_columns
from data_tools.sources.tables import column_names, count_rows, read_rows
from data_tools.sources.walk import Found, walk
from sfpn.errors import UserError

INFO = SourceInfo(name="folder", title="Own pictures", url="", licence="not stated", citation="")


@dataclass(frozen=True)
class Folder:
    """A folder of identities; raises UserError when no identity folder holds a picture."""

    root: Path
    info: SourceInfo = INFO
    keeps_duplicates: bool = False

    def __post_init__(self) -> None:
        files = (found for found in walk(self.root) if isinstance(found, Found) and len(found.parts) > 1)
        if not any(may_be_photo(found.file) for found in files):
            raise UserError(f"{self.root} holds no identity/image.jpg: one folder per identity is expected")

    def total(self) -> int:
        """Number of files below the folder, and of what is skipped there."""
        return sum(1 for _ in walk(self.root))

    def items(self) -> Iterator[Item | Problem]:
        """Every picture, by identity and name; files that are not pictures become problems."""
        for found in walk(self.root):
            if isinstance(found, Problem):
                yield found
            elif len(found.parts) < 2:
                yield Problem(found.name, "not in the folder of an identity")
            elif not may_be_photo(found.file):
                yield Problem(found.name, "not a picture, by its name and its content")
            else:
                yield Item(found.name, found.parts[0], found.name, partial(Path.read_bytes, found.file))

    def pairs(self) -> Iterator[Pair]:
        """None: a folder has no official pairs."""
        return iter(())


@dataclass(frozen=True)
class Table:
    """A CSV or Parquet file; raises UserError when it cannot be read, has no rows or lacks a column."""

    file: Path
    columns: Columns = field(default_factory=Columns)
    info: SourceInfo = INFO
    keeps_duplicates: bool = False
    pictures: Pictures | None = None  # None: files, relative paths being beside the table

    def __post_init__(self) -> None:
        names = column_names(self.file)
        require_columns(names, self.columns, str(self.file))
        twice = [name for name in vars(self.columns).values() if names.count(name) > 1]
        if twice:
            raise UserError(f"{self.file} has the column {twice[0]!r} twice: rename one")
        _ = self._count

    def total(self) -> int:
        """Number of rows."""
        return self._count

    def items(self) -> Iterator[Item | Problem]:
        """Every row in the order of the table."""
        names = [name for name in column_names(self.file) if name in vars(self.columns).values()]
        pictures = self.pictures or files_below(self.file.parent)
        for number, row in enumerate(read_rows(self.file, names)):
            default_id = f"{escaped(self.file.stem)}/{number:08d}"
            yield item_from_row(row, self.columns, pictures=pictures, default_id=default_id)

    def pairs(self) -> Iterator[Pair]:
        """None: a table has no official pairs."""
        return iter(())

    @cached_property
    def _count(self) -> int:
        return count_rows(self.file)


def open_folder(
    path: Path, columns: Columns | None = None, name: str | None = None, licence: str | None = None
) -> Folder | Table:
    """The source for a folder, or for a .csv or .parquet file. Raises UserError for anything else.

    name, licence: what the data card shall say, since the files do not.
    """
    info = replace(INFO, name=name or INFO.name, licence=licence or INFO.licence)
    if path.is_dir():
        return Folder(path, info)
    if path.is_file() and path.suffix.lower() in (".csv", ".parquet"):
        return Table(path, columns or Columns(), info)
    raise UserError(f"{path} is neither a folder nor a .csv or .parquet file")
