"""Turns a published MATLAB file of the authors into weights with a card.

python -m sfpn import-published FILE.mat --out X.safetensors
python -m sfpn import-published --download depthwise --out X.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.published import FILES, REPOSITORY, fetch, published_card, read_published


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn import-published`."""
    parser.add_argument("file", nargs="?", type=Path, help="a published .mat file")
    parser.add_argument("--download", choices=FILES, help="fetch the authors' file instead of giving one")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "sfpn", help="where downloads are kept")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="X.safetensors", help="weights to write; the card goes beside them"
    )


def execute(args: argparse.Namespace) -> int:
    """Write weights and card of a published file; 0 when done. Raises UserError."""
    if (args.file is None) == (args.download is None):
        raise UserError("give either the path of a published .mat file or --download base|depthwise")
    if args.out.suffix != ".safetensors":
        raise UserError(f"--out {args.out}: the name must end in .safetensors")
    path = fetch(args.download, args.cache) if args.download else args.file
    model = read_published(path)
    name = "depthwise" if model.config.depthwise else "base"
    card = checkpoint.save(model, published_card(name, f"{REPOSITORY}: {path.name}"), args.out)
    print(f"{args.out}: {card.parameters} parameters, card beside it")
    if card.descriptor_mean is None:
        print("no descriptor mean is known for it; measure one with: python -m sfpn calibrate ... --mean-from DATASET")
    return 0
