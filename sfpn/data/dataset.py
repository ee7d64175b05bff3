"""Reads a dataset folder as `data_tools build` writes it, without holding its pictures in memory.

DIR/data.parquet or data-*.parquet     rows (sfpn.schema.ROW_COLUMNS); dataset.json  card; pairs.parquet  official pairs
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from sfpn.errors import UserError, one_line
from sfpn.files import require_utf8
from sfpn.photos.detector import Face, make_face
from sfpn.photos.photo import decode_photo
from sfpn.schema import ROW_COLUMNS

CARD_FILE, PAIRS_FILE = "dataset.json", "pairs.parquet"
PAIR_COLUMNS = ("protocol", "fold", "row_id_a", "row_id_b", "same")
ROWS_AT_ONCE = 64
HEXADECIMAL = re.compile("[0-9a-fA-F]+")  # a fingerprint is part of the names of cached files
CANNOT_BE_READ = (OSError, pa.ArrowException, ValueError, KeyError)  # what reading damaged Parquet raises
LENGTHS = {"box_xyxy": 4, "landmarks_xy": 10}
PICTURE_COLUMNS = ("row_id", "image", "box_xyxy", "landmarks_xy", "quality")


@dataclass(frozen=True)
class Picture:
    """One row's encoded image and its face (None where none was found), pixels of the upright image."""

    row_id: str
    encoded: bytes
    face: Face | None

    def decode(self) -> Image.Image:
        """The upright RGB image. Raises UserError, which names the row, if it cannot be decoded."""
        try:
            return decode_photo(self.encoded or b"", self.row_id, min_side=1).image
        except UserError as error:
            why = str(error).removeprefix(f"{self.row_id}: ")
            raise UserError(
                f"the picture of row {self.row_id} cannot be read ({why}); build the dataset again"
            ) from error


@dataclass(frozen=True)
class FaceDataset:
    """A dataset folder; nothing but its card is read until asked for. Build with `FaceDataset.open`.

    >>> people = FaceDataset.open("demo/assets/synthetic")
    >>> people.name, len(people.rows()), people.rows()["identity"].nunique()
    ('synthetic', 1800, 60)
    >>> [picture] = people.pictures({"syn-0000-frontal-00"})
    >>> picture.decode().mode, picture.face.pose
    ('RGB', 'frontal')
    """

    folder: Path
    card: dict[str, Any]
    files: tuple[Path, ...]
    stamps: tuple[tuple[int, int], ...] = ()  # size and time of change of each file, as they were opened

    @classmethod
    def open(cls, folder: Path | str) -> FaceDataset:
        """Raises UserError when the folder is not a dataset folder."""
        folder = Path(folder)
        require_utf8(folder)
        files = tuple(sorted(folder.glob("data.parquet")) or sorted(folder.glob("data-*.parquet")))
        if not files or not (folder / CARD_FILE).is_file():
            raise UserError(
                f"{folder} is not a dataset folder (data*.parquet and {CARD_FILE}): "
                "make one with `python -m data_tools build`"
            )
        return cls(folder, _read_card(folder / CARD_FILE), files, tuple(map(_stamp, files)))

    @property
    def name(self) -> str:
        """The name in the card."""
        return self.card["name"]

    @property
    def fingerprint(self) -> str:
        """The hash in the card that changes with any row."""
        return self.card["fingerprint"]

    def check_unchanged(self) -> None:
        """Raise UserError where its files are not those that were opened: rows of two builds would be mixed."""
        if self.stamps and tuple(map(_stamp, self.files)) != self.stamps:
            raise UserError(f"the dataset {self.folder} was replaced or removed since it was opened: open it again")

    def rows(self) -> pd.DataFrame:
        """All columns but the image.

        Raises UserError for a column that is missing or holds something else, and a row_id that is missing or occurs
        twice.
        """
        columns = [name for name in ROW_COLUMNS if name != "image"]
        self.check_unchanged()
        try:
            table = pa.concat_tables(_read_columns(file, columns) for file in self.files)
            wrong = _wrong_column(table)
            rows = table.to_pandas()
        except CANNOT_BE_READ as error:
            raise self._unreadable(error) from error
        if not wrong and rows["row_id"].duplicated().any():
            wrong = f"the row_id {rows.loc[rows['row_id'].duplicated(), 'row_id'].iloc[0]!r} twice"
        if wrong:
            raise UserError(f"the dataset {self.folder} has {wrong}: build it again")
        return rows

    def pairs(self) -> pd.DataFrame:
        """The official pairs (protocol, fold, row_id_a, row_id_b, same); empty where the dataset has none.

        Raises UserError when their file cannot be read.
        """
        file = self.folder / PAIRS_FILE
        if not file.is_file():
            return pd.DataFrame(columns=list(PAIR_COLUMNS))
        try:
            return pq.read_table(file).to_pandas()[list(PAIR_COLUMNS)]
        except CANNOT_BE_READ as error:
            raise self._unreadable(error, PAIRS_FILE) from error

    def pictures(self, wanted: set[str]) -> Iterator[Picture]:
        """The wanted rows in the order of the files, read a few at a time.

        Raises UserError where they cannot be read.
        """
        for file in self.files:
            for rows in self._picture_rows(file, wanted):
                yield from map(picture_of, rows)

    def _picture_rows(self, file: Path, wanted: set[str]) -> Iterator[list[dict[str, Any]]]:
        """The picture columns of the wanted rows of a file, a few rows at a time."""
        self.check_unchanged()
        try:
            stream = pq.ParquetFile(file)
            ids = stream.read(columns=["row_id"]).column("row_id").to_pylist()
            if wanted.isdisjoint(ids):
                return
            for batch in stream.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(PICTURE_COLUMNS)):
                chosen = [row_id in wanted for row_id in batch.column("row_id").to_pylist()]
                yield batch.filter(pa.array(chosen, pa.bool_())).to_pylist()
        except CANNOT_BE_READ as error:
            raise self._unreadable(error, file.name) from error

    def _unreadable(self, error: Exception, name: str = "") -> UserError:
        where = f"{self.folder / name}: the dataset" if name else f"the dataset {self.folder}"
        return UserError(f"{where} cannot be read ({one_line(error)}): build it again")


