"""Learns from scratch to see like a network of the same layout, map by map."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.commands.options import add_settings, settings_of
from sfpn.commands.stages.measuring import (
    add_measuring_arguments,
    add_run_arguments,
    measuring_of,
    tell,
    use_threads,
)
from sfpn.data.selection import Selection
from sfpn.training.distill.targets import TeacherFile
from sfpn.training.imitate.run import train
from sfpn.training.imitate.trainer import ImitateConfig


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train imitate`: where things lie, and one per field of ImitateConfig."""
    parser.add_argument("pack", type=Path, help="made by python -m sfpn train pack")
    parser.add_argument("--teacher", required=True, metavar="WEIGHTS", help="a depth-wise or base SqueezeFacePoseNet")
    add_run_arguments(parser)
    parser.add_argument(
        "--embeddings",
        nargs="*",
        default=[],
        metavar="FILES",
        help="embeddings of the pack's rows by other models (see embed); the files of one model joined by commas",
    )
    parser.add_argument("--validate", metavar="DIR[:SPLIT]", help="log the EER on these people")
    add_settings(parser.add_argument_group("the recipe", "what the result depends on"), ImitateConfig)
    add_measuring_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Train, and when the run is over write weights and card; 0 when done or stopped. Raises UserError."""
    use_threads(args)
    measuring = measuring_of(args)
    config = ImitateConfig(depthwise=args.model == "depthwise", **settings_of(args, ImitateConfig))
    others = [TeacherFile.parse(text) for text in args.embeddings]
    people = Selection.parse(args.validate) if args.validate else None
    tell(train(config, args.pack, args.teacher, others, args.out, people, measuring))
    return 0
