"""Options of python -m sfpn train imitate, and the run they describe."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch

from sfpn.data.selection import Selection
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.training.distill.targets import TeacherFile
from sfpn.training.finish import LIMITS, Measuring, add_measuring_arguments, finish_run
from sfpn.training.imitate.trainer import ImitateConfig, Imitator
from sfpn.training.loop import Loop, drive
from sfpn.training.pack import load_pack
from sfpn.training.validate import validation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train imitate`."""
    parser.add_argument("pack", type=Path)
    parser.add_argument("--teacher", required=True, metavar="WEIGHTS", help="a depth-wise or base SqueezeFacePoseNet")
    parser.add_argument("--model", choices=("base", "depthwise"), required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument(
        "--embeddings",
        nargs="*",
        default=[],
        metavar="FILES",
        help="embeddings of the pack's rows by other models (python -m sfpn embed); files of one model joined by commas",
    )
    parser.add_argument("--validate", metavar="DIR[:SPLIT]", help="log the EER on these people")
    for name, default in (("block-images", 48_000), ("network-images", 40_000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    parser.add_argument("--threads", type=int, help="processor threads; default: all")
    add_measuring_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train, and when the run is over write weights and card; 0 when done or stopped. Raises UserError."""
    if args.threads:
        torch.set_num_threads(args.threads)
    measuring = Measuring.parse(args)
    config = ImitateConfig(args.model == "depthwise", args.seed, args.block_images, args.network_images)
    pack = load_pack(args.pack)
    teacher, teacher_card = checkpoint.load(args.teacher)
    named = [TeacherFile.parse(text).unit(pack.row_ids) for text in args.embeddings]
    imitator = Imitator(config, pack, teacher, [values for _, values in named], teacher_card.preprocess)
    selection = Selection.parse(args.validate) if args.validate else None
    validate = validation(selection, teacher_card.preprocess)
    if drive(imitator, Loop(args.out, config.due, lambda: validate(imitator.student))):
        card = run_card(args, imitator, teacher_card, [name for name, _ in named])
        path = args.out / f"{args.model}.safetensors"
        finish_run(imitator.student, card, path, measuring)
        print(f"{path}: written")
    return 0


def run_card(args: argparse.Namespace, imitator: Imitator, teacher: Card, others: list[str]) -> Card:
    """What is known about the weights before they are measured."""
    kind = "3x3 expands grouped by channel (depth-wise variant)" if args.model == "depthwise" else "base"
    pack = imitator.batches.pack
    return Card(
        name=args.model,
        title=f"SqueezeFacePoseNet, {kind}, distilled from scratch",
        architecture={},
        preprocess=teacher.preprocess,
        licence="non-commercial research" if others else teacher.licence,
        limits=LIMITS,
        training={
            "from": "random initialisation",
            "teacher": teacher.title,
            "embedding_targets": others,
            "datasets": list(pack.datasets),
            "images": len(pack),
            "identities": int(pack.identities.max()) + 1,
            "config": asdict(imitator.config),
        },
    )
