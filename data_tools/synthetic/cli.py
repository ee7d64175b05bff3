"""Options of `python -m data_tools synthesize --out DIR`: draw people who do not exist.

python -m data_tools synthesize --identities 60 --seed 7 --out synthetic
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from data_tools.synthetic.dataset import synthesize
from data_tools.synthetic.draw import SyntheticConfig
from data_tools.synthetic.variation import IMAGE_SIZE
from sfpn.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset folder to write")
    parser.add_argument("--identities", type=int, default=60, metavar="N", help="people to draw (default: 60)")
    parser.add_argument(
        "--seed", type=int, default=7, help="of the population: the same seed draws the same people (default: 7)"
    )
    parser.add_argument(
        "--images-per-pose", type=int, default=10, metavar="N", help="pictures of each of the three poses (default: 10)"
    )
    parser.add_argument(
        "--size", type=int, default=IMAGE_SIZE, metavar="PX", help=f"side of a picture (default: {IMAGE_SIZE})"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="processes; 0 = none but this (default: one a core)"
    )
    parser.add_argument(
        "--no-detect", action="store_true", help="do not look for the faces: no boxes, no estimated pose"
    )
    parser.add_argument("--examples", type=Path, metavar="FILE", help="also write example pairs for the demo (JSON)")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset in DIR")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Draw the dataset and print one summary line; 0 when it is written. Raises UserError."""
    started = time.monotonic()
    config = make_config(args)
    card = synthesize(config, args.out, args.examples)
    found = "" if args.no_detect else f", {card['rows_with_face']} with a face found"
    seconds = time.monotonic() - started
    print(f"{card['rows']} images of {card['identities']} people in {args.out}{found}; {seconds:.0f} s")
    return 0


def make_config(args: argparse.Namespace) -> SyntheticConfig:
    """The frozen configuration. Raises UserError for numbers that draw nothing."""
    for name, least in (("identities", 1), ("images_per_pose", 1), ("size", 32), ("workers", 0), ("seed", 0)):
        if getattr(args, name) < least:
            raise UserError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(args, name)}")
    return SyntheticConfig(
        args.identities,
        args.seed,
        args.images_per_pose,
        args.size,
        not args.no_detect,
        workers=args.workers,
        resume=args.resume,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
