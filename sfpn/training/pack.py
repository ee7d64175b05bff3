"""Training crops in one memory-mapped array, so that a training step decodes no image.

A pack is a folder: crops.npy (N, S, S, 3) uint8, each a square of CROP_FACTOR times the face box's shorter side, and
rows.parquet with row_id and identity in the same order.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet

from sfpn.errors import UserError
from sfpn.preprocess import Preprocess
from sfpn.selection import Selection

SIZE = 160  # px; a plain 113 px view then has nearly one pixel of the pack for each of its own
CROP_FACTOR = 1.8  # leaves room for shifts, rotation and scale around the network's own 1.35


@dataclass(frozen=True)
class Pack:
    """An opened pack; row i of every field is the same face."""

    crops: np.ndarray  # (N, SIZE, SIZE, 3) uint8, memory-mapped
    row_ids: list[str]
    identities: np.ndarray  # (N,) int64, 0 .. number of identities - 1

    def __len__(self) -> int:
        return len(self.row_ids)


def write_pack(selections: list[Selection], folder: Path) -> int:
    """Crop every face of the selections into a new pack; returns how many rows had no face and were left out.

    Raises UserError if the folder exists or there is no face at all.
    """
    if folder.exists():
        raise UserError(f"{folder} exists; remove it or choose another --out")
    preprocess = Preprocess(size=SIZE, crop_factor=CROP_FACTOR)
    tables = [_faces_of(selection) for selection in selections]
    rows = pd.concat(tables, ignore_index=True)
    if rows.empty:
        raise UserError("none of these rows has a face; build the dataset with detection")
    building = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    shape = (len(rows), SIZE, SIZE, 3)
    crops = np.lib.format.open_memmap(building / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
    position = 0
    for selection, table in zip(selections, tables, strict=True):
        for picture in selection.dataset.pictures(set(table["row_id"])):
            crops[position] = np.asarray(preprocess.crop(picture.decode(), picture.face))
            position += 1
    crops.flush()
    rows.to_parquet(building / "rows.parquet", index=False)
    os.replace(building, folder)
    return sum(len(selection.rows()) for selection in selections) - len(rows)


def _faces_of(selection: Selection) -> pd.DataFrame:
    """row_id and identity of the rows with a face, in the order of the dataset's files; identities told apart by dataset."""
    rows = selection.rows()
    rows = rows[rows["box_xyxy"].notna()]
    return pd.DataFrame({"row_id": rows["row_id"], "identity": f"{selection.dataset.name}/" + rows["identity"]})


def load_pack(folder: Path) -> Pack:
    """Open a pack. Raises UserError if the folder is none or its two files do not fit together."""
    if not (folder / "crops.npy").is_file() or not (folder / "rows.parquet").is_file():
        raise UserError(f"{folder}: not a pack of training crops; make one with: python -m sfpn train pack")
    crops = np.load(folder / "crops.npy", mmap_mode="r", allow_pickle=False)
    rows = pyarrow.parquet.read_table(folder / "rows.parquet", columns=["row_id", "identity"]).to_pydict()
    if crops.shape != (len(rows["row_id"]), SIZE, SIZE, 3) or crops.dtype != np.uint8:
        raise UserError(f"{folder}: crops.npy {crops.shape} does not fit its {len(rows['row_id'])} rows; make it again")
    _, identities = np.unique(rows["identity"], return_inverse=True)
    return Pack(crops, rows["row_id"], identities)
