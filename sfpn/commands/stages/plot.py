"""Losses, validation and learning rate of runs over their steps, as a page or a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.training.plot import run_figure, series_of, write_figure


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train plot`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs (--out of a training)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".html (opens without a network), or .svg (needs: pip install kaleido, and a Chrome)",
    )


def execute(args: argparse.Namespace) -> int:
    """Write the plot; 0 when it is there. Raises UserError."""
    write_figure(run_figure({str(folder): series_of(folder) for folder in args.runs}), args.out)
    print(f"{args.out}: {len(args.runs)} runs")
    return 0
