"""Images a second of every device that there is, and whether they give the same scores, boxes and angles.

python -m tests.benchmarks.devices --json devices.json
python -m tests.benchmarks.devices --devices cpu --faces 64 --photos 4 --rounds 2

Made from the drawn people of the repository alone. Medians over rounds by the clock, after one that is not counted.

crops       crops of faces to embeddings (Embedder.embed), as many at once as the device is given
dataset     the same from a dataset folder (embed_dataset): reading, decoding, cropping and the network
command     `sfpn embed DIR` from start to end, with its start-up
detector    portraits to faces with their angles, one after the other: the drawn pictures enlarged to so many px
distill     steps of `train distill` (bfloat16) on a pack in memory, by "batch/images at once"; 32/8 is the default
pretrain    steps of `train pretrain` from encoded pictures, which other processes decode

A CUDA device rounds what it convolves in float32 to TF32 (10 bits of 23), unless PyTorch is told otherwise, which this
project does not. "without TF32" are the same things where it was told so. First, see device_agreement.py: how far each
device is from the first, the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.commands.stages.identify import default_workers
from sfpn.data import embed
from sfpn.data.dataset import FaceDataset, Picture
from sfpn.data.embed import embed_dataset
from sfpn.data.selection import Selection
from sfpn.machine import backend_words
from sfpn.network import checkpoint
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import FaceDetector
from sfpn.photos.preprocess import Preprocess
from sfpn.training.distill.trainer import DistillConfig, Distiller
from sfpn.training.identify.rows import read_training_set
from sfpn.training.identify.run import begin
from sfpn.training.identify.trainer import IdentifyConfig
from sfpn.training.pack import CROP_FACTOR, SIZE, Pack
from sfpn.training.processes import make_accelerator
from sfpn.training.start import started_from
from tests.benchmarks import device_agreement

MODELS = ("base", "depthwise")
PARTS = ("embedding", "agreement", "detector", "training", "command")
TRAINING_FACES = 300
MORE_THREADS = 8  # decode and crop, at most, beside the usual embed.CROPPING_THREADS
SIDES = (256, 400, 640)  # px of the photos
DISTILL = {"cpu": ("32/8",), "cuda": ("32/8", "32/32", "256/256")}
PRETRAIN = ("no", "bf16")
STEPS = {"cpu": 3, "cuda": 16}  # that are counted of a training, at least; by fours in distill
Run = Callable[[], object]


@dataclass
class Table:
    """Rows of images a second by device; each is printed as soon as it is known, and kept for the file."""

    devices: list[str]
    file: Path | None
    kept: dict[str, dict] = field(default_factory=dict)

    def head(self, title: str) -> None:
        """The first lines of a table."""
        print(f"\n| {title} | {' | '.join(self.devices)} | times |\n|{'---|' * (len(self.devices) + 2)}", flush=True)

    def row(self, name: str, rates: dict[str, float]) -> None:
        """One line: images a second, and how many times the first device's the last one's are."""
        cells = [f"{rates[device]:.1f}" if device in rates else "" for device in self.devices]
        first, last = (rates.get(self.devices[end]) for end in (0, -1))
        ratio = f"{last / first:.2f}" if first and last and len(self.devices) > 1 else ""
        print(f"| {name} | {' | '.join(cells)} | {ratio} |", flush=True)
        self.keep("images_per_second", {name: rates})

    def keep(self, part: str, values: dict) -> None:
        """Add to what is written, and write it."""
        self.kept[part] = self.kept.get(part, {}) | values
        if self.file:
            self.file.write_text(json.dumps(self.kept, indent=1))


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


def portraits(pictures: list[Picture], side: int) -> list[Image.Image]:
    """The pictures at so many px, as photos."""
    return [picture.decode().resize((side, side), Image.Resampling.BICUBIC) for picture in pictures]


def show_embedding(table: Table, pictures: list[Picture], rounds: int) -> None:
    """Crops and the dataset folder."""
    dataset = FaceDataset.open(DRAWN_PEOPLE)
    row_ids = [picture.row_id for picture in pictures]
    for model in MODELS:
        crops, plain, whole, threads = {}, {}, {}, {}
        for device in table.devices:
            embedder = load_embedder(model, device=device)
            faces = [embedder.preprocess.crop(picture.decode(), picture.face) for picture in pictures]
            crops[device] = len(faces) / seconds(lambda e=embedder, f=faces: e.embed(f), rounds)
            if device == "cuda":
                with device_agreement.without_tf32():
                    plain[device] = len(faces) / seconds(lambda e=embedder, f=faces: e.embed(f), rounds)
            whole[device] = len(row_ids) / seconds(lambda e=embedder: embed_dataset(dataset, e, row_ids), 1)
            with mock.patch.object(embed, "CROPPING_THREADS", MORE_THREADS):
                threads[device] = len(row_ids) / seconds(lambda e=embedder: embed_dataset(dataset, e, row_ids), 1)
        table.row(f"crops, `{model}`", crops)
        if plain:
            table.row(f"crops, `{model}`, without TF32", plain)
        table.row(f"dataset, `{model}`", whole)
        table.row(f"dataset, `{model}`, {MORE_THREADS} threads that crop", threads)


def show_command(table: Table) -> None:
    """All drawn people by the command line."""
    rows = len(FaceDataset.open(DRAWN_PEOPLE).rows())
    table.row(f"command, `base`, {rows:,} images", {name: rows / command_seconds(name) for name in table.devices})


def command_seconds(device: str) -> float:
    """What `sfpn embed` takes for all drawn people, without an earlier result. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["embed", str(DRAWN_PEOPLE), "--model", "base", "--device", device, "--cache", folder]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sfpn", *words, "--out", str(Path(folder) / "base.parquet")],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


