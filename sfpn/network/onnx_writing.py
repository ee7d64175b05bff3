"""Writing ONNX files: a module traced, its card put into the file and read back, the file run."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from sfpn.errors import UserError
from sfpn.network.card import Card
from sfpn.network.exported import OUTPUT, pixels_of
from sfpn.network.onnx_model import OnnxModel
from sfpn.onnx_runtime import onnx_runtime
from sfpn.photos.preprocess import Preprocess

INPUT, BATCH_AXIS = "face", "faces"
OPSET = 17
CARD_KEY = "card"  # in the file's metadata
RUN_BATCH = 8


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


def run_encoded(
    path: Path, encoded: bytes, preprocess: Preprocess, crops: Sequence[Image.Image], size: int
) -> np.ndarray:
    """The embeddings of the file; a batch and one face alone, so that the batch is known to be free."""
    model = OnnxModel(path, encoded, size=preprocess.size, descriptor_size=size, output=OUTPUT, threads=1)
    pixels = pixels_of(preprocess, crops)
    parts = [model.run(pixels[start : start + RUN_BATCH]) for start in range(1, len(pixels), RUN_BATCH)]
    return np.concatenate([model.run(pixels[:1]), *parts])


def with_card_inside(onnx: Any, encoded: bytes, card: Card) -> bytes:
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


def card_inside(path: Path) -> Card:
    """The card in the metadata of an exported file, without hash. Raises UserError if there is none."""
    onnx = require_onnx()
    try:
        properties = {each.key: each.value for each in onnx.load(str(path), load_external_data=False).metadata_props}
        return Card.from_json(json.loads(properties[CARD_KEY]))
    except Exception as error:  # the decoder's errors have no common class
        raise UserError(f"{path}: holds no card; export it again with this version") from error
