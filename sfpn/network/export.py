"""A SqueezeFacePoseNet as one ONNX file that needs none of this code: pixels of a crop in, the final embedding out.

What the card asks for before and after the network (mean and scale, order of channels, mirrored crop, descriptor mean,
pose direction) is part of the file, and so is the card. No file is left behind that was not opened again and compared
with what Python computes on the same faces.

onnx        float32; every face must keep a cosine of 0.9999
onnx-int8   weights int8, symmetric, one scale per output channel; activations uint8, ranges from calibration faces
            (Jacob et al., arXiv 1712.05877); the first convolution stays float32. The median face must keep 0.99
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.network import checkpoint
from sfpn.network.card import Card, card_path, save_card
from sfpn.network.embedders import SFPNEmbedder
from sfpn.network.model import SFPN
from sfpn.network.onnx_model import OnnxModel
from sfpn.onnx_runtime import onnx_runtime
from sfpn.photos.preprocess import Preprocess

INPUT, OUTPUT, BATCH_AXIS = "face", "embedding", "faces"
OPSET = 17
CARD_KEY = "card"  # in the file's metadata
FORMATS = ("onnx", "onnx-int8")
FLOAT_COSINE = 0.9999  # lowest of the faces
INT8_COSINE = 0.99  # median of the faces
CALIBRATION_BATCH = 8
# Share of activations that keep their value; the rest is cut off, which buys finer steps for all others.
CALIBRATION_PERCENTILE = 99.999
QUANTISED = ("Conv", "MaxPool", "Concat")


@dataclass(frozen=True)
class Exported:
    """The file that was written, its card, and the cosine of its embeddings to Python's on the checked faces."""

    path: Path
    card: Card
    bytes: int
    lowest_cosine: float
    median_cosine: float


class FromPixels(nn.Module):
    """(B, 3, size, size) float32, RGB 0-255 -> (B, D): the network with all that its card asks for."""

    def __init__(self, network: SFPN, card: Card) -> None:
        super().__init__()
        self.network, self.mirror_sum = network, card.mirror_sum
        self.descriptor_size = network.config.descriptor_size
        self.bgr = card.preprocess.channels == "BGR"
        self.scale = card.preprocess.scale
        self.register_buffer("pixel_mean", torch.tensor(card.preprocess.mean).view(1, 3, 1, 1))
        center = card.descriptor_mean or (0.0,) * self.descriptor_size
        self.register_buffer("center", torch.tensor(center) * (2 if card.mirror_sum else 1))
        direction = card.pose_direction
        self.register_buffer("direction", None if direction is None else torch.tensor(direction))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        # Not folded into the first convolution: its padding is zeros after the mean is subtracted.
        faces = pixels - self.get_buffer("pixel_mean")
        faces = faces / self.scale if self.scale != 1 else faces
        faces = faces[:, [2, 1, 0]] if self.bgr else faces
        if self.mirror_sum:
            both = self.network(torch.cat([faces, faces.flip(-1)]))
            descriptors = both.reshape(2, -1, self.descriptor_size).sum(dim=0)
        else:
            descriptors = self.network(faces)
        descriptors = descriptors - self.get_buffer("center")
        if self.direction is not None:
            direction = self.get_buffer("direction")
            descriptors = descriptors - (descriptors @ direction[:, None]) * direction
        return descriptors


