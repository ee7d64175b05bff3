"""Training crops in one memory-mapped array, so that a training step decodes no image.

A pack is a folder: crops.npy (N, S, S, 3) uint8, each a square of CROP_FACTOR times the face box's shorter side, and
rows.parquet with row_id, identity, pose, yaw_degrees and the five landmarks in pixels of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from sfpn.errors import UserError

SIZE = 160  # px; a plain 113 px view then has nearly one pixel of the pack for each of its own
CROP_FACTOR = 1.8  # leaves room for shifts, rotation and scale around the network's own 1.35


@dataclass(frozen=True)
class Pack:
    crops: np.ndarray  # (N, SIZE, SIZE, 3) uint8, memory-mapped
    row_ids: list[str]
    identities: np.ndarray  # (N,) int64, 0 .. number of identities - 1

    def __len__(self) -> int:
        return len(self.row_ids)


def load_pack(folder: Path) -> Pack:
    """Raises UserError if the folder is not a pack or its two files do not fit together."""
    if not (folder / "crops.npy").is_file() or not (folder / "rows.parquet").is_file():
        raise UserError(f"{folder}: not a pack of training crops; make one with: python -m sfpn train pack")
    crops = np.load(folder / "crops.npy", mmap_mode="r", allow_pickle=False)
    rows = pyarrow.parquet.read_table(folder / "rows.parquet", columns=["row_id", "identity"]).to_pydict()
    if crops.shape != (len(rows["row_id"]), SIZE, SIZE, 3) or crops.dtype != np.uint8:
        raise UserError(f"{folder}: crops.npy {crops.shape} does not fit its {len(rows['row_id'])} rows; make it again")
    _, identities = np.unique(rows["identity"], return_inverse=True)
    return Pack(crops, rows["row_id"], identities)
