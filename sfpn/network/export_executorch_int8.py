"""The int8 form of an ExecuTorch program: weights symmetric, one scale per output channel, activations int8, static.

By XNNPACK's quantiser of torch.export graphs. All layers but the first become int8; what lies before and after them
(mean of the pixels, mirrored crop, first convolution; mean over the map, descriptor mean, pose direction) stays in
float32.

Ranges are the least and the largest value on the calibration faces: those of the quantiser's own histograms cut off so
much that the median face kept a cosine of 0.988 only.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from sfpn.network.export_executorch import METHOD, SUFFIX, lowered, opened, require_executorch
from sfpn.network.export_program import Target, export_program
from sfpn.network.exported import Exported, FromPixels, silenced

FORMAT = "executorch-int8"


def export_executorch_int8(
    name_or_path: str | Path,
    out: Path,
    check_on: Sequence[Image.Image],
    calibrate_on: Sequence[Image.Image],
    calibrated_with: str = "",
) -> Exported:
    """Write the program of a network and its card beside it, as `export_program` does; `out` ends in .pte.

    Raises UserError if executorch is missing, and as `export_program` does.
    """
    require_executorch()
    target = Target(FORMAT, SUFFIX, "an ExecuTorch program", f"method {METHOD}", quantised, opened)
    return export_program(target, name_or_path, out, check_on, calibrate_on, calibrated_with)


class _SomeQuantised(nn.Module):
    """Stands for the network: its first layer, the others as a quantised graph, and the mean over the map."""

    def __init__(self, first: nn.Module, others: nn.Module) -> None:
        super().__init__()
        self.first, self.others = first, others

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return self.others(self.first(faces)).mean(dim=(2, 3))


def quantised(model: FromPixels, shape: tuple[int, ...], pixels: np.ndarray) -> bytes:
    """The encoded program, and the mean error on the calibration faces taken off the descriptor mean.

    pixels: of the calibration faces, (faces, 3, size, size) float32. What the rounding adds to every face alike would
    otherwise point all embeddings in one direction.
    """
    with silenced(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch about itself
        changed = _with_int8_layers(model, pixels)
        exact = np.concatenate([model(torch.from_numpy(face[None])).numpy() for face in pixels])
        error = (opened(lowered(changed, shape))(pixels) - exact).mean(axis=0)
        changed.get_buffer("center").add_(torch.from_numpy(error))
        return lowered(changed, shape)


def _with_int8_layers(model: FromPixels, pixels: np.ndarray) -> FromPixels:
    """A copy of the model all of whose layers but the first are int8."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (  # pyright: ignore[reportMissingImports]
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e import MinMaxObserver  # pyright: ignore[reportMissingImports]
    from torchao.quantization.pt2e.quantize_pt2e import (  # pyright: ignore[reportMissingImports]
        convert_pt2e,
        prepare_pt2e,
    )

    config: Any = get_symmetric_quantization_config(is_per_channel=True)
    activation = replace(config.input_activation, observer_or_fake_quant_ctr=MinMaxObserver.with_args(eps=2**-12))
    config = replace(config, input_activation=activation, output_activation=activation)
    layers = model.network.layers
    example = next(_seen_by(layers[1], model, pixels))
    prepared = prepare_pt2e(torch.export.export(layers[1:], (example,)).module(), XNNPACKQuantizer().set_global(config))
    for maps in _seen_by(layers[1], model, pixels):
        prepared(maps)
    changed: Any = copy.deepcopy(model)
    changed.network = _SomeQuantised(layers[0], convert_pt2e(prepared))
    return changed


def _seen_by(layer: nn.Module, model: FromPixels, pixels: np.ndarray) -> Iterator[torch.Tensor]:
    """What a layer of the model is given for each face: (1, C, H, W), of a mirrored face too (2, C, H, W)."""
    found: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    try:
        for face in pixels:
            model(torch.from_numpy(face[None]))
            yield found.pop()
    finally:
        hook.remove()