def show_detection(table: Table, pictures: list[Picture], rounds: int) -> None:
    """Photos of each size on each device."""
    detectors = {device: FaceDetector(device=device) for device in table.devices}
    for side in SIDES:
        photos = portraits(pictures, side)
        rates = {
            device: len(photos) / seconds(lambda d=detector, p=photos: [d.detect(photo) for photo in p], rounds)
            for device, detector in detectors.items()
        }
        table.row(f"detector, {side} px", rates)


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


def training_rates(device: str, batch: int) -> dict[str, float]:
    """Row -> images a second of the trainings, in this process, where accelerate takes CUDA if it may see one."""
    pack = pack_of(drawn_faces(TRAINING_FACES))
    rates = {f"distill, {sizes}": distill_rate(pack, device, sizes) for sizes in DISTILL[device]}
    return rates | {
        f"pretrain, batch {batch}, precision {precision}": pretrain_rate(device, precision, batch)
        for precision in PRETRAIN
    }


def show_training(table: Table, batch: int) -> None:
    """Each device in a process of its own, because accelerate chooses one device for a process."""
    rates = {device: _in_own_process(device, batch) for device in table.devices}
    for name in dict.fromkeys(name for found in rates.values() for name in found):
        table.row(name, {device: found[name] for device, found in rates.items() if name in found})


def _in_own_process(device: str, batch: int) -> dict[str, float]:
    words = ["--train-on", device, "--train-batch", str(batch)]
    seen = {} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.devices", *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | seen,
    )
    return json.loads(done.stdout.splitlines()[-1])


def arguments() -> argparse.Namespace:
    """The options."""
    there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", nargs="+", choices=("cpu", "cuda"), default=there)
    parser.add_argument("--faces", type=int, default=512, help="pictures that are embedded (default: 512)")
    parser.add_argument("--photos", type=int, default=12, help="photos of each size to find faces in (default: 12)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train-batch", type=int, default=128, help="of pretrain (default: 128, as there)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--train-on", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    if args.train_on:
        print(json.dumps(training_rates(args.train_on, args.train_batch)))
        return
    start, table = time.perf_counter(), Table(args.devices, args.json)
    words = [backend_words(device) for device in args.devices]
    print("\n".join(words), flush=True)
    table.keep("machine", dict(zip(args.devices, words, strict=True)))
    pictures = drawn_faces(args.faces)
    some = pictures[:: max(1, len(pictures) // args.photos)][: args.photos]
    if "agreement" in args.parts:
        photos = [picture.decode() for picture in pictures[::4]]
        photos += [photo for side in SIDES for photo in portraits(some, side)]
        for device in args.devices[1:]:
            table.keep("agreement", device_agreement.show(device, args.devices[0], pictures, photos))
    table.head("images a second")
    if "embedding" in args.parts:
        show_embedding(table, pictures, args.rounds)
    if "detector" in args.parts:
        show_detection(table, some, args.rounds)
    if "training" in args.parts:
        show_training(table, args.train_batch)
    if "command" in args.parts:
        show_command(table)
    print(f"\n{time.perf_counter() - start:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
