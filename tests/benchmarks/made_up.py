"""A dataset of any size for measuring: copies of small drawn faces, and embeddings that lie together by identity."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, provenance
from sfpn.data.embeddings import Embeddings
from sfpn.network.embedders import Embedder
from sfpn.schema import POSES, ROW_COLUMNS, row_features

ROOT = Path(__file__).resolve().parents[2]
PER_IDENTITY = 30
FACES, SIDE = 90, 112  # different pictures, and the longer side of each in px
FILE_ROWS = 20_000


def write(folder: Path, count: int) -> None:
    """`count` rows, every third of them of the same pose, in groups of 100 as `data_tools build` writes them."""
    folder.mkdir()
    faces = list(_small_faces())
    rng = np.random.default_rng(0)
    yaw, quality = rng.uniform(-90, 90, count), rng.uniform(0.5, 1, count)
    for first in range(0, count, FILE_ROWS):
        rows = [
            dict.fromkeys(ROW_COLUMNS)
            | {
                "row_id": f"row {i}",
                "image": {"bytes": faces[i % len(faces)], "path": None},
                "identity": f"person {i // PER_IDENTITY}",
                "pose": POSES[i % 3],
                "yaw_degrees": yaw[i],
                "template": f"t{i // 5}",
                "quality": quality[i],
                "source": "benchmark",
                "split": "test",
                "box_xyxy": [20.0, 15.0, 90.0, 105.0],
                "landmarks_xy": [40.0, 45, 70, 45, 55, 65, 42, 80, 68, 80],
            }
            for i in range(first, min(first + FILE_ROWS, count))
        ]
        table = pa.Table.from_pylist(rows, schema=row_features().arrow_schema)
        pq.write_table(table, folder / f"data-{first // FILE_ROWS:05d}.parquet", row_group_size=100)
    mark = hashlib.sha256(f"{count} made-up rows".encode()).hexdigest()
    (folder / "dataset.json").write_text(json.dumps({"name": "benchmark", "fingerprint": mark}))


def _small_faces() -> Iterator[bytes]:
    dataset = FaceDataset.open(ROOT / "demo" / "assets" / "synthetic")
    row_ids = dataset.rows()["row_id"].tolist()
    for picture in dataset.pictures(set(row_ids[:: len(row_ids) // FACES][:FACES])):
        image, encoded = picture.decode(), io.BytesIO()
        image.thumbnail((SIDE, SIDE))
        image.save(encoded, "JPEG")
        yield encoded.getvalue()


def make_embeddings(folder: Path, embedder: Embedder, size: int = 1000) -> None:
    """Embeddings of half size where the app looks for those of the model: a place by identity, moved by pose."""
    dataset, rng = FaceDataset.open(folder), np.random.default_rng(0)
    rows = dataset.rows().sort_values("row_id", ignore_index=True)
    people, poses = rows["identity"].astype("category").cat.codes.to_numpy(), rows["pose"].map(POSES.index).to_numpy()
    values = rng.normal(size=(len(rows), size)).astype(np.float16)
    groups, turns = rng.normal(size=(12, size)), 2 * rng.normal(size=(3, size))
    centres = (rng.normal(size=(people.max() + 1, size)) + 1.5 * groups[np.arange(people.max() + 1) % 12]).astype(
        np.float16
    )
    values += centres[people]
    values += turns.astype(np.float16)[poses]
    found = Embeddings(rows["row_id"].to_numpy(object), values, np.ones(len(rows), bool), provenance(dataset, embedder))
    found.save(cache_file(dataset, embedder), half=True)
