"""A distillation run, from a pack of crops and their targets to weights with a card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sfpn.data.embeddings import Embeddings
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.training.distill.trainer import DistillConfig, Distiller
from sfpn.training.finish import LIMITS, Measuring, Outcome, finish_run, variant
from sfpn.training.loop import Loop, drive
from sfpn.training.pack import Pack, load_pack
from sfpn.training.processes import any_of, make_accelerator
from sfpn.training.start import started_from
from sfpn.training.validate import validation


@dataclass(frozen=True)
class Sources:
    """What a distillation is made from: a pack, the targets of its rows, and the weights that these were fitted to."""

    pack: Path
    targets: Path
    start_from: str | Path


def train(
    config: DistillConfig,
    sources: Sources,
    folder: Path,
    people: Selection | None,
    mirror_sum: bool,
    measuring: Measuring,
) -> Outcome:
    """Train to the end, or until stopped, in a run's folder; at the end write weights and card. Raises UserError.

    people: whom the log's EER is of, None for no EER. mirror_sum: what the card will say.
    """
    pack = load_pack(sources.pack)
    start, start_card = checkpoint.load(sources.start_from)
    targets, teachers = load_targets(sources.targets, pack, start.config.descriptor_size)
    accelerator = make_accelerator(config.precision)
    student = started_from(start, config.depthwise)
    distiller = Distiller(config, pack, student, targets, start_card.preprocess, accelerator)
    validate, main = validation(people, start_card.preprocess), accelerator.is_main_process
    loop = Loop(
        folder,
        due=config.due,
        validate=lambda: validate(distiller.average),
        main=main,
        any_process=any_of(accelerator),
    )
    weights = None
    if drive(distiller, loop) and main:
        card = run_card(sources, distiller, start_card, teachers, mirror_sum)
        weights = folder / f"{card.name}.safetensors"
        finish_run(distiller.average, card, weights, measuring)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return Outcome(distiller.step, weights, main)


def load_targets(file: Path, pack: Pack, size: int) -> tuple[np.ndarray, list[str]]:
    """((N, size) targets in the pack's order, titles of the teachers).

    Raises UserError if a row has none, or of another size.
    """
    embeddings = Embeddings.load(file)
    known = set(embeddings.row_ids)
    missing = [row_id for row_id in pack.row_ids if row_id not in known]
    if missing:
        raise UserError(
            f"{file}: no target for {len(missing)} rows of the pack (first {missing[0]}); make targets for this pack"
        )
    if embeddings.values.shape[1] != size:
        raise UserError(
            f"{file}: targets of {embeddings.values.shape[1]} numbers, descriptors of {size}; "
            "make targets for these weights"
        )
    return embeddings.of(pack.row_ids).values.astype(np.float32), json.loads(embeddings.made_by["teachers"])


def run_card(sources: Sources, distiller: Distiller, start: Card, teachers: list[str], mirror_sum: bool) -> Card:
    """What is known about the weights before they are measured. Files and folders are named without where they lie."""
    pack, (name, kind) = distiller.batches.pack, variant(distiller.config.depthwise)
    files = [Path(text).name for text in (sources.pack, sources.targets, sources.start_from)]
    changed = [
        f"--{field.replace('_', '-')} {value}"
        for field, value in asdict(distiller.config).items()
        if field != "depthwise" and value != getattr(DistillConfig, field)
    ]
    command = [
        "python -m sfpn train distill {} --targets {} --start-from {}".format(*files),
        f"--model {name}",
        *changed,
    ]
    data = "; ".join(f"{one['title']} ({one['licence']})" for one in pack.datasets)
    return Card(
        name=name,
        title=f"SqueezeFacePoseNet, {kind}, distilled from {len(teachers)} teachers",
        architecture={},
        preprocess=start.preprocess,
        licence=(
            f"Weights: non-commercial research use, as the teachers ({', '.join(teachers)}) and the pictures are: "
            f"{data}. "
            f"Started from {start.title} ({start.licence}). Code: MIT."
        ),
        mirror_sum=mirror_sum,
        limits=LIMITS,
        training={
            "from": start.title,
            "teachers": teachers,
            "datasets": list(pack.datasets),
            "images": len(pack),
            "identities": int(pack.identities.max()) + 1,
            "unlabelled_images": int((pack.identities < 0).sum()),
            "command": " ".join([*command, *(["--mirror-sum"] if mirror_sum else [])]),
            "config": asdict(distiller.config),
            "start": {"weights_sha256": start.weights_sha256, "training": start.training},
        },
    )
