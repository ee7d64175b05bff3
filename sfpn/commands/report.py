"""One self-contained file about one report, or two on the same pairs, for people who have neither app nor dataset.

    python -m sfpn report REPORT --out FILE.html
    python -m sfpn report REPORT REPORT --out FILE.pdf --pictures DIR
    python -m sfpn report REPORT --out FILE.md

The file asks for nothing from outside and is at most 5 MB. Markdown starts with `model-index`, which the card of a
model on the Hugging Face Hub takes. PDF is the same page and needs WeasyPrint (the extra `pdf`).
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.reporting.write import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn report`."""
    parser.add_argument("reports", type=Path, nargs="+", metavar="REPORT", help="one report folder, or two to compare")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write: .html, .pdf or .md")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="show the hardest pairs with the pictures of this dataset folder"
    )


def execute(args: argparse.Namespace) -> int:
    """Write the file; 0. Raises UserError."""
    if len(args.reports) > 2:
        raise UserError(f"{len(args.reports)} reports: give one, or two to compare")
    reports = [Report.load(folder) for folder in args.reports]
    dataset = FaceDataset.open(args.pictures) if args.pictures else None
    write_report(reports, args.out, command_of(args), dataset)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")
    return 0


def command_of(args: argparse.Namespace) -> str:
    """The command that makes the file again; folders without where they lie."""
    words = ["python -m sfpn report", *(shlex.quote(folder.resolve().name) for folder in args.reports)]
    words += ["--pictures", shlex.quote(args.pictures.resolve().name)] if args.pictures else []
    return " ".join([*words, "--out", shlex.quote(args.out.name)])
