"""Writes the card of a model that has none: what it is called, and how a face becomes its input.

    python -m sfpn make-card mine.onnx
    python -m sfpn make-card mine.onnx --geometry five_point --mean 127.5 127.5 127.5 --scale 127.5 --licence MIT

What no option says is tried: each plausible preprocessing on the same faces, the best one is taken, and the equal error
rates are printed so that you can judge. Thresholds come afterwards, with: python -m sfpn calibrate.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation.preprocess_search import (
    Forward,
    Tried,
    chosen_by,
    doubts,
    in_words,
    settings,
    some_faces,
    try_settings,
)
from sfpn.network import checkpoint, onnx_model
from sfpn.network.card import card_path, save_card
from sfpn.network.first_card import NOT_STATED, first_card, onnx_architecture
from sfpn.network.model import INPUT_SIZE, SFPN
from sfpn.photos.preprocess import CHANNELS, GEOMETRIES, PADDINGS, Preprocess

SHOWN = 8  # settings in the table
DECIDING = ("geometry", "mean", "scale")  # without these, faces are needed to choose by


@dataclass(frozen=True)
class Opened:
    """A network without a card: how to run it, and what a card says of it."""

    forward: Forward
    size: int
    architecture: dict
    parameters: int | None
    whole_pixels: bool  # takes uint8, so that no mean can be subtracted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn make-card`."""
    parser.add_argument("model", type=Path, help="an .onnx file, or .safetensors of a SqueezeFacePoseNet")
    parser.add_argument("--name", help="what it is called here (default: the file's name)")
    parser.add_argument("--title", help="what it is, in a line")
    parser.add_argument("--licence", help="of the weights")
    parser.add_argument("--geometry", choices=GEOMETRIES, help="box: square around the face; five_point: aligned")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="side of the crop (default: what the file states)")
    parser.add_argument("--mean", type=float, nargs=3, metavar=("R", "G", "B"), help="subtracted from pixels 0-255")
    parser.add_argument("--scale", type=float, help="what they are then divided by")
    parser.add_argument("--channels", choices=CHANNELS, help="order in which the network gets them")
    parser.add_argument("--crop-factor", type=float, help="box: side of the square over the shorter side of the face")
    parser.add_argument("--padding", choices=PADDINGS, help="beyond the photo's border")
    parser.add_argument("--mirror-sum", action="store_true", help="add the embedding of the mirrored crop")
    parser.add_argument("--output", metavar="NAME", help="ONNX output that is the embedding, where there are several")
    parser.add_argument(
        "--descriptor-size", type=int, metavar="N", help="numbers of the embedding, for the same purpose"
    )
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="faces to try on (default: the drawn people)")
    parser.add_argument("--force", action="store_true", help="replace a card that is there")


def execute(args: argparse.Namespace) -> int:
    """Open, try, write and print; 0 when the card is there. Raises UserError."""
    path: Path = args.model
    if not path.is_file():
        raise UserError(f"{path}: no such file; give an .onnx or .safetensors file")
    if card_path(path).exists() and not args.force:
        raise UserError(f"{card_path(path)}: is there already; replace it with --force")
    encoded = path.read_bytes()
    opened = open_network(path, encoded, args)
    tried = _tried(opened, args)
    for line in evidence(tried):
        print(line)
    card = first_card(
        path,
        hashlib.sha256(encoded).hexdigest(),
        tried[0].preprocess,
        opened.architecture,
        chosen_by(tried, (args.dataset or DRAWN_PEOPLE).name),
        name=args.name or "",
        title=args.title or _ask("Title", path.stem),
        licence=args.licence or _ask("Licence of the weights", NOT_STATED),
        parameters=opened.parameters,
        mirror_sum=args.mirror_sum,
    )
    save_card(card, path)
    print(f"{card_path(path)}: written. Thresholds: python -m sfpn calibrate {path} --set-on DIR --measure-on DIR")
    return 0


def open_network(path: Path, encoded: bytes, args: argparse.Namespace) -> Opened:
    """The network of a file. Raises UserError for a file that is none."""
    if path.suffix == ".onnx":
        external = onnx_model.external_files(path, encoded)
        model = onnx_model.OnnxModel(
            path,
            encoded,
            size=args.size,
            descriptor_size=args.descriptor_size,
            output=args.output,
            external=external,
            threads=torch.get_num_threads(),
        )
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in external.items()}
        architecture = onnx_architecture(model.descriptor_size, model.output, hashes)
        return Opened(model.run, model.size, architecture, None, model.input.is_whole)
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: cannot be used; give an .onnx or .safetensors file")
    tensors = checkpoint.read_tensors(encoded, path)
    network = SFPN(config := checkpoint.infer_config(tensors, path))
    network.load_state_dict(tensors)
    network.eval()

    def forward(batch):
        with torch.inference_mode():
            return network(torch.from_numpy(batch)).numpy()

    architecture = {
        "type": checkpoint.ARCHITECTURE,
        "depthwise": config.depthwise,
        "descriptor_size": config.descriptor_size,
    }
    parameters = sum(tensor.numel() for tensor in tensors.values())
    return Opened(forward, args.size or INPUT_SIZE, architecture, parameters, False)


def _tried(opened: Opened, args: argparse.Namespace) -> list[Tried]:
    """What was tried, best first; only the given setting, with a rate of NaN, where there are no faces."""
    names = ("geometry", "scale", "channels", "crop_factor", "padding")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    given |= {"mean": tuple(args.mean)} if args.mean else {}
    given |= {"mean": (0.0, 0.0, 0.0), "scale": 1.0} if opened.whole_pixels else {}
    _check_numbers(given)
    folder = args.dataset or (DRAWN_PEOPLE if DRAWN_PEOPLE.is_dir() else None)
    if folder is not None:
        return try_settings(opened.forward, some_faces(FaceDataset.open(folder)), settings(opened.size, given))
    missing = [f"--{name}" for name in DECIDING if name not in given]
    if missing:
        raise UserError(f"there are no faces here to choose by; give {', '.join(missing)}, or a --dataset to try on")
    return [Tried(Preprocess(**{"size": opened.size, **given}), math.nan, 0, 0)]


def _check_numbers(given: dict) -> None:
    for name in ("scale", "crop_factor"):
        if name in given and not 0 < given[name] < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {given[name]:g}: must be a number above zero")
    if not all(math.isfinite(value) for value in given.get("mean", ())):
        raise UserError("--mean: must be three finite numbers")


def evidence(tried: list[Tried]) -> list[str]:
    """The table of what was tried, for people."""
    best = tried[0]
    if not best.genuine:
        return ["Nothing was tried: there are no faces here."]
    lines = [f"EER % of {best.genuine} genuine and {best.impostor} impostor pairs, by preprocessing:"]
    lines += [f"  {_percent(each.eer):>6}  {in_words(each.preprocess)}" for each in tried[:SHOWN]]
    lines += [f"  ({len(tried) - SHOWN} more were worse)"] if len(tried) > SHOWN else []
    words = doubts(tried)
    return [*lines, words] if words else lines


def _percent(rate: float) -> str:
    return "-" if math.isnan(rate) else f"{100 * rate:.1f}"


def _ask(what: str, default: str) -> str:
    """The answer of a person at a terminal; the default where there is nobody."""
    if not sys.stdin.isatty():
        return default
    try:
        return input(f"{what} [{default}]: ").strip() or default
    except EOFError:
        return default
