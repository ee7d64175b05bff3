"""Options of `python -m data_tools push DIR REPO`: upload a dataset folder to the Hugging Face Hub, with its card.

python -m data_tools push datasets/synthetic user/drawn-people --private

Log in first with: hf auth login. Only what the dataset consists of is uploaded: rows, pairs, ledger, card and page; not
the embeddings and reports that may lie in its folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from data_tools.save import CARD_FILE, LEDGER_FILE, PAIRS_FILE, README_FILE
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.network import hub

PARTS = ("data.parquet", "data-*.parquet", PAIRS_FILE, LEDGER_FILE, CARD_FILE, README_FILE, "sheet-*.webp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a dataset folder, as build or synthesize wrote it")
    parser.add_argument("repo", metavar="REPO", help="user/repo; made if it is not there")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--revision", metavar="BRANCH", help="branch to commit to (default: main)")
    parser.add_argument("--message", default="Upload the dataset", help="of the commit (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Upload and print the commit's address; 0. Raises UserError if it is no whole dataset or cannot be uploaded."""
    dataset = FaceDataset.open(args.folder)
    rows = len(dataset.rows())  # reads it: a damaged dataset is not uploaded
    if not (args.folder / README_FILE).is_file():
        raise UserError(
            f"{args.folder} has no {README_FILE}, its data card: build it again with `python -m data_tools`"
        )
    address = hub.upload(
        args.folder,
        args.repo,
        kind="dataset",
        parts=PARTS,
        private=True if args.private else None,
        revision=args.revision,
        message=args.message,
        token=None,
    )
    print(f"{dataset.name}: {rows:,} rows, licence: {dataset.card.get('licence') or 'not stated'}; {address}")
    return 0
