"""An identification run, from datasets to weights with a card: what python -m sfpn train pretrain and finetune do."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import torch

from sfpn.data.selection import Selection
from sfpn.network.card import Card
from sfpn.network.model import SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.training.finish import Measuring, Outcome, finish_run
from sfpn.training.identify.initial import initial_network
from sfpn.training.identify.order import Order
from sfpn.training.identify.rows import Rows, TrainingSet, read_training_set
from sfpn.training.identify.stream import TrainingStream, batches
from sfpn.training.identify.trainer import Identification, IdentifyConfig
from sfpn.training.log import read_log
from sfpn.training.loop import Loop, drive
from sfpn.training.processes import any_of, make_accelerator

STAGES = {"pretrain": "pretrained", "finetune": "fine-tuned"}
START_IMAGES = 64  # on which batch normalisation is measured where the start has none


def train(stage: str, config: IdentifyConfig, parts: list[Selection], folder: Path, measuring: Measuring) -> Outcome:
    """Train to the end, or until stopped, in a run's folder; at the end write weights and card. Raises UserError.

    stage: one of STAGES, for the card. `config.steps` is worked out here from its epochs.
    """
    accelerator = make_accelerator(config.precision)
    main = accelerator.is_main_process
    data = read_training_set(parts, config.validation, config.min_images)
    config = replace(config, steps=math.ceil(config.epochs * len(data.train) / config.batch))
    if main:
        where = f"device: {accelerator.device.type}, mixed precision: {accelerator.mixed_precision}"
        print(f"{_counts(data)}; processes: {accelerator.num_processes}, {where}", flush=True)
    identification = begin(config, data, parts, folder, accelerator)
    loop = Loop(
        folder,
        due=identification.due,
        validate=identification.validate,
        ended=identification.ended,
        save_every_seconds=config.save_every_seconds,
        takes_less_memory=memory_advice(config, accelerator.num_processes),
        main=main,
        any_process=any_of(accelerator),
    )
    weights = None
    if drive(identification, loop) and main:
        card = card_of(stage, identification, parts, folder)
        weights = folder / f"{card.name}.safetensors"
        finish_run(identification.recognizer.network, card, weights, measuring)
    accelerator.wait_for_everyone()  # a process that leaves early takes the others' connections with it
    accelerator.end_training()
    return Outcome(identification.step, weights, main)


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
        f"{at_once} images at once do not fit; raise --accumulate {config.accumulate} (the same training in smaller "
        "parts), "
        f"use --precision bf16, or lower --batch {config.batch}"
    )


def card_of(stage: str, identification: Identification, parts: list[Selection], folder: Path) -> Card:
    """What is known about the weights before they are measured."""
    data = identification.data
    config = replace(identification.config, start_from=Path(identification.config.start_from).name)  # no paths in cards
    kind = "depth-wise variant" if config.depthwise else "base"
    licences = "; ".join(dict.fromkeys(str(part.dataset.card.get("licence", "unknown")) for part in parts))
    return Card(
        name="depthwise" if config.depthwise else "base",
        title=f"SqueezeFacePoseNet, {kind}, {STAGES[stage]} by identification",
        architecture={},
        preprocess=Preprocess(),
        licence=f"that of the training data: {licences}",
        training={
            "stage": stage,
            "from": config.start_from,
            "data": [part.title for part in parts],
            "images": len(data.train),
            "validation_images": len(data.validation),
            "identities": data.train.identities,
            "epochs": round(identification.epoch, 2),
            "last_validation": last_validation(folder),
            "config": asdict(config) | {"rates": list(config.rates)},
        },
    )


def last_validation(folder: Path) -> dict:
    """Loss and accuracy of identification in the last line of a run's log."""
    last = (read_log(folder) or [{}])[-1]
    return {name: value for name, value in last.items() if name.startswith("validation_")}


def _counts(data: TrainingSet) -> str:
    left_out = ", ".join(f"{count} {reason}" for reason, count in data.left_out.items())
    images = f"{len(data.train)} images of {data.train.identities} identities"
    return f"{images}, {len(data.validation)} for validation; left out: {left_out}"
