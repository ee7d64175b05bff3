"""An identification run, from datasets to weights with a card: what python -m sfpn train pretrain and finetune do."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import torch

from sfpn.data.selection import Selection
from sfpn.network.card import Card
from sfpn.network.model import SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.training.finish import Measuring, finish_run
from sfpn.training.identify.initial import initial_network
from sfpn.training.identify.options import config_of
from sfpn.training.identify.order import Order
from sfpn.training.identify.rows import Rows, TrainingSet, read_training_set
from sfpn.training.identify.stream import TrainingStream, batches
from sfpn.training.identify.trainer import Identification, IdentifyConfig
from sfpn.training.log import read_log
from sfpn.training.loop import Loop, drive
from sfpn.training.processes import any_of, make_accelerator

STAGES = {"pretrain": "pretrained", "finetune": "fine-tuned"}
START_IMAGES = 64  # on which batch normalisation is measured where the start has none
TITLES = {"pretrain": "identification", "finetune": "identification, continued from other weights"}


def run(args: argparse.Namespace) -> int:
    """Train to the end and write weights and card; 0 when done or stopped. Raises UserError."""
    if args.threads:
        torch.set_num_threads(args.threads)
    measuring = Measuring.parse(args)
    parts = [Selection.open(text) for text in args.datasets]
    config = config_of(args)
    accelerator = make_accelerator(config.precision)
    data = read_training_set(parts, config.validation, config.min_images)
    config = replace(config, steps=math.ceil(config.epochs * len(data.train) / config.batch))
    if accelerator.is_main_process:
        print(
            f"{_counts(data)}; processes: {accelerator.num_processes}, device: {accelerator.device.type}, mixed precision: {accelerator.mixed_precision}",
            flush=True,
        )
    identification = begin(config, data, parts, args.out, accelerator)
    loop = Loop(
        args.out,
        identification.due,
        identification.validate,
        identification.ended,
        config.save_every_seconds,
        memory_advice(config, accelerator.num_processes),
        accelerator.is_main_process,
        any_of(accelerator),
    )
    if drive(identification, loop) and accelerator.is_main_process:
        path = args.out / f"{args.model}.safetensors"
        finish_run(identification.recognizer.network, card_of(args, identification, parts), path, measuring)
        print(f"{path}: written, with its card", flush=True)
    elif accelerator.is_main_process:
        print(f"stopped at step {identification.step}; the same command continues", flush=True)
    accelerator.wait_for_everyone()  # a process that leaves early takes the others' connections with it
    accelerator.end_training()
    return 0


def begin(
    config: IdentifyConfig, data: TrainingSet, parts: list[Selection], folder: Path, accelerator
) -> Identification:
    """The run at its start; a checkpoint in `folder` will replace its weights."""
    torch.manual_seed(config.seed)
    wanted = SFPNConfig(config.depthwise, batch_norm=True, dropout=config.dropout)
    continues = (folder / "checkpoint.pt").is_file()
    network = initial_network(
        "random" if continues else config.start_from, wanted, lambda: first_faces(data.train, config.seed)
    )
    named = [f"{part.title} {part.dataset.fingerprint}" for part in parts]
    return Identification(config, data, named, network, accelerator)


def first_faces(rows: Rows, seed: int) -> torch.Tensor:
    """(B, 3, 113, 113) network input of the first pictures of the training order."""
    count = min(START_IMAGES, len(rows))
    stream = TrainingStream(Order(rows, seed, buffer_images=1), count, augment=False)
    faces = next(islice(batches(stream, 0), 1)).faces
    return faces.float() - torch.tensor(Preprocess().mean).view(1, 3, 1, 1)


def memory_advice(config: IdentifyConfig, processes: int) -> str:
    """What to do when the memory is not enough."""
    at_once = config.batch // processes // config.accumulate
    return (
        f"{at_once} images at once do not fit; raise --accumulate {config.accumulate} (the same training in smaller parts), "
        f"use --precision bf16, or lower --batch {config.batch}"
    )


def card_of(args: argparse.Namespace, identification: Identification, parts: list[Selection]) -> Card:
    """What is known about the weights before they are measured."""
    data = identification.data
    config = replace(identification.config, start_from=Path(identification.config.start_from).name)  # no paths in cards
    kind = "depth-wise variant" if config.depthwise else "base"
    licences = "; ".join(dict.fromkeys(str(part.dataset.card.get("licence", "unknown")) for part in parts))
    return Card(
        name=args.model,
        title=f"SqueezeFacePoseNet, {kind}, {STAGES[args.stage]} by identification",
        architecture={},
        preprocess=Preprocess(),
        licence=f"that of the training data: {licences}",
        training={
            "stage": args.stage,
            "from": config.start_from,
            "data": [part.title for part in parts],
            "images": len(data.train),
            "validation_images": len(data.validation),
            "identities": data.train.identities,
            "epochs": round(identification.epoch, 2),
            "last_validation": last_validation(args.out),
            "config": asdict(config) | {"rates": list(config.rates)},
        },
    )


def last_validation(folder: Path) -> dict:
    """Loss and accuracy of identification in the last line of a run's log."""
    last = (read_log(folder) or [{}])[-1]
    return {name: value for name, value in last.items() if name.startswith("validation_")}


def _counts(data: TrainingSet) -> str:
    left_out = ", ".join(f"{count} {reason}" for reason, count in data.left_out.items())
    return f"{len(data.train)} images of {data.train.identities} identities, {len(data.validation)} for validation; left out: {left_out}"
