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
    python -m sfpn train pose datasets/frmdb:train datasets/cfp:train datasets/heads:train --out runs/pose \\
        --calibrate-on datasets/frmdb:validation
    python -m sfpn train plot runs/base runs/scratch --out runs.html

The same command continues a run that was stopped (SIGTERM, Ctrl-C or a crash) from its last checkpoint. A finished run
writes RUN/MODEL.safetensors and its card.
"""

from __future__ import annotations

import argparse
from importlib import import_module

# stage -> (module with add_arguments(parser, stage) and execute(args) -> exit status, what it does)
STAGES = {
    "pretrain": ("identify", "stage 1 of the paper: tell many identities apart (MS1M)"),
    "finetune": ("identify", "stage 2 of the paper: go on from other weights (VGGFace2)"),
    "pack": ("pack", "crop the faces of datasets into one array"),
    "targets": ("targets", "join the embeddings of several teachers into the targets of a distillation"),
    "distill": ("distill", "learn to put faces where the teachers put them"),
    "imitate": ("imitate", "learn from scratch to see like a network of the same layout, map by map"),
    "pose": ("pose", "learn to estimate yaw, pitch and roll of a face"),
    "plot": ("plot", "the losses of runs as a page to look at"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train`."""
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for stage, (_, text) in STAGES.items():
        module = _module_of(stage)
        subparser = stages.add_parser(stage, help=text, description=module.__doc__)
        subparser.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(subparser, stage)


def execute(args: argparse.Namespace) -> int:
    """Do the stage as asked; 0 when done. Raises UserError."""
    return _module_of(args.stage).execute(args)


def _module_of(stage: str):
    return import_module(f"sfpn.commands.stages.{STAGES[stage][0]}")
