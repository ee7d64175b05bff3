"""Joins the embeddings of several teachers into the targets of a distillation."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.training.distill.targets import TeacherFile, make_targets
from sfpn.training.pack import load_pack


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train targets`."""
    parser.add_argument("pack", type=Path, help="made by python -m sfpn train pack")
    parser.add_argument(
        "--teachers",
        nargs="+",
        required=True,
        metavar="FILE,FILE[=WEIGHT]",
        help="embeddings (python -m sfpn embed) by one teacher each, its files joined by commas",
    )
    parser.add_argument(
        "--start-from", required=True, metavar="WEIGHTS", help="the weights that the student will start from"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="Parquet file to write")


def execute(args: argparse.Namespace) -> int:
    """Write the targets of a pack; 0 when done. Raises UserError."""
    teachers = [TeacherFile.parse(text) for text in args.teachers]
    found = make_targets(load_pack(args.pack), teachers, args.start_from)
    found.embeddings.save(args.out)
    count, size = found.embeddings.values.shape
    print(
        f"{args.out}: {count} targets of {size} numbers; "
        f"they keep {found.kept:.1%} of the joint space of {', '.join(found.teachers)}"
    )
    return 0
