"""The int8 form of a LiteRT file: weights symmetric, one scale per output channel, activations int8, static.

By ai-edge-quantizer, from the float32 file of sfpn.network.export_litert. All layers but the first become int8; what
lies before and after them (mean of the pixels, mirrored crop, first convolution; mean over the map, descriptor mean,
pose direction) stays in float32.

Ranges are the least and the largest value on the calibration faces. Nothing is cut off, unlike in the ONNX file:
ranges of drawn faces that were cut at 99.999 % clipped the activations of real ones.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.network.export_litert import SUFFIX, converted, opened, require_litert
from sfpn.network.export_program import Target, export_program
from sfpn.network.exported import Exported, FromPixels, silenced

FORMAT = "litert-int8"
QUANTISED = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONCATENATION", "MAX_POOL_2D")


def export_litert_int8(
    name_or_path: str | Path,
    out: Path,
    check_on: Sequence[Image.Image],
    calibrate_on: Sequence[Image.Image],
    calibrated_with: str = "",
) -> Exported:
    """Write the file of a network and its card beside it, as `export_program` does; `out` ends in .tflite.

    Raises UserError if a package is missing, and as `export_program` does.
    """
    require_litert_int8()
    target = Target(FORMAT, SUFFIX, "a LiteRT file", "the only input", quantised, opened)
    return export_program(target, name_or_path, out, check_on, calibrate_on, calibrated_with)


def require_litert_int8() -> None:
    """Raise UserError unless what LiteRT needs and ai-edge-quantizer are installed."""
    require_litert()
    try:
        import ai_edge_quantizer.quantizer  # noqa: F401  # pyright: ignore[reportMissingImports] (an extra)
    except ImportError as error:
        raise UserError(
            "exporting to LiteRT in int8 needs the package ai-edge-quantizer too; "
            "run: pip install ai-edge-quantizer (the extra 'litert')"
        ) from error


def quantised(model: FromPixels, shape: tuple[int, ...], pixels: np.ndarray) -> bytes:
    """The encoded file, and the mean error on the calibration faces taken off the descriptor mean.

    pixels: of the calibration faces, (faces, 3, size, size) float32. What the rounding adds to every face alike would
    otherwise point all embeddings in one direction.
    """
    encoded = converted(model, shape)
    recipe = _recipe(model)
    with silenced():
        ranges = _ranges(encoded, recipe, pixels)
        found = opened(_with_ranges(encoded, recipe, ranges))(pixels)
        corrected = copy.deepcopy(model)
        corrected.get_buffer("center").add_(torch.from_numpy((found - opened(encoded)(pixels)).mean(axis=0)))
        return _shortened(_with_ranges(converted(corrected, shape), recipe, ranges))


def _recipe(model: FromPixels) -> Any:
    """Which operations become int8, by the names of the layers that they were: the first one, 7 kB, sees the pixels."""
    from ai_edge_quantizer.recipe_manager import RecipeManager  # pyright: ignore[reportMissingImports]

    layers = [re.escape(name) for name, _ in model.network.layers.named_children()][1:]
    recipe = RecipeManager()
    for operation in QUANTISED:
        recipe.add_static_config(f"_({'|'.join(layers)})[/;]", operation, activation_num_bits=8, weight_num_bits=8)
    return recipe


def _ranges(encoded: bytes, recipe: Any, pixels: np.ndarray) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]
    from ai_edge_quantizer.calibrator import Calibrator  # pyright: ignore[reportMissingImports]
    from ai_edge_quantizer.utils.qsv_utils import min_max_update  # pyright: ignore[reportMissingImports]

    [(signature, names)] = Interpreter(model_content=encoded).get_signature_list().items()
    calibrator = Calibrator(encoded, num_threads=1, qsv_update_func=min_max_update)
    calibrator.calibrate({signature: [{names["inputs"][0]: face[None]} for face in pixels]}, recipe)
    return calibrator.get_model_qsvs()


def _with_ranges(encoded: bytes, recipe: Any, ranges: dict[str, Any]) -> bytes:
    from ai_edge_quantizer.quantizer import Quantizer  # pyright: ignore[reportMissingImports]

    quantizer = Quantizer(encoded, recipe.get_quantization_recipe())
    return bytes(quantizer.quantize(ranges, enable_progress_report=False).quantized_model or b"")


def _shortened(encoded: bytes) -> bytes:
    """The same file without what takes room for nothing: a tenth of the small network's.

    Names inside become short, but for input and output. Equal lists of numbers are kept once: nearly all are the zero
    points of the weights and biases, eight bytes a channel and all zero, for which readers want one list a tensor, as
    long as its scales; that several tensors point to the same one is for them as if each had its own.
    """
    import flatbuffers  # pyright: ignore[reportMissingImports] (comes with ai-edge-litert)
    from ai_edge_litert.tools import flatbuffer_utils  # pyright: ignore[reportMissingImports]

    kept: dict[tuple[str, bytes], int] = {}

    class KeepsEqualOnce(flatbuffers.Builder):
        def CreateNumpyVector(self, x: np.ndarray) -> int:
            key = x.dtype.str, x.tobytes()
            if key not in kept:
                kept[key] = super().CreateNumpyVector(x)
            return kept[key]

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(encoded))
    for graph in model.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            if number not in (*graph.inputs, *graph.outputs):
                tensor.name = f"t{number}".encode()
    builder = KeepsEqualOnce(len(encoded))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