def export(
    name_or_path: str | Path,
    format: str,
    out: Path,
    check_on: Sequence[Image.Image],
    calibrate_on: Sequence[Image.Image] = (),
    calibrated_with: str = "",
) -> Exported:
    """Write the ONNX file of a SqueezeFacePoseNet and its card beside it.

    format: one of FORMATS. out: ends in .onnx. check_on: crops as the card's preprocessing makes them, on which file
    and Python are compared. calibrate_on: other crops, of all poses, for onnx-int8; calibrated_with: their name, for
    the card. Raises UserError for other models, if a package is missing, and if the embeddings differ too much; then
    `out` is as it was.
    """
    onnx = require_onnx()
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}, not {format!r}")
    if out.suffix != ".onnx":
        raise UserError(f"{out}: the name of an ONNX file ends in .onnx; choose another --out")
    path = checkpoint.resolve(name_or_path)
    if path.suffix == ".onnx":
        raise UserError(f"{path}: is an ONNX file already; give the .safetensors file that it was made from")
    embedder = SFPNEmbedder(path, device="cpu")
    expected = embedder.embed(list(check_on))
    network, card = checkpoint.load(path)
    free = {INPUT: {0: BATCH_AXIS}, OUTPUT: {0: BATCH_AXIS}}
    side = card.preprocess.size
    encoded = traced(FromPixels(network, card).eval(), ((2, 3, side, side),), [INPUT], [OUTPUT], free)
    if format == "onnx-int8":
        encoded = _quantised(onnx, encoded, embedder, list(calibrate_on))
    found = _run(out, encoded, embedder.preprocess, check_on, network.config.descriptor_size)
    cosines = cosines_of(expected, found)
    lowest, median = float(cosines.min()), float(np.median(cosines))
    what, value, limit = ("median", median, INT8_COSINE) if format == "onnx-int8" else ("lowest", lowest, FLOAT_COSINE)
    if not value >= limit:
        raise UserError(
            f"{out}: not written, because its embeddings stray from those of {card.name}: the {what} cosine of "
            f"{len(cosines)} faces is {value:.5f}, below {limit:g}"
            + ("; calibrate on more faces of all poses, or use --format onnx" if format == "onnx-int8" else "")
        )
    exported = {
        "format": format,
        "from": card.name,
        "from_weights_sha256": card.weights_sha256,
        "cosine_to_it": {"faces": len(cosines), "lowest": round(lowest, 6), "median": round(median, 6)},
    }
    if format == "onnx-int8":
        exported["calibrated_on"] = f"{calibrated_with or 'faces'}: {len(calibrate_on)} faces"
    new_card = exported_card(card, format, exported, network.config.descriptor_size)
    encoded = _with_card(onnx, encoded, new_card)
    new_card = replace(new_card, weights_sha256=hashlib.sha256(encoded).hexdigest())
    write_with_card(out, encoded, new_card)
    return Exported(out, new_card, len(encoded), lowest, median)


def card_inside(path: Path) -> Card:
    """The card in the metadata of an exported file, without hash. Raises UserError if there is none."""
    onnx = require_onnx()
    try:
        properties = {each.key: each.value for each in onnx.load(str(path), load_external_data=False).metadata_props}
        return Card.from_json(json.loads(properties[CARD_KEY]))
    except Exception as error:  # the decoder's errors have no common class
        raise UserError(f"{path}: holds no card; export it again with this version") from error


def require_onnx() -> Any:
    """The package onnx. Raises UserError unless it and ONNX Runtime are installed."""
    try:
        import onnx

        onnx_runtime()
    except ModuleNotFoundError as error:
        raise UserError(
            f"exporting needs the package {error.name}; run: pip install onnx onnxruntime (the extra 'onnx')"
        ) from error
    return onnx


def traced(
    model: nn.Module,
    shapes: tuple[tuple[int, ...], ...],
    inputs: list[str],
    outputs: list[str],
    free: dict[str, dict[int, str]],
) -> bytes:
    """The encoded ONNX file of a module.

    shapes: of an example of each input; free: names of the axes of any length, by input, output.

    By torch's older exporter: the newer one needs a package more and gives the same for networks like these.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that there is a newer exporter
        file = Path(folder, "model.onnx")
        torch.onnx.export(
            model,
            tuple(map(torch.zeros, shapes)),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=free,
        )
        return file.read_bytes()


def _quantised(onnx: Any, encoded: bytes, embedder: SFPNEmbedder, crops: list[Image.Image]) -> bytes:
    """The file with int8 weights, and its mean error on the calibration faces taken off the descriptor mean.

    What the rounding adds to every face alike would otherwise point all embeddings in one direction.
    """
    if len(crops) < CALIBRATION_BATCH:
        raise UserError(f"int8 needs at least {CALIBRATION_BATCH} faces of all poses to calibrate on, got {len(crops)}")
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    pixels = pixels_of(embedder.preprocess, crops)
    first = next(node.name for node in onnx.load_from_string(encoded).graph.node if node.op_type == "Conv")
    with tempfile.TemporaryDirectory() as folder, _silent():
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(encoded)
        quantize_static(
            source,
            target,
            _reader(pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[first],  # 7 kB, and it sees the pixels
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={
                "WeightSymmetric": True,
                "QuantizeBias": False,  # ONNX Runtime does it when it opens the file: 17 bytes less a channel
                "CalibPercentile": CALIBRATION_PERCENTILE,
            },
        )
        model = onnx.load(str(target))
    size = embedder.card.architecture.get("descriptor_size", checkpoint.DEFAULT_DESCRIPTOR_SIZE)
    found = _run(Path("int8.onnx"), model.SerializeToString(), embedder.preprocess, crops, size)
    error = (found - embedder.embed(crops)).mean(axis=0)
    center = next(each for each in model.graph.initializer if each.name == "center")
    center.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(center) + error, "center"))
    _shorten(model)
    return model.SerializeToString()


def _reader(pixels: np.ndarray) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    whole = len(pixels) // CALIBRATION_BATCH * CALIBRATION_BATCH  # its histograms need batches of one size
    batches = iter(np.split(pixels[:whole], whole // CALIBRATION_BATCH))

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(batches, None)
            return None if batch is None else {INPUT: batch}

    return Reader()


def _shorten(model: Any) -> None:
    """Equal constants once and short names inside: a tenth of the small network's file."""
    known: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    kept = []
    for constant in model.graph.initializer:
        name, constant.name = constant.name, ""
        key = constant.SerializeToString()
        constant.name = renamed[name] = known.setdefault(key, f"c{len(known)}")
        if constant.name not in {each.name for each in kept}:
            kept.append(constant)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    del model.graph.value_info[:]
    fixed = {each.name for each in (*model.graph.input, *model.graph.output)}
    for node in model.graph.node:
        for names in (node.input, node.output):
            for number, name in enumerate(names):
                if name and name not in fixed:
                    names[number] = renamed.setdefault(name, f"t{len(renamed)}")
        node.name = node.doc_string = ""


