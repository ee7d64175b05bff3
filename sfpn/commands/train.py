"""Trains networks.

    python -m sfpn train pretrain datasets/ms1m --start-from imagenet --out runs/ms1m
    python -m sfpn train finetune datasets/vggface2:train --start-from runs/ms1m --out runs/vggface2
    accelerate launch --num_processes 4 --mixed_precision bf16 -m sfpn train pretrain ...
    python -m sfpn train pack datasets/cfp:train datasets/lfw:train --unlabelled datasets/portraits --out packs/train
    python -m sfpn train targets packs/train --teachers xs-cfp.parquet,xs-lfw.parquet xxs-cfp.parquet,xxs-lfw.parquet \\
        --start-from published.safetensors --out targets.parquet
    python -m sfpn train distill packs/train --targets targets.parquet --start-from published.safetensors \\
        --model base --validate datasets/cfp:validation --out runs/base
    python -m sfpn train imitate packs/train --teacher published.safetensors --model base --out runs/scratch

The same command continues a run that was stopped (SIGTERM, Ctrl-C or a crash) from its last checkpoint. A finished run
writes RUN/MODEL.safetensors and its card.
"""

from __future__ import annotations

import argparse
from importlib import import_module

STAGES = {  # name -> module with add_arguments(parser) and run(args), and what it does
    "pretrain": ("sfpn.training.identify.pretrain", "stage 1 of the paper: tell many identities apart (MS1M)"),
    "finetune": ("sfpn.training.identify.finetune", "stage 2 of the paper: go on from other weights (VGGFace2)"),
    "pack": ("sfpn.training.pack", "crop the faces of datasets into one array"),
    "targets": (
        "sfpn.training.distill.targets",
        "join the embeddings of several teachers into the targets of a distillation",
    ),
    "distill": ("sfpn.training.distill.run", "learn to put faces where the teachers put them"),
    "imitate": ("sfpn.training.imitate.run", "learn from scratch to see like a network of the same layout, map by map"),
    "plot": ("sfpn.training.plot", "the losses of runs as a page to look at"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train`."""
    stages = parser.add_subparsers(dest="stage", required=True)
    for name, (module, text) in STAGES.items():
        import_module(module).add_arguments(stages.add_parser(name, help=text, description=text))


def run(args: argparse.Namespace) -> int:
    """Run the stage as asked; 0 when done. Raises UserError."""
    return import_module(STAGES[args.stage][0]).run(args)
