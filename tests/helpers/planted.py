"""Errors planted into a dataset folder, for the tests and the benchmark of sfpn.evaluation.checks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from sfpn.data.dataset import FaceDataset
from sfpn.photos.detector import MIRRORED_LANDMARKS
from sfpn.photos.photo import decode_photo
from sfpn.schema import row_features

CARD = {"name": "planted", "fingerprint": "ab" * 32}


@dataclass(frozen=True)
class Planted:
    """The folder with the errors: `wrong` row_id -> its true identity; `copies` row_id of a copy -> of the original."""

    folder: Path
    wrong: dict[str, str]
    copies: dict[str, str]


def plant(
    dataset: FaceDataset,
    folder: Path,
    rng: np.random.Generator,
    identities: set[str] | None = None,
    *,
    wrong: float = 0.02,
    copied: float = 0.01,
    estimated_poses: bool = False,
) -> Planted:
    """Write the rows of `identities` (None: all), a share of them under wrong identities, and copies of a share.

    Copies are in turn equal, saved again at quality 60, of 0.7 times the size, and mirrored; every second one is put
    under another identity, and is a wrong label too. `estimated_poses`: the set has no pose labels of its own.
    """
    rows = [row for file in dataset.files for row in pq.read_table(file).to_pylist()]
    rows = [row for row in rows if identities is None or row["identity"] in identities]
    names = sorted({row["identity"] for row in rows})
    true = {}
    chosen = rng.choice(len(rows), round((wrong + copied) * len(rows)), replace=False)
    for number in chosen[: round(wrong * len(rows))]:
        true[rows[number]["row_id"]] = rows[number]["identity"]
        rows[number]["identity"] = _another(rng, names, rows[number]["identity"])
    copies = [_copy(rows[number], turn, rng, names) for turn, number in enumerate(chosen[round(wrong * len(rows)) :])]
    for copy, row in copies:
        if copy["identity"] != row["identity"]:
            true[copy["row_id"]] = row["identity"]
    rows += [copy for copy, _ in copies]
    if estimated_poses:
        rows = [row | {"pose": row["pose_estimated"]} for row in rows]
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=row_features().arrow_schema)
    pq.write_table(table, folder / "data-00000.parquet", row_group_size=100)
    (folder / "dataset.json").write_text(json.dumps(CARD))
    return Planted(folder, true, {copy["row_id"]: row["row_id"] for copy, row in copies})


def _another(rng: np.random.Generator, names: list[str], identity: str) -> str:
    return str(rng.choice([name for name in names if name != identity]))


def _copy(row: dict[str, Any], turn: int, rng: np.random.Generator, names: list[str]) -> tuple[dict, dict]:
    encoded = row["image"]["bytes"]
    identity = _another(rng, names, row["identity"]) if turn % 2 else row["identity"]
    copy = row | {"row_id": f"{row['row_id']} copy", "identity": identity}
    kind = turn // 2 % 4
    if not kind:
        return copy, row
    image = decode_photo(encoded, row["row_id"], min_side=1).image
    changed, points = CHANGES[kind - 1](image)
    stream = io.BytesIO()
    changed.save(stream, "JPEG", quality=60 if kind == 1 else 90)
    copy["image"] = {"bytes": stream.getvalue(), "path": "copy.jpg"}
    if row["box_xyxy"] is not None:
        box = np.sort(points(np.array(row["box_xyxy"], float).reshape(2, 2)), axis=0)
        landmarks = points(np.array(row["landmarks_xy"], float).reshape(5, 2))
        mirrored = changed.size == image.size and kind == 3
        landmarks = landmarks[MIRRORED_LANDMARKS] if mirrored else landmarks
        copy |= {"box_xyxy": box.ravel().tolist(), "landmarks_xy": landmarks.ravel().tolist()}
    return copy, row


Points = Callable[[np.ndarray], np.ndarray]


def _again(image: Image.Image) -> tuple[Image.Image, Points]:
    return image, lambda points: points


def _smaller(image: Image.Image) -> tuple[Image.Image, Points]:
    size = (max(1, round(0.7 * image.width)), max(1, round(0.7 * image.height)))
    return image.resize(size, Image.Resampling.LANCZOS), lambda points: points * np.array(size) / np.array(image.size)


def _mirrored(image: Image.Image) -> tuple[Image.Image, Points]:
    return ImageOps.mirror(image), lambda points: points * [-1, 1] + [image.width, 0]


CHANGES = (_again, _smaller, _mirrored)
