"""Any pictures of yours: a folder `identity/image.jpg`, or a CSV or Parquet file with columns.

Columns: image (a path relative to the file; in Parquet also the encoded bytes) and identity, and where you have them
row_id, pose, yaw_degrees, template, split. What is absent is estimated or left empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from data_tools.sources.base import Item, Pair, Problem, SourceInfo
from data_tools.sources.columns import Columns, item_from_row, require_columns
from sfpn.errors import UserError
from sfpn.photos.photo import looks_like_photo

INFO = SourceInfo(name="folder", title="Own pictures", url="", licence="not stated", citation="")
ROWS_PER_READ = 100


@dataclass(frozen=True)
class Folder:
    """A folder of identities; raises UserError when no identity folder holds a picture."""

    root: Path
    info: SourceInfo = INFO
    keeps_duplicates: bool = False

    def __post_init__(self) -> None:
        if not any(looks_like_photo(file) for file in self.root.glob("*/**/*")):
            raise UserError(f"{self.root} holds no identity/image.jpg: one folder per identity is expected")

    def total(self) -> int:
        """Number of files below the folder."""
        return sum(1 for _ in self._files())

    def items(self) -> Iterator[Item | Problem]:
        """Every picture, by identity and name; files that are not pictures become problems."""
        for file in self._files():
            path = file.relative_to(self.root)
            if len(path.parts) < 2:
                yield Problem(path.as_posix(), "not in the folder of an identity")
            elif not looks_like_photo(file):
                yield Problem(path.as_posix(), "not a picture, by its name and its content")
            else:
                yield Item(path.as_posix(), path.parts[0], path.as_posix(), partial(Path.read_bytes, file))

    def pairs(self) -> Iterator[Pair]:
        """None: a folder has no official pairs."""
        return iter(())

    def _files(self) -> list[Path]:
        return sorted(file for file in self.root.rglob("*") if not file.is_dir())


@dataclass(frozen=True)
class Table:
    """A CSV or Parquet file; raises UserError when it cannot be read or lacks a column."""

    file: Path
    columns: Columns = field(default_factory=Columns)
    info: SourceInfo = INFO
    keeps_duplicates: bool = False

    def __post_init__(self) -> None:
        require_columns(self._dataset().schema.names, self.columns, str(self.file))

    def total(self) -> int:
        """Number of rows."""
        return self._dataset().count_rows()

    def items(self) -> Iterator[Item | Problem]:
        """Every row in the order of the table."""
        wanted = {getattr(self.columns, name) for name in vars(self.columns)}
        dataset = self._dataset()
        names = [name for name in dataset.schema.names if name in wanted]
        batches = dataset.to_batches(columns=names, batch_size=ROWS_PER_READ)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows):
            default_id = f"{self.file.stem}/{number:08d}"
            yield item_from_row(row, self.columns, base=self.file.parent, default_id=default_id)

    def pairs(self) -> Iterator[Pair]:
        """None: a table has no official pairs."""
        return iter(())

    def _dataset(self):
        import pyarrow as pa
        from pyarrow import csv, dataset

        # every CSV column as text: identity 007 must not become 7
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(vars(self.columns).values(), pa.string()))
        is_csv = self.file.suffix.lower() == ".csv"
        try:
            return dataset.dataset(
                self.file, format=dataset.CsvFileFormat(convert_options=as_text) if is_csv else "parquet"
            )
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{self.file} cannot be read as {self.file.suffix}: {error}") from error


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
