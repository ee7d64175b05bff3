"""Upload a model to the Hugging Face Hub: its weights, its card and a page, in one commit.

    python -m sfpn push-to-hub runs/mine/mine.safetensors user/repo --private
    python -m sfpn push-to-hub base user/repo --revision v2

Log in first with: hf auth login. What was uploaded is then loaded by its name: --model user/repo. Check the licence in
the card: weights may be used only as the data they were trained on allows.
"""

from __future__ import annotations

import argparse

from sfpn.network.model import SFPN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn push-to-hub`."""
    parser.add_argument("model", metavar="MODEL", help="a bundled name, or a path to weights with their card")
    parser.add_argument("repo", metavar="REPO", help="user/repo; made if it is not there")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--revision", metavar="BRANCH", help="branch to commit to (default: main)")
    parser.add_argument("--message", default="Upload weights and card", help="of the commit (default: %(default)s)")


def execute(args: argparse.Namespace) -> int:
    """Upload and print the commit's address; 0. Raises UserError if it cannot be loaded or uploaded."""
    model = SFPN.from_pretrained(args.model)
    private = True if args.private else None
    print(model.push_to_hub(args.repo, private=private, revision=args.revision, commit_message=args.message))
    return 0
