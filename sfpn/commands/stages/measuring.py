"""Options that all trainings share: on whom a run validates and measures its weights, and what it says when it ends."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sfpn.commands.options import positive
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.training.finish import Measuring, Outcome

MODELS = ("base", "depthwise")


def add_run_arguments(parser: argparse.ArgumentParser, model: str | None = None) -> None:
    """--out, --model (`model` is the default, None where one must be given) and --threads."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="folder of the run; continued if it has one"
    )
    parser.add_argument("--model", choices=MODELS, required=model is None, default=model, help="which network to train")
    parser.add_argument("--threads", type=positive, help="processor threads; default: all")


def add_measuring_arguments(parser: argparse.ArgumentParser) -> None:
    """Options by which a run measures its own weights when it ends."""
    group = parser.add_argument_group("the end of the run", "what its card will hold beside the weights")
    group.add_argument("--mean-from", metavar="DIR[:SPLIT]", help="measure the descriptor mean here")
    group.add_argument(
        "--remove-pose-direction",
        action="store_true",
        help="with --mean-from: also remove how descriptors move from frontal to profile",
    )
    group.add_argument("--set-on", nargs="+", metavar="DIR[:SPLIT]", help="set the thresholds on these people")
    group.add_argument("--measure-on", nargs="+", metavar="DIR[:SPLIT]", help="measure the error rates on these people")


def measuring_of(args: argparse.Namespace) -> Measuring:
    """From the options of `add_measuring_arguments`.

    Raises UserError if a set cannot be read or one side is missing.
    """
    if bool(args.set_on) != bool(args.measure_on):
        raise UserError("--set-on and --measure-on go together: thresholds of some people, error rates of others")
    set_on, measure_on = (tuple(map(Selection.parse, some or ())) for some in (args.set_on, args.measure_on))
    return Measuring(
        mean_from=Selection.parse(args.mean_from) if args.mean_from else None,
        remove_pose_direction=args.remove_pose_direction,
        set_on=set_on,
        measure_on=measure_on,
    )


def use_threads(args: argparse.Namespace) -> None:
    """Keep to the processor threads of --threads, where it was given."""
    if args.threads:
        torch.set_num_threads(args.threads)


def tell(outcome: Outcome) -> None:
    """Say how a run ended; only the process that writes says anything."""
    if outcome.main and outcome.weights:
        print(f"{outcome.weights}: written, with its card", flush=True)
    elif outcome.main:
        print(f"stopped at step {outcome.step}; the same command continues", flush=True)
