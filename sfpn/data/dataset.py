"""Reads a dataset folder as `data_tools build` writes it, without holding its pictures in memory.

DIR/data.parquet or data-*.parquet     rows (sfpn.schema.ROW_COLUMNS); dataset.json  card; pairs.parquet  official pairs
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sfpn.errors import UserError
from sfpn.files import require_utf8
from sfpn.photos.detector import Face, make_face
from sfpn.photos.photo import decode_photo
from sfpn.schema import ROW_COLUMNS

CARD_FILE, PAIRS_FILE = "dataset.json", "pairs.parquet"
PAIR_COLUMNS = ("protocol", "fold", "row_id_a", "row_id_b", "same")
ROWS_AT_ONCE = 64
PICTURE_COLUMNS = ("row_id", "image", "box_xyxy", "landmarks_xy", "quality")


@dataclass(frozen=True)
class Picture:
    """One row's encoded image and its face (None where none was found), pixels of the upright image."""

    row_id: str
    encoded: bytes
    face: Face | None

    def decode(self) -> Image.Image:
        """The upright RGB image. Raises UserError, which names the row, if it cannot be decoded."""
        return decode_photo(self.encoded, self.row_id, min_side=1).image


@dataclass(frozen=True)
class FaceDataset:
    """A dataset folder; nothing but its card is read until asked for. Build with `FaceDataset.open`."""

    folder: Path
    card: dict[str, Any]
    files: tuple[Path, ...]

    @classmethod
    def open(cls, folder: Path | str) -> FaceDataset:
        """Raises UserError when the folder is not a dataset folder."""
        folder = Path(folder)
        require_utf8(folder)
        files = tuple(sorted(folder.glob("data.parquet")) or sorted(folder.glob("data-*.parquet")))
        if not files or not (folder / CARD_FILE).is_file():
            raise UserError(
                f"{folder} is not a dataset folder (data*.parquet and {CARD_FILE}): make one with `python -m data_tools build`"
            )
        return cls(folder, json.loads((folder / CARD_FILE).read_text(encoding="utf-8")), files)

    @property
    def name(self) -> str:
        """The name in the card."""
        return self.card["name"]

    @property
    def fingerprint(self) -> str:
        """The hash in the card that changes with any row."""
        return self.card["fingerprint"]

    def rows(self) -> pd.DataFrame:
        """All columns but the image. Raises UserError for a missing column or a row_id that occurs twice."""
        columns = [name for name in ROW_COLUMNS if name != "image"]
        try:
            rows = pa.concat_tables(pq.read_table(file, columns=columns) for file in self.files).to_pandas()
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"the dataset {self.folder} cannot be read ({error}): build it again") from error
        missing = [name for name in columns if name not in rows]
        repeated = rows["row_id"][rows["row_id"].duplicated()] if "row_id" in rows else []
        if missing or len(repeated):
            wrong = f"no column {missing[0]}" if missing else f"the row_id {repeated.iloc[0]!r} twice"
            raise UserError(f"the dataset {self.folder} has {wrong}: build it again")
        return rows

    def pairs(self) -> pd.DataFrame:
        """The official pairs (protocol, fold, row_id_a, row_id_b, same); empty where the dataset has none."""
        file = self.folder / PAIRS_FILE
        return (
            pd.read_parquet(file, columns=list(PAIR_COLUMNS))
            if file.is_file()
            else pd.DataFrame(columns=list(PAIR_COLUMNS))
        )

    def pictures(self, wanted: set[str]) -> Iterator[Picture]:
        """The wanted rows in the order of the files, read a few at a time."""
        for file in self.files:
            stream = pq.ParquetFile(file)
            ids = stream.read(columns=["row_id"]).column("row_id").to_pylist()
            if wanted.isdisjoint(ids):
                continue
            columns = list(PICTURE_COLUMNS)
            for batch in stream.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
                chosen = [row_id in wanted for row_id in batch.column("row_id").to_pylist()]
                yield from map(picture_of, batch.filter(pa.array(chosen)).to_pylist())


def picture_of(row: dict[str, Any]) -> Picture:
    """From the columns row_id, image, box_xyxy, landmarks_xy and quality of a row."""
    face = None
    if row["box_xyxy"] is not None and row["landmarks_xy"] is not None:
        landmarks = np.array(row["landmarks_xy"], np.float32).reshape(5, 2)
        face = make_face(np.array(row["box_xyxy"], np.float32), landmarks, row["quality"] or 0.0)
    return Picture(row["row_id"], row["image"]["bytes"], face)
