"""Trains networks.

    python -m sfpn train pack datasets/cfp:train datasets/lfw:train --out packs/train
    python -m sfpn train distill packs/train --teacher published.safetensors --model base --out runs/base \\
        --targets targets/edgeface-xs.parquet targets/edgeface-xxs.parquet --validate datasets/cfp:validation

The same command continues a run that was stopped (SIGTERM, Ctrl-C or a crash) from its last checkpoint. A finished run
writes RUN/MODEL.safetensors and its card; `python -m sfpn calibrate` then measures what the card still lacks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from sfpn import checkpoint, metrics
from sfpn.card import Card
from sfpn.comparisons import AllPairs
from sfpn.embed import Embeddings
from sfpn.errors import UserError
from sfpn.evaluate import make_samples
from sfpn.model import SFPN, fold_batch_norm
from sfpn.preprocess import Preprocess
from sfpn.schema import POSE_PAIRS, pair_key
from sfpn.selection import Selection
from sfpn.tally import tally
from sfpn.training.distill import DistillConfig, Distiller, run_distillation
from sfpn.training.pack import Pack, load_pack, write_pack

VALIDATION_BATCH = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train`."""
    stages = parser.add_subparsers(dest="stage", required=True)
    pack = stages.add_parser("pack", help="crop the faces of datasets into one array")
    pack.add_argument("datasets", nargs="+", metavar="DIR[:SPLIT]")
    pack.add_argument("--out", type=Path, required=True)
    distill = stages.add_parser("distill", help="learn from a network of the same layout, and others' embeddings")
    distill.add_argument("pack", type=Path)
    distill.add_argument("--teacher", required=True, metavar="WEIGHTS", help="a depth-wise or base SqueezeFacePoseNet")
    distill.add_argument("--model", choices=("base", "depthwise"), required=True)
    distill.add_argument("--out", type=Path, required=True, metavar="RUN")
    distill.add_argument("--targets", nargs="*", type=Path, default=[], metavar="FILE", help="embeddings of the pack's rows by other models (python -m sfpn embed)")
    distill.add_argument("--validate", metavar="DIR[:SPLIT]", help="log the EER on these people")
    for name, default in (("block-images", 48_000), ("network-images", 40_000), ("seed", 0)):
        distill.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    distill.add_argument("--threads", type=int, help="processor threads; default: all")


def run(args: argparse.Namespace) -> int:
    """Pack or train as asked; 0 when done. Raises UserError."""
    return _pack(args) if args.stage == "pack" else _distill(args)


def _pack(args: argparse.Namespace) -> int:
    left_out = write_pack([Selection.parse(text) for text in args.datasets], args.out)
    print(f"{args.out}: {len(load_pack(args.out))} crops; {left_out} rows without a face left out")
    return 0


def _distill(args: argparse.Namespace) -> int:
    if args.threads:
        torch.set_num_threads(args.threads)
    config = DistillConfig(args.model == "depthwise", args.seed, args.block_images, args.network_images)
    pack = load_pack(args.pack)
    teacher, teacher_card = checkpoint.load(args.teacher)
    targets = [unit_targets(file, pack) for file in args.targets]
    distiller = Distiller(config, pack, teacher, targets, teacher_card.preprocess)
    validate = validation(Selection.parse(args.validate), teacher_card.preprocess) if args.validate else lambda _: {}
    run_distillation(distiller, args.out, validate)
    if distiller.step == config.steps:
        card = run_card(args, distiller, teacher_card, [Embeddings.load(file).made_by["model"] for file in args.targets])
        path = args.out / f"{args.model}.safetensors"
        checkpoint.save(fold_batch_norm(distiller.student.eval()), card, path)
        print(f"{path}: written; now measure it with: python -m sfpn calibrate {path} ...")
    return 0


def unit_targets(file: Path, pack: Pack) -> np.ndarray:
    """(N, D) unit vectors for the rows of a pack. Raises UserError if the file lacks one of them."""
    try:
        values = Embeddings.load(file).of(pack.row_ids).values
    except KeyError as error:
        raise UserError(f"{file}: no embedding for a row of the pack ({error}); embed the datasets it was made of") from error
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def run_card(args: argparse.Namespace, distiller: Distiller, teacher: Card, targets: list[str]) -> Card:
    """What is known about the weights when a run ends; measuring comes later."""
    kind = "3x3 expands grouped by channel (depth-wise variant)" if args.model == "depthwise" else "base"
    return Card(
        name=args.model,
        title=f"SqueezeFacePoseNet, {kind}, distilled from scratch",
        architecture={},
        preprocess=teacher.preprocess,
        licence="non-commercial research" if targets else teacher.licence,
        training={
            "from": "random initialisation",
            "teacher": teacher.title,
            "embedding_targets": targets,
            "images": len(distiller.pack),
            "identities": int(distiller.pack.identities.max()) + 1,
            "config": asdict(distiller.config),
        },
    )


def validation(selection: Selection, preprocess: Preprocess) -> Callable[[SFPN], dict[str, float]]:
    """A function student -> {"eer_frontal-profile": 0.12, ...} over all pairs of the selection's detected faces."""
    rows = selection.rows()
    rows = rows[rows["box_xyxy"].notna()]
    inputs = torch.cat([
        preprocess.tensor([preprocess.crop(picture.decode(), picture.face)]).to(torch.bfloat16)
        for picture in selection.dataset.pictures(set(rows["row_id"]))
    ])

    def measure(student: SFPN) -> dict[str, float]:
        values = _descriptors(fold_batch_norm(student.eval()), inputs)
        embeddings = Embeddings(rows["row_id"].to_numpy(), values - values.mean(0), np.ones(len(rows), bool), {"model": "student"})
        samples = make_samples(rows, embeddings)
        found = {}
        for pair in POSE_PAIRS:
            first, second = (samples.of_pose(pose) for pose in pair)
            if len(first) and len(second):
                scores = tally(samples, AllPairs(first, None if pair[0] == pair[1] else second)).treated("skip")
                found[f"eer_{pair_key(pair)}"] = round(metrics.eer(*scores).rate, 4)
        return found

    return measure


@torch.inference_mode()
def _descriptors(model: SFPN, inputs: torch.Tensor) -> np.ndarray:
    model = model.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        batches = (part.contiguous(memory_format=torch.channels_last) for part in inputs.split(VALIDATION_BATCH))
        return torch.cat([model(part).float() for part in batches]).numpy()
