"""Options of python -m sfpn train distill, and the run they describe."""

from __future__ import annotations

import argparse
import json
from dataclasses import MISSING, asdict, fields
from pathlib import Path

import numpy as np
import torch

from sfpn.data.embeddings import Embeddings
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.training.distill.trainer import AUGMENTATIONS, DistillConfig, Distiller
from sfpn.training.finish import LIMITS, Measuring, add_measuring_arguments, finish_run
from sfpn.training.loop import Loop, drive
from sfpn.training.pack import Pack, load_pack
from sfpn.training.processes import any_of, make_accelerator
from sfpn.training.start import started_from
from sfpn.training.validate import validation

CHOICES = {"augmentation": tuple(AUGMENTATIONS), "precision": ("bf16", "no")}
KINDS = {"base": "base", "depthwise": "3x3 expands grouped by channel (depth-wise variant)"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train distill`; one per field of DistillConfig, and where things lie."""
    parser.add_argument("pack", type=Path)
    parser.add_argument(
        "--targets", type=Path, required=True, metavar="FILE", help="made by python -m sfpn train targets"
    )
    parser.add_argument(
        "--start-from", required=True, metavar="WEIGHTS", help="the weights that the targets were fitted to"
    )
    parser.add_argument("--model", choices=tuple(KINDS), required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--validate", metavar="DIR[:SPLIT]", help="log the EER on these people")
    for field in fields(DistillConfig):
        if field.default is not MISSING:
            choices = CHOICES.get(field.name)
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=type(field.default),
                choices=choices,
                default=field.default,
                help=f"default: {field.default}",
            )
    parser.add_argument("--threads", type=int, help="processor threads; default: all")
    parser.add_argument(
        "--mirror-sum", action="store_true", help="the finished weights add the descriptor of the mirrored face"
    )
    add_measuring_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train, and when the run is over write weights and card; 0 when done or stopped. Raises UserError."""
    if args.threads:
        torch.set_num_threads(args.threads)
    measuring = Measuring.parse(args)
    names = [field.name for field in fields(DistillConfig) if field.default is not MISSING]
    config = DistillConfig(args.model == "depthwise", **{name: getattr(args, name) for name in names})
    pack = load_pack(args.pack)
    start, start_card = checkpoint.load(args.start_from)
    targets, teachers = load_targets(args.targets, pack, start.config.descriptor_size)
    accelerator = make_accelerator(config.precision)
    distiller = Distiller(
        config, pack, started_from(start, config.depthwise), targets, start_card.preprocess, accelerator
    )
    selection = Selection.parse(args.validate) if args.validate else None
    validate = validation(selection, start_card.preprocess)
    main, any_process = accelerator.is_main_process, any_of(accelerator)
    loop = Loop(args.out, config.due, lambda: validate(distiller.average), main=main, any_process=any_process)
    if drive(distiller, loop) and main:
        path = args.out / f"{args.model}.safetensors"
        finish_run(distiller.average, run_card(args, distiller, start_card, teachers), path, measuring)
        print(f"{path}: written")
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return 0


def load_targets(file: Path, pack: Pack, size: int) -> tuple[np.ndarray, list[str]]:
    """((N, size) targets in the pack's order, titles of the teachers). Raises UserError if a row has none, or of another size."""
    embeddings = Embeddings.load(file)
    known = set(embeddings.row_ids)
    missing = [row_id for row_id in pack.row_ids if row_id not in known]
    if missing:
        raise UserError(
            f"{file}: no target for {len(missing)} rows of the pack (first {missing[0]}); make targets for this pack"
        )
    if embeddings.values.shape[1] != size:
        raise UserError(
            f"{file}: targets of {embeddings.values.shape[1]} numbers, descriptors of {size}; make targets for these weights"
        )
    return embeddings.of(pack.row_ids).values.astype(np.float32), json.loads(embeddings.made_by["teachers"])


def run_card(args: argparse.Namespace, distiller: Distiller, start: Card, teachers: list[str]) -> Card:
    """What is known about the weights before they are measured. Files and folders are named without where they lie."""
    pack = distiller.batches.pack
    names = [Path(text).name for text in (args.pack, args.targets, args.start_from)]
    changed = [
        f"--{name.replace('_', '-')} {value}"
        for name, value in asdict(distiller.config).items()
        if name != "depthwise" and value != getattr(DistillConfig, name)
    ]
    command = [
        "python -m sfpn train distill {} --targets {} --start-from {}".format(*names),
        f"--model {args.model}",
        *changed,
    ]
    data = "; ".join(f"{one['title']} ({one['licence']})" for one in pack.datasets)
    return Card(
        name=args.model,
        title=f"SqueezeFacePoseNet, {KINDS[args.model]}, distilled from {len(teachers)} teachers",
        architecture={},
        preprocess=start.preprocess,
        licence=f"Weights: non-commercial research use, as the teachers ({', '.join(teachers)}) and the pictures are: {data}. Started from {start.title} ({start.licence}). Code: MIT.",
        mirror_sum=args.mirror_sum,
        limits=LIMITS,
        training={
            "from": start.title,
            "teachers": teachers,
            "datasets": list(pack.datasets),
            "images": len(pack),
            "identities": int(pack.identities.max()) + 1,
            "unlabelled_images": int((pack.identities < 0).sum()),
            "command": " ".join([*command, *(["--mirror-sum"] if args.mirror_sum else [])]),
            "config": asdict(distiller.config),
            "start": {"weights_sha256": start.weights_sha256, "training": start.training},
        },
    )
