"""Drawn noise in the layouts that training reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from sfpn.schema import POSES
from sfpn.training.pack import SIZE, Pack, load_pack


def random_pack(folder: Path, count: int = 12) -> Pack:
    """`count` coarse random crops, two of each identity and the last two of none, their poses in turn."""
    folder.mkdir()
    coarse = np.random.default_rng(0).integers(0, 255, (count, 10, 10, 3), dtype=np.uint8)
    np.save(folder / "crops.npy", coarse.repeat(SIZE // 10, axis=1).repeat(SIZE // 10, axis=2))
    people = [f"p{i // 2}" if i < count - 2 else None for i in range(count)]
    poses = [POSES[i % len(POSES)] for i in range(count)]
    pd.DataFrame({"row_id": [f"r{i}" for i in range(count)], "identity": people, "pose": poses}).to_parquet(
        folder / "rows.parquet"
    )
    described = {"title": "noise", "fingerprint": "0", "licence": "CC0", "faces": count, "labelled": True}
    (folder / "pack.json").write_text(json.dumps({"datasets": [described]}))
    return load_pack(folder)