def picture_of(row: dict[str, Any]) -> Picture:
    """From the columns row_id, image, box_xyxy, landmarks_xy and quality of a row.

    Raises UserError if they are damaged.
    """
    try:
        face = None
        if row["box_xyxy"] is not None and row["landmarks_xy"] is not None:
            landmarks = np.array(row["landmarks_xy"], np.float32).reshape(5, 2)
            face = make_face(np.array(row["box_xyxy"], np.float32).reshape(4), landmarks, row["quality"] or 0.0)
        return Picture(row["row_id"], row["image"]["bytes"], face)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"row {row.get('row_id')} is damaged ({one_line(error)}); build the dataset again") from error


def _stamp(file: Path) -> tuple[int, int]:
    """Size and time of change in ns; (0, 0) for a file that is not there."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _read_columns(file: Path, columns: list[str]) -> pa.Table:
    """Those of the columns that the file has."""
    with pq.ParquetFile(file) as stored:
        return stored.read(columns=[name for name in columns if name in stored.schema_arrow.names])


def _wrong_column(table: pa.Table) -> str:
    """What is wrong with the columns of rows, in words; '' if they are what the rest of the project takes them for."""
    for name, kind in ROW_COLUMNS.items():
        if name == "image":
            continue
        if name not in table.column_names:
            return f"no column {name}"
        column = table.column(name)
        if not _holds(column.type, kind):
            return f"{column.type} in the column {name}, which should hold {kind.replace(':', ' of ')}"
        if name in LENGTHS and not pa.types.is_null(column.type):
            lengths = pc.unique(pc.list_value_length(column)).to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
            if set(lengths) - {None, LENGTHS[name]}:
                return f"rows whose {name} is not {LENGTHS[name]} numbers"
    return "a row without row_id" if table.column("row_id").null_count else ""


def _holds(found: pa.DataType, kind: str) -> bool:
    """Whether a column of this type can be read as text, number or list of numbers; one without any value can."""
    types = pa.types
    if types.is_null(found):
        return True
    if kind.startswith("list:"):
        listed = types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found)
        return listed and _holds(found.value_type, kind.removeprefix("list:"))
    if kind == "string":
        plain = found.value_type if types.is_dictionary(found) else found
        return types.is_string(plain) or types.is_large_string(plain)
    return types.is_floating(found) or types.is_integer(found)


def _read_card(file: Path) -> dict[str, Any]:
    """A dataset's card.

    Raises UserError unless it is a JSON object with a name and a fingerprint that can name files.
    """

    def refuse(why: str) -> UserError:
        return UserError(f"{file} is not a dataset's card ({why}): build the dataset again with `python -m data_tools`")

    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refuse("not readable JSON") from error
    if not isinstance(card, dict):
        raise refuse("not a JSON object")
    if not isinstance(card.get("name"), str) or not card["name"]:
        raise refuse("it has no name")
    if not card.get("fingerprint"):
        raise refuse("it has no fingerprint")
    if not HEXADECIMAL.fullmatch(str(card["fingerprint"])) or not isinstance(card["fingerprint"], str):
        raise refuse(f"its fingerprint {card['fingerprint']!r} is not a hexadecimal hash")
    return card
