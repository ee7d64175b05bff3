"""Trains the estimator of yaw, pitch and roll.

    python -m data_tools build frmdb FOLDER --out datasets/frmdb
    python -m data_tools build heads 40 --out datasets/heads
    python -m data_tools build cfp FOLDER --out datasets/cfp
    python -m data_tools build lfw FOLDER --out datasets/lfw
    python -m sfpn train pose datasets/frmdb:train datasets/cfp:train datasets/heads:train datasets/lfw:train \\
        --calibrate-on datasets/frmdb:validation --out runs/pose

Known angles count as they are: of people photographed from known directions (frmdb) and of drawn heads (heads). Photos
labelled frontal or profile (cfp) are taken for that; of all others the five landmarks are believed where the face
hardly turns. Minutes on a processor; a run that is stopped starts anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.commands.options import add_settings, settings_of
from sfpn.data.selection import Selection
from sfpn.training.pose.run import PoseConfig, train


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train pose`."""
    parser.add_argument("datasets", nargs="+", metavar="DIR[:SPLIT]", help="datasets to learn from")
    parser.add_argument(
        "--calibrate-on",
        nargs="+",
        required=True,
        metavar="DIR[:SPLIT]",
        help="other people, seen from known directions: how wrong the estimator is of them is what it says of itself",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="folder for pose.safetensors and its card"
    )
    add_settings(parser.add_argument_group("the recipe", "what the result depends on"), PoseConfig)


def execute(args: argparse.Namespace) -> int:
    """Train, and write weights and card; 0 when done. Raises UserError."""
    learning, calibrating = ([Selection.parse(text) for text in texts] for texts in (args.datasets, args.calibrate_on))
    card = train(PoseConfig(**settings_of(args, PoseConfig)), learning, calibrating, args.out, print)
    print(
        f"{args.out / 'pose.safetensors'}: off by at most {card['uncertainty']['yaw_degrees']} degrees of yaw in 68 % "
        "of the photos of people kept out, by |yaw| frontal, three-quarter, profile"
    )
    return 0
