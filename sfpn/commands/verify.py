"""Compare two photos, or two folders of up to ten photos of one person each.

    python -m sfpn verify A.jpg B.jpg
    python -m sfpn verify A.jpg FOLDER_OF_B --model depthwise --fmr 0.01 --json

Exit status: 0 decided (match or not), 2 bad input.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from sfpn.commands.options import add_detector_device, add_device_argument, fraction
from sfpn.errors import UserError
from sfpn.photos.left_behind import left_by_computer
from sfpn.photos.photo import load_photo
from sfpn.schema import POSE_LABELS
from sfpn.verification.decision import DEFAULT_FMR
from sfpn.verification.verifier import MAX_PHOTOS, Comparison, Shot, Verifier, check_counts
from sfpn.verification.wording import (
    error_rates,
    explanation,
    head_words,
    headline,
    next_words,
    pair_words,
    provenance,
    record,
    turned_words,
)


@dataclass(frozen=True)
class VerifyConfig:
    """What to compare and how; `faces` are 1-based choices for both sides, None for the large and central face."""

    sides: tuple[Path, Path]
    faces: tuple[int | None, int | None]
    model: str
    fmr: float
    as_json: bool
    device: str = "auto"  # of the network
    detector_device: str = "cpu"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, help=f"a photo, or a folder with up to {MAX_PHOTOS} photos of one person")
    parser.add_argument("second", type=Path, help="the same for the other side")
    parser.add_argument("--model", default="base", help="bundled name, weights or ONNX file, or Hub id (default: base)")
    parser.add_argument(
        "--fmr", type=fraction, default=DEFAULT_FMR, help="target false match rate, 0-1 (default: 0.001)"
    )
    parser.add_argument("--face-a", type=int, metavar="N", help="use the N-th largest face of the first photo")
    parser.add_argument("--face-b", type=int, metavar="N", help="use the N-th largest face of the second photo")
    add_device_argument(parser)
    add_detector_device(parser, "--detector-device")
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")


def execute(args: argparse.Namespace) -> int:
    sides, faces = (args.first, args.second), (args.face_a, args.face_b)
    config = VerifyConfig(sides, faces, args.model, args.fmr, args.json, args.device, args.detector_device)
    comparison = verify(config)
    print(
        json.dumps(record(comparison), separators=(",", ":"), allow_nan=False) if config.as_json else report(comparison)
    )
    return 0


def verify(config: VerifyConfig) -> Comparison:
    """Load everything named in the config and compare. Raises UserError."""
    files = [photo_files(side) for side in config.sides]
    check_counts(*map(len, files))
    photos = [[load_photo(file) for file in side] for side in files]
    verifier = Verifier.from_pretrained(config.model, device=config.device, detector_device=config.detector_device)
    first, second = (
        [verifier.look(photo, None if face is None else face - 1) for photo in side]
        for side, face in zip(photos, config.faces, strict=True)
    )
    return verifier.compare(first, second, config.fmr)


def photo_files(side: Path) -> list[Path]:
    """The photo itself, or all files of a folder by name, without those that computers leave there.

    Raises UserError for a folder without files.
    """
    if not side.is_dir():
        return [side]
    files = sorted(file for file in side.iterdir() if file.is_file() and not left_by_computer(file.name))
    if not files:
        raise UserError(f"{side}: the folder has no files; put photos of one person in it")
    return files


def report(comparison: Comparison) -> str:
    """The comparison for people."""
    lines = [_shot_line(shot) for side in comparison.sides for shot in side.shots]
    rule = comparison.rule
    return "\n".join(
        [
            *lines,
            f"pose pair: {pair_words(comparison.pose_pair)}",
            f"score {comparison.score:.4f}, threshold {rule.point.threshold:.4f} "
            f"({comparison.model}, target FMR {rule.point.target_fmr:g})",
            f"{headline(comparison.decision)}. {explanation(rule, comparison.score)}",
            error_rates(rule.point),
            provenance(rule),
            *([f"What to add next: {next_words(comparison.what_next)}"] if comparison.what_next else []),
        ]
    )


def _shot_line(shot: Shot) -> str:
    face = shot.face
    others = f", {len(shot.faces)} faces found, number {shot.chosen + 1} used" if len(shot.faces) > 1 else ""
    turned = f", {turned_words(shot.turned_degrees)}" if shot.turned_degrees else ""
    left, top, right, bottom = (round(v) for v in face.box_xyxy)
    return (
        f"{shot.photo.name}: {POSE_LABELS[face.pose]} face ({head_words(face)}) "
        f"in box {left},{top},{right},{bottom}{others}{turned}"
    )
