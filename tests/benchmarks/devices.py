"""Images a second of every device that there is, and whether they give the same scores, boxes and angles.

python -m tests.benchmarks.devices --json devices.json
python -m tests.benchmarks.devices --devices cpu --faces 64 --photos 4 --rounds 2

Made from the drawn people of the repository alone. Medians over rounds by the clock, after one that is not counted.

network     pixels in memory to embeddings, 128 faces at once
crops       crops of faces to embeddings (Embedder.embed), as many at once as the device is given
dataset     the same from a dataset folder (embed_dataset): reading, decoding, cropping and the network
command     `sfpn embed DIR` from start to end, with its start-up
detector    portraits to faces with their angles, one after the other: the drawn pictures enlarged to so many px
distill     steps of `train distill` (bfloat16) on a pack in memory, by "batch/images at once"; 32/8 is the default
pretrain    steps of `train pretrain` from encoded pictures, which other processes decode

`choose_device` makes a CUDA device convolve in all bits of float32. "with TF32" are the same things as PyTorch
would have them, with 10 bits of 23. First, see device_agreement.py: how far each
device is from the first, the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from PIL import Image

from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data import embed
from sfpn.data.dataset import FaceDataset, Picture
from sfpn.data.embed import embed_dataset
from sfpn.machine import backend_words
from sfpn.network.embedders import Embedder, load_embedder
from sfpn.photos.detector import FaceDetector
from tests.benchmarks import device_agreement
from tests.benchmarks.device_training import Run, drawn_faces, seconds

MODELS = ("base", "depthwise")
PARTS = ("agreement", "embedding", "detector", "command", "training")
NETWORK_BATCH = 128  # faces at once, with the mirror images of `base` as many as an embedder gives a GPU
ROUNDS, DETECTOR_ROUNDS = 4, 3
MORE_THREADS = 8  # decode and crop, at most, beside the usual embed.CROPPING_THREADS
SIDES = (256, 400, 640)  # px of the photos


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


def portraits(pictures: list[Picture], side: int) -> list[Image.Image]:
    """The pictures at so many px, as photos."""
    return [picture.decode().resize((side, side), Image.Resampling.BICUBIC) for picture in pictures]


def show_embedding(table: Table, pictures: list[Picture], rounds: int) -> None:
    """The network, crops and the dataset folder, by both models."""
    dataset, row_ids = FaceDataset.open(DRAWN_PEOPLE), [picture.row_id for picture in pictures]
    for model in MODELS:
        rates: dict[str, dict[str, float]] = {}
        for device in table.devices:
            embedder = load_embedder(model, device=device)
            for name, (run, context, count) in embedding_runs(embedder, dataset, pictures, row_ids).items():
                if context is device_agreement.with_tf32 and device == "cpu":
                    continue
                with context():
                    rates.setdefault(name, {})[device] = len(row_ids) / seconds(run, min(count, rounds))
        for name, found in rates.items():
            table.row(f"{name}, `{model}`", found)


def embedding_runs(
    embedder: Embedder, dataset: FaceDataset, pictures: list[Picture], row_ids: list[str]
) -> dict[str, tuple[Run, Callable, int]]:
    """Name of a row -> what is run, within what, and how often at most."""
    crops = [embedder.preprocess.crop(picture.decode(), picture.face) for picture in pictures]
    inputs = embedder.preprocess.tensor(crops)
    usual, more = nullcontext, partial(mock.patch.object, embed, "CROPPING_THREADS", MORE_THREADS)

    def network() -> None:
        for part in inputs.split(NETWORK_BATCH):
            embedder._embed_batch(part)

    return {
        "network": (network, usual, ROUNDS),
        "crops": (lambda: embedder.embed(crops), usual, ROUNDS),
        "network with TF32": (network, device_agreement.with_tf32, ROUNDS),
        "dataset": (lambda: embed_dataset(dataset, embedder, row_ids), usual, 1),
        f"dataset, {MORE_THREADS} threads that crop": (lambda: embed_dataset(dataset, embedder, row_ids), more, 1),
    }


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


def show_training(table: Table, batch: int) -> None:
    """Trainings on each device, in processes of their own."""
    rates: dict[str, dict[str, float]] = {}
    for device in table.devices:
        seen = {} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
        words = ["-m", "tests.benchmarks.device_training", device, str(batch)]
        done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, env=os.environ | seen)
        for line in filter(lambda line: line.startswith("{"), done.stdout.splitlines()):
            for name, rate in json.loads(line).items():
                rates.setdefault(name, {})[device] = rate
        if done.returncode:
            print(f"the trainings on {device} ended with {done.returncode}, see above", flush=True)
    for name, found in rates.items():
        table.row(name, found)


def arguments() -> argparse.Namespace:
    """The options."""
    there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", nargs="+", choices=("cpu", "cuda"), default=there)
    parser.add_argument("--faces", type=int, default=512, help="pictures that are embedded (default: 512)")
    parser.add_argument("--photos", type=int, default=12, help="photos of each size to find faces in (default: 12)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--train-batch", type=int, default=128, help="of pretrain (default: 128, as there)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    start, table = time.perf_counter(), Table(args.devices, args.json)
    words = [backend_words(device) for device in args.devices]
    print("\n".join(words), flush=True)
    table.keep("machine", dict(zip(args.devices, words, strict=True)))
    pictures = drawn_faces(args.faces)
    some = pictures[:: max(1, len(pictures) // args.photos)][: args.photos]
    if "agreement" in args.parts:
        photos = [picture.decode() for picture in pictures[::6]]
        photos += [photo for side in SIDES for photo in portraits(some, side)]
        for device in args.devices[1:]:
            table.keep("agreement", device_agreement.show(device, args.devices[0], pictures, photos))
    table.head("images a second")
    if "embedding" in args.parts:
        show_embedding(table, pictures, args.rounds)
    if "detector" in args.parts:
        show_detection(table, some, min(args.rounds, DETECTOR_ROUNDS))
    if "command" in args.parts:
        show_command(table)
    if "training" in args.parts:
        show_training(table, args.train_batch)
    print(f"\n{time.perf_counter() - start:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