def _run(path: Path, encoded: bytes, preprocess: Preprocess, crops: Sequence[Image.Image], size: int) -> np.ndarray:
    """The embeddings of the file; a batch and one face alone, so that the batch is known to be free."""
    model = OnnxModel(path, encoded, size=preprocess.size, descriptor_size=size, output=OUTPUT, threads=1)
    pixels = pixels_of(preprocess, crops)
    parts = [model.run(pixels[start : start + CALIBRATION_BATCH]) for start in range(1, len(pixels), CALIBRATION_BATCH)]
    return np.concatenate([model.run(pixels[:1]), *parts])


def pixels_of(preprocess: Preprocess, crops: Sequence[Image.Image]) -> np.ndarray:
    plain = replace(preprocess, mean=(0.0, 0.0, 0.0), scale=1.0, channels="RGB")
    return plain.tensor(list(crops)).numpy()


def cosines_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-30)


def exported_card(card: Card, format: str, exported: dict[str, Any], descriptor_size: int) -> Card:
    """The card of the exported file: nothing is left to be done before or after it."""
    int8 = format == "onnx-int8"
    measured = (
        f"The thresholds and their error rates are those of {card.name} in float32, not measured with this int8 file: "
        "python -m sfpn calibrate measures them."
    )
    plain = replace(card.preprocess, mean=(0.0, 0.0, 0.0), scale=1.0, channels="RGB")
    without_scores = replace(card.surface, scores=None) if card.surface else None  # they are not of this file's scores
    return replace(
        card,
        name=f"{card.name}-{'int8' if int8 else 'onnx'}",
        title=f"{card.title}, as ONNX in {'int8' if int8 else 'float32'}",
        architecture={"type": "onnx", "descriptor_size": descriptor_size, "output": OUTPUT},
        preprocess=plain,
        weights_sha256="",
        descriptor_mean=None,
        pose_direction=None,
        mirror_sum=False,
        results=[] if int8 else card.results,
        templates=() if int8 else card.templates,
        surface=without_scores if int8 else card.surface,
        limits=f"{card.limits} {measured}".strip() if int8 else card.limits,
        extra={**card.extra, "exported": exported},
    )


def _with_card(onnx: Any, encoded: bytes, card: Card) -> bytes:
    model = onnx.load_from_string(encoded)
    side = card.preprocess.size
    properties = {
        CARD_KEY: json.dumps(card.to_json(), separators=(",", ":"), allow_nan=False),
        INPUT: f"({BATCH_AXIS}, 3, {side}, {side}) float32, red, green, blue from 0 to 255",
        OUTPUT: f"({BATCH_AXIS}, {card.architecture['descriptor_size']}) float32; compare two by their cosine",
    }
    onnx.helper.set_model_props(model, properties)
    model.producer_name, model.doc_string = "sfpn export", ""
    return model.SerializeToString()


def write_with_card(out: Path, encoded: bytes, card: Card) -> None:
    try:
        with whole_file(out) as temporary:
            temporary.write_bytes(encoded)
            # Before the file has its name: a card without its file is refused in one sentence, as is the reverse.
            save_card(card, out)
    except OSError as error:
        raise UserError(
            f"{card_path(out).parent} cannot be written ({error.strerror}): choose another --out"
        ) from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the quantiser's prints and its advice to do what was done."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(before)
