"""Options of `python -m data_tools synthesize --out DIR`: draw people who do not exist.

python -m data_tools synthesize --identities 60 --seed 7 --out synthetic
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from data_tools.options import add_run_options, whole
from data_tools.synthetic.dataset import synthesize
from data_tools.synthetic.draw import SyntheticConfig

LEAST_SIZE = 32  # px


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_run_options(parser)
    for name, least, unit, text in (
        ("identities", 1, "N", "people to draw"),
        ("seed", 0, None, "of the population: the same seed draws the same people"),
        ("images_per_pose", 1, "N", "pictures of each of the three poses"),
        ("size", LEAST_SIZE, "PX", "side of a picture"),
    ):
        option, default = "--" + name.replace("_", "-"), getattr(SyntheticConfig, name)
        parser.add_argument(
            option, type=whole(least), default=default, metavar=unit, help=f"{text} (default: %(default)s)"
        )
    parser.add_argument(
        "--no-detect", action="store_true", help="do not look for the faces: no boxes, no estimated pose"
    )
    parser.add_argument("--examples", type=Path, metavar="FILE", help="also write example pairs for the demo (JSON)")


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
    """The frozen configuration."""
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
