"""Fills in a card: descriptor mean, operating points per pose pair and by yaw, score histograms, measured results.

    python -m sfpn calibrate MODEL.safetensors --mean-from datasets/cfp:train --remove-pose-direction
    python -m sfpn calibrate MODEL.safetensors --set-on datasets/cfp:validation datasets/lfw:validation \\
        --measure-on datasets/cfp:test datasets/lfw:test
    python -m sfpn calibrate MODEL.safetensors --surface \\
        --set-on datasets/cfp:validation+train datasets/lfw:validation datasets/frmdb:validation \\
        --measure-on datasets/cfp:test datasets/lfw:test datasets/frmdb:test

Thresholds are set on some people and frozen; their error rates are measured on others. For each pose pair the first
dataset named that has comparisons of it serves, so name a set with pose labels before one with estimated poses.
--surface writes, instead of thresholds by pose pair, those that follow the estimated yaws of both faces: set on the
first dataset's people where its comparisons of such poses are enough, on the others' too where they are not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.commands.options import note_old_poses
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.evaluation.calibrate import calibrate_mean, calibrate_points, calibrate_surface, quote_reports
from sfpn.network.card import card_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn calibrate`."""
    parser.add_argument("model", type=Path, help="weights file or ONNX file whose card is filled in")
    parser.add_argument("--mean-from", metavar="DIR[:SPLIT]", help="measure the descriptor mean here")
    parser.add_argument(
        "--remove-pose-direction",
        action="store_true",
        help="with --mean-from: also remove from descriptors how these people's move from frontal to profile",
    )
    parser.add_argument("--set-on", nargs="+", metavar="DIR[:SPLIT]", help="set the thresholds on these people")
    parser.add_argument(
        "--measure-on", nargs="+", metavar="DIR[:SPLIT]", help="measure the error rates on these people"
    )
    parser.add_argument(
        "--surface",
        action="store_true",
        help="with --set-on: the operating surface instead, thresholds by the estimated yaws of both faces",
    )
    parser.add_argument(
        "--report", nargs="+", type=Path, metavar="REPORT", help="evaluation reports whose results the card quotes"
    )


def execute(args: argparse.Namespace) -> int:
    """Measure what was asked for and write it into the card; 0 when done. Raises UserError."""
    if bool(args.set_on) != bool(args.measure_on):
        raise UserError("--set-on and --measure-on go together: thresholds of some people, error rates of others")
    if args.remove_pose_direction and not args.mean_from:
        raise UserError(
            "--remove-pose-direction needs --mean-from: the people whose frontal and profile faces give the direction"
        )
    if args.surface and not args.set_on:
        raise UserError("--surface needs --set-on and --measure-on: the people that it is set and measured on")
    if not (args.mean_from or args.set_on or args.report):
        raise UserError("nothing to do: give --mean-from, --set-on with --measure-on, or --report")
    if args.mean_from:
        calibrate_mean(args.model, Selection.parse(args.mean_from), args.remove_pose_direction)
    if args.set_on:
        set_on, measure_on = ([Selection.parse(text) for text in some] for some in (args.set_on, args.measure_on))
        if args.surface:
            note_old_poses([*set_on, *measure_on])
        (calibrate_surface if args.surface else calibrate_points)(args.model, set_on, measure_on)
    if args.report:
        quote_reports(args.model, args.report)
    print(f"{card_path(args.model)}: written")
    return 0
