"""Training crops in one memory-mapped array, so that a training step decodes no image.

A pack is a folder: crops.npy (N, S, S, 3) uint8, each a square of CROP_FACTOR times the face box's shorter side, and
rows.parquet with row_id, identity (null where it is not known) and pose in the same order; pack.json says which
datasets the crops come from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet

from sfpn.data.dataset import CANNOT_BE_READ
from sfpn.data.selection import Selection
from sfpn.errors import UserError, one_line
from sfpn.files import whole_folder
from sfpn.photos.preprocess import Preprocess

SIZE = 160  # px; a plain 113 px view then has nearly one pixel of the pack for each of its own
UNLABELLED = -1  # identity of a crop whose person is not known
CROP_FACTOR = 1.8  # leaves room for shifts, rotation and scale around the network's own 1.35


@dataclass(frozen=True)
class Pack:
    """An opened pack; row i of every field is the same face."""

    crops: np.ndarray  # (N, SIZE, SIZE, 3) uint8, memory-mapped
    row_ids: list[str]
    identities: np.ndarray  # (N,) int64, 0 .. number of identities - 1, or UNLABELLED
    poses: np.ndarray  # (N,) str, sfpn.schema.POSES
    datasets: tuple[dict, ...]  # title, fingerprint, licence, faces and labelled (whether identities are known) of each

    def __len__(self) -> int:
        return len(self.row_ids)


def write_pack(selections: list[Selection], folder: Path, unlabelled: Sequence[Selection] = ()) -> int:
    """Crop every face of the selections into a new pack; returns how many rows had no face and were left out.

    unlabelled: more selections, whose column identity does not say who is who.
    Raises UserError if the folder exists or there is no face at all.
    """
    if folder.exists():
        raise UserError(f"{folder} exists; remove it or choose another --out")
    preprocess = Preprocess(size=SIZE, crop_factor=CROP_FACTOR)
    labelled = [(selection, True) for selection in selections] + [(selection, False) for selection in unlabelled]
    tables = [_faces_of(selection).assign(**{} if known else {"identity": None}) for selection, known in labelled]
    rows = pd.concat(tables, ignore_index=True)
    if rows.empty:
        raise UserError("none of these rows has a face; build the dataset with detection")
    with whole_folder(folder) as building:
        shape = (len(rows), SIZE, SIZE, 3)
        crops = np.lib.format.open_memmap(building / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
        position = 0
        for (selection, _), table in zip(labelled, tables, strict=True):
            for picture in selection.dataset.pictures(set(table["row_id"])):
                crops[position] = np.asarray(preprocess.crop(picture.decode(), picture.face))
                position += 1
        crops.flush()
        rows.to_parquet(building / "rows.parquet", index=False)
        datasets = [_described(*pair, len(table)) for pair, table in zip(labelled, tables, strict=True)]
        (building / "pack.json").write_text(json.dumps({"datasets": datasets}, indent=1))
    return sum(len(selection.rows()) for selection, _ in labelled) - len(rows)


def _described(selection: Selection, labelled: bool, faces: int) -> dict:
    dataset = selection.dataset
    licence = str(dataset.card.get("licence", "not stated"))
    return {
        "title": selection.title,
        "fingerprint": dataset.fingerprint,
        "licence": licence,
        "faces": faces,
        "labelled": labelled,
    }


def _faces_of(selection: Selection) -> pd.DataFrame:
    """row_id, identity and pose of the rows with a face, in the dataset's order.

    Identities are told apart by dataset; one made from another dataset's photos has that dataset's (identities_of).
    """
    rows = selection.rows()
    rows = rows[rows["box_xyxy"].notna()]
    people_of = selection.dataset.card.get("identities_of", selection.dataset.name)
    identity = f"{people_of}/" + rows["identity"]
    return pd.DataFrame({"row_id": rows["row_id"], "identity": identity, "pose": rows["pose"]})


def load_pack(folder: Path) -> Pack:
    """Open a pack. Raises UserError if the folder is none or its two files do not fit together."""
    if not all((folder / name).is_file() for name in ("crops.npy", "rows.parquet", "pack.json")):
        raise UserError(f"{folder}: not a pack of training crops; make one with: python -m sfpn train pack")
    try:
        crops = np.load(folder / "crops.npy", mmap_mode="r", allow_pickle=False)
        rows = pyarrow.parquet.read_table(folder / "rows.parquet").to_pandas()
        datasets = json.loads((folder / "pack.json").read_text(encoding="utf-8"))["datasets"]
    except (*CANNOT_BE_READ, EOFError, TypeError) as error:
        raise UserError(
            f"{folder}: the pack is damaged ({one_line(error)}); make it again with: python -m sfpn train pack"
        ) from error
    if (
        not {"row_id", "identity", "pose"} <= set(rows)
        or crops.shape != (len(rows), SIZE, SIZE, 3)
        or crops.dtype != np.uint8
    ):
        raise UserError(
            f"{folder}: crops.npy {crops.shape} does not fit its {len(rows)} rows, or a column is missing; "
            "make it again with: python -m sfpn train pack"
        )
    identities, _ = pd.factorize(rows["identity"], sort=True)  # null becomes -1
    return Pack(crops, rows["row_id"].tolist(), identities, rows["pose"].to_numpy(str), tuple(datasets))
