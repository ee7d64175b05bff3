"""A small drawn dataset folder and a deterministic embedder, for the tests of embedding and evaluation."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sfpn.network.card import Card
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import POSES, ROW_COLUMNS, row_features

SUBJECTS, PER_POSE = 6, 4
SIDE = 16


class ColourEmbedder:
    """Embeds a crop by its mean colours over a 2 x 2 grid: similar pictures, similar vectors; counts its crops."""

    precision = "float32"

    def __init__(self, name: str = "colour", weights_sha256: str = "a" * 64, blur: float = 0.0) -> None:
        preprocess = Preprocess("box", SIDE, 1.0, "edge", (0.0, 0.0, 0.0))
        self.name, self.preprocess, self.blur, self.seen = name, preprocess, blur, 0
        self.card = Card(name, name, {"type": "test"}, preprocess, "MIT", weights_sha256=weights_sha256)

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        """(B, 12) float32."""
        self.seen += len(crops)
        pixels = np.stack([np.asarray(crop, np.float32) for crop in crops]) - 127
        quarters = pixels.reshape(len(crops), 2, SIDE // 2, 2, SIDE // 2, 3).mean(axis=(2, 4)).reshape(len(crops), -1)
        return quarters + self.blur * np.roll(quarters, 1, axis=1)


def write_dataset(folder: Path, undetected: tuple[int, ...] = (3, 14, 15), shards: int = 3, seed: int = 0) -> Path:
    """SUBJECTS people x 3 poses x PER_POSE pictures in two templates, pairs of both CFP protocols in three folds."""
    rng = np.random.default_rng(seed)
    rows = [
        _row(rng, number, subject, pose, index)
        for number, (subject, pose, index) in enumerate(
            (s, p, i) for s in range(SUBJECTS) for p in POSES for i in range(PER_POSE)
        )
    ]
    for number in undetected:
        rows[number] |= {
            "box_xyxy": None,
            "landmarks_xy": None,
            "quality": None,
            "pose_estimated": None,
            "yaw_degrees": None,
            "pitch_degrees": None,
        }
    folder.mkdir(parents=True)
    for shard in range(shards):
        table = pa.Table.from_pylist(rows[shard::shards], schema=row_features().arrow_schema)
        pq.write_table(table, folder / f"data-{shard:05d}.parquet", row_group_size=10)
    pq.write_table(pa.Table.from_pylist(_pairs()), folder / "pairs.parquet")
    (folder / "dataset.json").write_text(json.dumps({"name": "drawn", "fingerprint": f"{seed:064d}"}))
    return folder


def _row(rng: np.random.Generator, number: int, subject: int, pose: str, index: int) -> dict:
    colours = np.random.default_rng(subject).integers(0, 255, (2, 2, 3))
    noise = rng.normal(0, 25 * (1 + POSES.index(pose)), (2, 2, 3))
    picture = np.clip(colours + noise, 0, 255).astype(np.uint8).repeat(SIDE, axis=0).repeat(SIDE, axis=1)
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "PNG")
    return dict.fromkeys(ROW_COLUMNS) | {
        "row_id": f"{subject}/{pose}/{index}",
        "image": {"bytes": encoded.getvalue(), "path": f"{number}.png"},
        "identity": f"person {subject}",
        "pose": pose,
        "yaw_degrees": 40.0 * POSES.index(pose) + index,
        "pitch_degrees": 2.0 * subject - 5 + index,
        "template": f"t{index // 2}",
        "pose_estimated": pose,
        "yaw_source": "estimated",
        "quality": 0.99,
        "source": "drawn",
        "box_xyxy": [8.0, 8.0, 24.0, 24.0],
        "landmarks_xy": [12, 12, 20, 12, 16, 16, 13, 20, 19, 20],
        "detector": "drawn",
    }


def _pairs() -> list[dict]:
    """Fold f holds subjects 2 f - 2 and 2 f - 1."""
    found = []
    for name, poses in {"FF": ("frontal", "frontal"), "FP": ("frontal", "profile")}.items():
        for fold in (1, 2, 3):
            one, other = 2 * fold - 2, 2 * fold - 1
            for a, b in ((one, one), (other, other), (one, other), (other, one)):
                for i, j in ((0, 1), (1, 2), (2, 3), (3, 2)):
                    ids = f"{a}/{poses[0]}/{i}", f"{b}/{poses[1]}/{j}"
                    found.append(
                        {"protocol": name, "fold": fold, "row_id_a": ids[0], "row_id_b": ids[1], "same": a == b}
                    )
    return found
