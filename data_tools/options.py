"""Types and options that the commands of data_tools share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from sfpn.machine import processors
from sfpn.photos.detector import DEVICE_HELP

MOST_WORKERS = 16  # each holds a detector of its own: beyond it a machine runs out of memory before it gets faster


def whole(least: int = 0) -> Callable[[str], int]:
    """The type of an option that is a whole number of `least` or more."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return int(text)

    return parse


def default_workers() -> int:
    """One per processor that may be used, which the processes of a launch divide on each machine."""
    share = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return processors(max(1, MOST_WORKERS // share), share)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Where to write, with how many processes, and what to do with what is there already."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset folder to write")
    parser.add_argument(
        "--workers",
        type=whole(),
        default=default_workers(),
        help=f"processes; 0 = none but this (default: one per processor that may be used, {MOST_WORKERS} at most)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset in DIR")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def add_detector_device(parser: argparse.ArgumentParser) -> None:
    """Where faces are found and their poses estimated."""
    parser.add_argument("--device", default="cpu", metavar="NAME", help=DEVICE_HELP)
