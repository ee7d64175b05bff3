"""Images a second of training on one device; see devices.py, which starts this once for each.

python -m tests.benchmarks.device_training cuda 128

Prints a line of JSON for every training. accelerate chooses one device for a process: CUDA, where it can see one.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.commands.stages.identify import default_workers
from sfpn.data.dataset import FaceDataset, Picture
from sfpn.data.selection import Selection
from sfpn.network import checkpoint
from sfpn.photos.preprocess import Preprocess
from sfpn.training.distill.trainer import DistillConfig, Distiller
from sfpn.training.identify.rows import read_training_set
from sfpn.training.identify.run import begin
from sfpn.training.identify.trainer import IdentifyConfig
from sfpn.training.pack import CROP_FACTOR, SIZE, Pack
from sfpn.training.processes import make_accelerator
from sfpn.training.start import started_from

DISTILL = {"cpu": ("32/8",), "cuda": ("32/8", "32/32", "256/256")}  # batch/images at once
PRETRAIN = ("no", "bf16")  # precisions
STEPS = {"cpu": 3, "cuda": 16}  # that are counted of a training, at least; by fours in distill
TRAINING_FACES = 300
Run = Callable[[], object]


def seconds(run: Run, rounds: int) -> float:
    """Median of the rounds, after one that is not counted."""
    run()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def drawn_faces(count: int) -> list[Picture]:
    """So many pictures of drawn people with a face, spread over people and poses."""
    dataset = FaceDataset.open(DRAWN_PEOPLE)
    rows = dataset.rows()
    row_ids = rows.loc[rows["box_xyxy"].notna(), "row_id"].tolist()
    chosen = np.linspace(0, len(row_ids) - 1, min(count, len(row_ids))).astype(int)
    return list(dataset.pictures({row_ids[place] for place in chosen}))


def pack_of(pictures: list[Picture]) -> Pack:
    """A pack in memory, as `train pack` writes it."""
    cut = Preprocess(size=SIZE, crop_factor=CROP_FACTOR)
    crops = np.stack([np.asarray(cut.crop(picture.decode(), picture.face)) for picture in pictures])
    _, people = np.unique([picture.row_id.rsplit("-", 2)[0] for picture in pictures], return_inverse=True)
    poses = np.array([picture.row_id.split("-")[2] for picture in pictures])
    return Pack(crops, [picture.row_id for picture in pictures], people, poses, ())


def distill_rate(pack: Pack, device: str, sizes: str) -> float:
    """Images a second of `train distill` for "batch/images at once"; by fours of steps, which train the early layers
    once."""
    batch, at_once = map(int, sizes.split("/"))
    start, card = checkpoint.load("base")
    targets = np.random.default_rng(0).normal(size=(len(pack), start.config.descriptor_size)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    config = DistillConfig(depthwise=False, batch=batch, micro_batch=at_once, images=1000 * batch)
    trainer = Distiller(
        config, pack, started_from(start, False), targets, card.preprocess, make_accelerator(config.precision)
    )
    if next(trainer.student.parameters()).device.type != device:
        raise RuntimeError(f"the training is not on {device}")
    return steps_rate(trainer.train_step, batch, device, config.early_every)


def pretrain_rate(device: str, precision: str, batch: int) -> float:
    """Images a second of `train pretrain`, from random weights, with as many decoding processes as it takes."""
    parts = [Selection.open(str(DRAWN_PEOPLE))]
    config = IdentifyConfig(batch=batch, precision=precision, workers=default_workers(), steps=1000)
    data = read_training_set(parts, config.validation)
    with tempfile.TemporaryDirectory() as folder:
        trainer = begin(config, data, parts, Path(folder), make_accelerator(precision))
    if next(trainer.recognizer.parameters()).device.type != device:
        raise RuntimeError(f"the training is not on {device}")
    return steps_rate(trainer.train_step, batch, device, 1)


def steps_rate(step: Callable[[], object], batch: int, device: str, together: int) -> float:
    """Images a second by the median of so many steps together, after as many that are not counted."""

    def some() -> None:
        for _ in range(together):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return together * batch / seconds(some, -(-STEPS[device] // together))


def train_here(device: str, batch: int) -> None:
    """Print a line of JSON with the rate of each training, in this process: accelerate chooses one device for it."""
    pack = pack_of(drawn_faces(TRAINING_FACES))
    for sizes in DISTILL[device]:
        print(json.dumps({f"distill, {sizes}": distill_rate(pack, device, sizes)}), flush=True)
    for precision in PRETRAIN:
        rate = pretrain_rate(device, precision, batch)
        print(json.dumps({f"pretrain, batch {batch}, precision {precision}": rate}), flush=True)


if __name__ == "__main__":
    train_here(sys.argv[1], int(sys.argv[2]))
