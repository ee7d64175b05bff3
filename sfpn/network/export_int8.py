"""The int8 form of an exported ONNX file: weights symmetric, one scale per output channel, activations uint8.

Ranges come from calibration faces (Jacob et al., arXiv 1712.05877); the first convolution stays in float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sfpn.network import checkpoint
from sfpn.network.embedders import SFPNEmbedder
from sfpn.network.exported import FEWEST_CALIBRATION_FACES, pixels_of, require_enough_to_calibrate, silenced
from sfpn.network.onnx_writing import INPUT, run_encoded

CALIBRATION_BATCH = FEWEST_CALIBRATION_FACES
# Share of activations that keep their value; the rest is cut off, which buys finer steps for all others.
CALIBRATION_PERCENTILE = 99.999
QUANTISED = ("Conv", "MaxPool", "Concat")


def quantised(onnx: Any, encoded: bytes, embedder: SFPNEmbedder, crops: list[Image.Image]) -> bytes:
    """The file with int8 weights, and its mean error on the calibration faces taken off the descriptor mean.

    What the rounding adds to every face alike would otherwise point all embeddings in one direction.
    """
    require_enough_to_calibrate(crops)
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    pixels = pixels_of(embedder.preprocess, crops)
    first = next(node.name for node in onnx.load_from_string(encoded).graph.node if node.op_type == "Conv")
    with tempfile.TemporaryDirectory() as folder, silenced():
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
    found = run_encoded(Path("int8.onnx"), model.SerializeToString(), embedder.preprocess, crops, size)
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
