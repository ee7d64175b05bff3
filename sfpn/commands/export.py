"""A network as one file for phones, browsers and other languages: pixels of a face crop in, the embedding out.

    python -m sfpn export base --format onnx --out base.onnx
    python -m sfpn export depthwise --format onnx-int8 --out small.onnx --calibrate datasets/mine:train
    python -m sfpn export base --format executorch --out base.pte   # for phones, one face at a time
    python -m sfpn export base --format litert --out base.tflite    # the same for LiteRT (TensorFlow Lite)
    python -m sfpn export depthwise --format litert-int8 --out small.tflite  # or executorch-int8
    python -m sfpn export detector --out detector                   # MTCNN's three networks, a folder
    python -m sfpn export pose --out pose.onnx                      # where a face looks: yaw, pitch, roll

Input `face`: (faces, 3, size, size) float32, RGB 0-255, any number of faces. Output `embedding`: (faces, numbers),
ready for the cosine. The card lies in the ONNX file and beside it, so that --model FILE.onnx works in every command.
A file whose embeddings stray from Python's is not written: cosine below 0.9999 on any face, in int8 below 0.99 on
the median face.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import Picture
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.network import checkpoint, export_executorch, export_executorch_int8, export_litert, export_litert_int8
from sfpn.network.export import FORMATS, export
from sfpn.network.export_detector import CARD_NAME, export_detector
from sfpn.network.export_pose import export_pose
from sfpn.photos.preprocess import Preprocess

CHECKED_EACH, CALIBRATED_EACH = 8, 32  # faces per pose
DETECTOR, POSE = "detector", "pose"
PROGRAMS = {
    export_executorch.FORMAT: export_executorch.export_executorch,
    export_litert.FORMAT: export_litert.export_litert,
}
INT8_PROGRAMS = {
    export_executorch_int8.FORMAT: export_executorch_int8.export_executorch_int8,
    export_litert_int8.FORMAT: export_litert_int8.export_litert_int8,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn export`."""
    parser.add_argument("model", metavar="NAME", help="bundled name, .safetensors file or Hub id; or: detector, pose")
    parser.add_argument(
        "--format",
        choices=(*FORMATS, *PROGRAMS, *INT8_PROGRAMS),
        default=FORMATS[0],
        help="ONNX, or for phones ExecuTorch or LiteRT, each in float32 or int8 (default: onnx)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="FILE.onnx, .pte (executorch) or .tflite (litert) to write; FILE.json beside",
    )
    parser.add_argument(
        "--calibrate",
        metavar="DIR[:SPLIT]",
        help="faces of all poses that int8 is calibrated on and every file is checked on (default: the drawn people)",
    )


def execute(args: argparse.Namespace) -> int:
    """Export, check and print; 0 when the file is there. Raises UserError."""
    if args.calibrate is None and not DRAWN_PEOPLE.is_dir():
        raise UserError("there are no faces here to check the file on; give some with --calibrate DIR")
    selection = Selection.parse(args.calibrate or str(DRAWN_PEOPLE))
    if args.model == DETECTOR:
        return _export_detector(args, selection)
    if args.model == POSE:
        return _export_pose(args, selection)
    preprocess = checkpoint.load_checked_card(checkpoint.resolve(args.model)).preprocess
    calibrated = CALIBRATED_EACH if args.format.endswith("-int8") else 0
    check_on, calibrate_on = faces_of_all_poses(selection, preprocess, CHECKED_EACH, calibrated)
    if args.format in PROGRAMS:
        done = PROGRAMS[args.format](args.model, args.out, check_on)
    elif args.format in INT8_PROGRAMS:
        done = INT8_PROGRAMS[args.format](args.model, args.out, check_on, calibrate_on, selection.title)
    else:
        done = export(args.model, args.format, args.out, check_on, calibrate_on, selection.title)
    print(
        f"{done.path}: {done.bytes:,} bytes, its card beside it; cosine to {args.model} on {len(check_on)} faces: "
        f"median {done.median_cosine:.5f}, lowest {done.lowest_cosine:.5f}"
    )
    return 0


def _export_detector(args: argparse.Namespace, selection: Selection) -> int:
    if args.format != "onnx":
        raise UserError("the detector is exported as ONNX in float32 only; use --format onnx")
    [check_on] = faces_of_all_poses(selection, Preprocess(), CHECKED_EACH)
    card = export_detector(args.out, check_on)
    files = ", ".join(each["file"] for each in card["networks"].values())
    print(f"{args.out}: {files}, and {CARD_NAME}, which says how they are driven")
    return 0


def _export_pose(args: argparse.Namespace, selection: Selection) -> int:
    if args.format != "onnx":
        raise UserError("the pose estimator is exported as ONNX in float32 only; use --format onnx")
    [check_on] = pictures_of_all_poses(selection, CHECKED_EACH)
    card = export_pose(args.out, [(each.decode(), each.face) for each in check_on if each.face])
    print(
        f"{args.out}: {args.out.stat().st_size:,} bytes, its card beside it; angles of {len(check_on)} faces within "
        f"{card['largest_difference_degrees']:g} degrees of Python's"
    )
    return 0


def faces_of_all_poses(selection: Selection, preprocess: Preprocess, *each: int) -> tuple[list[Image.Image], ...]:
    """Crops of the pictures of pictures_of_all_poses."""
    groups = pictures_of_all_poses(selection, *each)
    return tuple([preprocess.crop(picture.decode(), picture.face) for picture in group] for group in groups)


def pictures_of_all_poses(selection: Selection, *each: int) -> tuple[list[Picture], ...]:
    """Groups of pictures with a face that share none: as many of every pose as `each` says, spread over the people.

    Raises UserError if no face was found in any picture.
    """
    rows = selection.rows()
    rows = rows.loc[rows["box_xyxy"].notna()].fillna({"pose": ""})
    chosen: list[set[str]] = [set() for _ in each]
    for pose in sorted(set(rows["pose"])):
        mixed = rows.loc[rows["pose"] == pose].sort_values("row_id").sample(frac=1, random_state=0)
        # One picture of each person before a second one of anybody.
        turns = mixed.groupby("identity").cumcount().sort_values(kind="stable").index
        picked = mixed.loc[turns, "row_id"].to_numpy()[: sum(each)]
        shares = np.round(np.cumsum(each) / sum(each) * len(picked)).astype(int)
        for group, part in zip(chosen, np.split(picked, shares[:-1]), strict=True):
            group.update(part.tolist())
    groups = tuple(list(selection.dataset.pictures(ids)) for ids in chosen)
    if not groups[0]:
        raise UserError(f"{selection.title}: no face was found in its pictures; give other faces with --calibrate DIR")
    return groups
