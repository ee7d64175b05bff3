"""Crops the faces of datasets into one array that distillations read."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.data.selection import Selection
from sfpn.training.pack import load_pack, write_pack


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train pack`."""
    parser.add_argument("datasets", nargs="+", metavar="DIR[:SPLIT]", help="datasets whose identities are known")
    parser.add_argument(
        "--unlabelled", nargs="+", default=[], metavar="DIR[:SPLIT]", help="more datasets, whose identities say nothing"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PACK", help="folder to write")


def execute(args: argparse.Namespace) -> int:
    """Write a pack as asked; 0 when done. Raises UserError."""
    labelled, unlabelled = ([Selection.parse(text) for text in texts] for texts in (args.datasets, args.unlabelled))
    left_out = write_pack(labelled, args.out, unlabelled)
    print(f"{args.out}: {len(load_pack(args.out))} crops; {left_out} rows without a face left out")
    return 0
