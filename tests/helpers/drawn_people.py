"""Photos of drawn people from the dataset that ships with the project, for tests that need a face to be found."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from helpers.paths import SYNTHETIC
from sfpn.data.dataset import FaceDataset


@functools.cache
def drawn(pose: str, number: int = 0) -> bytes:
    """The encoded picture of the `number`-th person seen in a pose, with a face that the detector found."""
    dataset = FaceDataset.open(SYNTHETIC)
    rows = dataset.rows()
    rows = rows[(rows["pose"] == pose) & (rows["pose_estimated"] == pose)]
    identity = sorted(rows["identity"].unique())[number]
    row_id = rows[rows["identity"] == identity]["row_id"].iloc[0]
    return next(dataset.pictures({row_id})).encoded


def drawn_image(pose: str, number: int = 0) -> Image.Image:
    """The same, decoded."""
    return Image.open(io.BytesIO(drawn(pose, number))).convert("RGB")


def save_drawn(path: Path, pose: str, number: int = 0, **options) -> Path:
    """The same, written in the format of the file's ending."""
    drawn_image(pose, number).save(path, **options)
    return path


def write_people(folder: Path, identities: int) -> None:
    """A dataset folder with the first drawn people only: another build of the dataset that ships."""
    table = pa.concat_tables(pq.read_table(file) for file in sorted(SYNTHETIC.glob("data*.parquet")))
    chosen = sorted(set(table["identity"].to_pylist()))[:identities]
    kept = table.filter(pc.is_in(table["identity"], pa.array(chosen)))
    folder.mkdir()
    pq.write_table(kept, folder / "data-00000.parquet", row_group_size=50)
    changed = {"fingerprint": f"{identities:064x}", "rows": len(kept)}
    (folder / "dataset.json").write_text(json.dumps(json.loads((SYNTHETIC / "dataset.json").read_text()) | changed))
