"""Learns to put faces where the teachers put them."""

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
from sfpn.training.distill.run import Sources, train
from sfpn.training.distill.trainer import DistillConfig


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train distill`: where things lie, and one per field of DistillConfig."""
    parser.add_argument("pack", type=Path, help="made by python -m sfpn train pack")
    parser.add_argument(
        "--targets", type=Path, required=True, metavar="FILE", help="made by python -m sfpn train targets"
    )
    parser.add_argument(
        "--start-from", required=True, metavar="WEIGHTS", help="the weights that the targets were fitted to"
    )
    add_run_arguments(parser)
    parser.add_argument("--validate", metavar="DIR[:SPLIT]", help="log the EER on these people")
    parser.add_argument(
        "--mirror-sum", action="store_true", help="the finished weights add the descriptor of the mirrored face"
    )
    add_settings(parser.add_argument_group("the recipe", "what the result depends on"), DistillConfig)
    add_measuring_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Train, and when the run is over write weights and card; 0 when done or stopped. Raises UserError."""
    use_threads(args)
    measuring = measuring_of(args)
    config = DistillConfig(depthwise=args.model == "depthwise", **settings_of(args, DistillConfig))
    people = Selection.parse(args.validate) if args.validate else None
    tell(train(config, Sources(args.pack, args.targets, args.start_from), args.out, people, args.mirror_sum, measuring))
    return 0
