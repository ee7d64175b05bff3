"""Two real processes under torch.distributed give the report of one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
from helpers.evaluation_data import write_dataset
from helpers.launching import ACCELERATE, ALONE, LAUNCHED
from helpers.paths import ROOT
from helpers.small_models import save_random_model

from sfpn.data.embed import Embeddings


def evaluate(launcher: tuple[str, ...], folder: Path, model: Path) -> tuple[list[dict], Embeddings]:
    """Cells and embeddings of `python -m sfpn evaluate` under a launcher."""
    cache = folder / f"cache{len(launcher)}"
    words = ["-m", "sfpn", "evaluate", str(folder / "drawn"), "--protocol", "vggface2-pose", "--model", str(model)]
    environment = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, *words, "--json", "--rounds", "5", "--cache", str(cache)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], Embeddings.load(next(cache.glob("*.parquet")))


def test_two_processes_equal_one(tmp_path):
    write_dataset(tmp_path / "drawn")
    save_random_model(tmp_path / "random.safetensors")
    (cells, embeddings), (cells_of_two, embeddings_of_two) = (
        evaluate(launcher, tmp_path, tmp_path / "random.safetensors") for launcher in (ALONE, LAUNCHED)
    )
    np.testing.assert_array_equal(embeddings.row_ids, embeddings_of_two.row_ids)
    np.testing.assert_allclose(embeddings.values, embeddings_of_two.values, atol=1e-6)
    counts = [
        [(cell["pose_pair"], cell["genuine"], cell["impostor"]) for cell in some] for some in (cells, cells_of_two)
    ]
    assert counts[0] == counts[1] and len(cells) == 6 + 6 + 7
    for one, two in zip(cells, cells_of_two, strict=True):
        assert one["eer"] is two["eer"] is None or abs(one["eer"] - two["eer"]) < 1e-6


def test_one_process_instead_of_two_is_refused(tmp_path):
    done = subprocess.run(
        [*ACCELERATE, "--cpu", "-m", "sfpn", "evaluate", str(write_dataset(tmp_path / "drawn"))],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert "started one process instead of several; without GPUs, give it --multi_gpu" in done.stderr
