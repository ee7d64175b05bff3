"""Rows of a CSV or Parquet file, one at a time. What is wrong with the file is one sentence with its row.

Rows of a CSV file are numbered as a spreadsheet shows them: the header is row 1. Rows of a Parquet file count from 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sfpn.errors import UserError

ROWS_PER_READ = 100
LONGEST_HEADER = 20_000  # letters
SEPARATORS = (",", ";", "\t", "|")  # of columns: what spreadsheets write, depending on the country
DAMAGED = "the file is damaged: copy it or make it again"


def is_csv(file: Path) -> bool:
    """Whether the file is CSV by its name."""
    return file.suffix.lower() == ".csv"


def column_names(file: Path) -> list[str]:
    """The names in the header. Raises UserError when there is none."""
    if not is_csv(file):
        with file.open("rb") as stream:
            return list(_open_parquet(file, stream).schema_arrow.names)
    header = next(_csv_rows(file), (0, []))[1]
    if not header:
        raise UserError(f"{file} is empty: its first row must name its columns, e.g. image,identity")
    return [name.strip() for name in header]


def header_names(text: str) -> list[str]:
    r"""The names in the first line of a CSV file.

    >>> header_names("\ufeffBild; Person \r\na.jpg;Ann")
    ['Bild', 'Person']
    """
    line = next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")[:LONGEST_HEADER]
    return [name.strip() for name in next(csv.reader([line], delimiter=separator_of(line)), [])]


def separator_of(line: str) -> str:
    r"""What separates the columns in a header: what gives the most of them, a comma where that is no help.

    >>> [separator_of(line) for line in ("a,b", "a;b", '"a,b";c', "a", "a\tb")]
    [',', ';', ';', ',', '\t']
    """
    split = {separator: len(next(csv.reader([line], delimiter=separator), [])) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: split[separator])


def count_rows(file: Path) -> int:
    """The number of rows below the header. Reads a whole CSV file, so that what is wrong with it is said at once.

    Raises UserError for a row that does not fit, and for a table without rows.
    """
    if is_csv(file):
        count = sum(1 for _ in _fitting_rows(file))
    else:
        with file.open("rb") as stream:
            count = _open_parquet(file, stream).metadata.num_rows
    if not count:
        raise UserError(f"{file} has no rows{' below its header' if is_csv(file) else ''}: nothing to build")
    return count


def read_rows(file: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """Every row with the columns `names`; the cells of a CSV file are text. Raises UserError where it is damaged."""
    if not is_csv(file):
        yield from _parquet_rows(file, names)
        return
    header = column_names(file)
    for cells in _fitting_rows(file):
        yield {name: cell for name, cell in zip(header, cells, strict=True) if name in names}


def _fitting_rows(file: Path) -> Iterator[list[str]]:
    """The rows below the header. Raises UserError for one with more or fewer cells than the header."""
    rows = _csv_rows(file)
    expected = len(next(rows, (0, []))[1])
    for number, cells in rows:
        if len(cells) != expected:
            counted = f"{len(cells)} cell{'s' * (len(cells) != 1)} where the header has {expected}"
            raise UserError(f"{file}: row {number} has {counted}: put a cell that holds a comma between quotes")
        yield cells


def _csv_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of every row that is not empty, the header too."""
    number = 0
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        separator = separator_of(next((line for line in stream if line.strip()), "").strip()[:LONGEST_HEADER])
        stream.seek(0)
        reader = csv.reader(stream, delimiter=separator, strict=True)
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                why = "a quotation mark that is not closed, or one inside quotes that is not doubled"
                raise UserError(f"{file}: row {number} has {why}: mend the quotes there") from error
            if not _is_utf8("".join(cells)):
                raise UserError(f"{file}: row {number} is not UTF-8 text: save it as UTF-8")
            if cells:
                yield number, cells


def _is_utf8(text: str) -> bool:
    """Whether text that was read with surrogateescape was UTF-8; zeros are UTF-16 or 32 in disguise."""
    return "\0" not in text and not any("\udc80" <= letter <= "\udcff" for letter in text)


def _parquet_rows(file: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    done = 0
    with file.open("rb") as stream:
        try:
            for batch in _open_parquet(file, stream).iter_batches(ROWS_PER_READ, columns=names):
                for row in batch.to_pylist():
                    yield row
                    done += 1
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            raise UserError(f"{file} cannot be read at row {done + 1} or soon after it: {DAMAGED}") from error


def _open_parquet(file: Path, stream: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(stream, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{file} cannot be read as Parquet: {DAMAGED}") from error
