"""The three networks of MTCNN as ONNX graphs, for ONNX Runtime to compute in this process (see on_processor).

PyTorch prepares code anew for every size of a pyramid's level and every number of candidates, and no two photos have
the same: this takes a third of the time that a photo takes, and ONNX Runtime does without.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from sfpn.onnx_file import Attributes, OnnxFile

INPUT = "windows"
BLOCK = 16  # channels that ONNX Runtime keeps together, where it has AVX-512; half of it elsewhere


def encode(network: nn.Module) -> bytes:
    """The ONNX file of P-Net, R-Net or O-Net of facenet-pytorch; outputs in the order of its `forward`.

    Layers are computed in the order in which they were made; those with an underscore in their names are the heads.
    """
    file, maps, heads, flat = OnnxFile(), INPUT, {}, False
    for name, layer in network.named_children():
        if isinstance(layer, nn.Linear) and not flat:
            maps, flat = file.node("Flatten", [file.node("Transpose", [maps], {"perm": [0, 3, 2, 1]})]), True
        if isinstance(layer, nn.Softmax):
            heads["1"] = file.node("Softmax", [heads["1"]], {"axis": 1}, output="probability")
        elif "_" in name:
            number = name.rsplit("_")[-1]
            heads[number] = _layer(file, layer, maps, {"2": "regression", "3": "points"}.get(number, ""))
        else:
            maps = _layer(file, layer, maps) if flat or not isinstance(layer, nn.PReLU) else _prelu(file, layer, maps)
    free: tuple[str, ...] = () if flat else ("height", "width")
    widths = (("2", 4), ("3", 10), ("1", 2))
    outputs = {heads[number]: ("batch", width, *free) for number, width in widths if number in heads}
    return file.encoded({INPUT: ("batch", 3, "high", "wide")}, outputs)


def _layer(file: OnnxFile, layer: nn.Module, maps: str, output: str = "") -> str:
    values = [value.detach().numpy() for value in layer.parameters()]
    if isinstance(layer, nn.Conv2d):
        weight, bias = _whole_blocks(values[0], is_head=len(values[0]) <= 4), values[1]
        bias = np.pad(bias, (0, len(weight) - len(bias)))
        return file.node("Conv", [maps, *file.weights(weight, bias)], {"kernel_shape": list(weight.shape[2:])}, output)
    if isinstance(layer, nn.Linear):
        return file.node("Gemm", [maps, *file.weights(*values)], {"transB": 1}, output)
    if isinstance(layer, nn.PReLU):
        return file.node("PRelu", [maps, *file.weights(*values)])
    assert isinstance(layer, nn.MaxPool2d) and isinstance(layer.kernel_size, int) and isinstance(layer.stride, int)
    size, stride = layer.kernel_size, layer.stride
    pooled: Attributes = {"kernel_shape": [size, size], "strides": [stride, stride], "ceil_mode": int(layer.ceil_mode)}
    return file.node("MaxPool", [maps], pooled)


def _whole_blocks(weight: np.ndarray, is_head: bool) -> np.ndarray:
    """Weights (O, I, H, W) with zeros for further channels, so that these come in whole blocks, but for pixels' and
    heads'."""
    outputs, inputs = weight.shape[:2]
    more = (0 if is_head else -outputs % BLOCK, 0 if inputs == 3 else -inputs % BLOCK)
    return np.pad(weight, ((0, more[0]), (0, more[1]), (0, 0), (0, 0)))


def _prelu(file: OnnxFile, layer: nn.PReLU, maps: str) -> str:
    """x where it is above 0, else its channel's slope times x: slope * x + (1 - slope) * relu(x).

    As convolutions of one pixel and one channel: ONNX Runtime keeps maps in another order in memory for convolutions,
    and has no PRelu for that order.
    """
    slopes = layer.weight.detach().numpy()
    slopes = np.pad(slopes, (0, -len(slopes) % BLOCK))[:, None, None, None]
    alone: Attributes = {"kernel_shape": [1, 1], "group": len(slopes)}

    def times(factors: np.ndarray, maps: str) -> str:
        return file.node("Conv", [maps, *file.weights(factors)], alone)

    if (slopes <= 1).all():
        above = file.node("Relu", [times(1 - slopes, maps)])
    else:
        above = times(1 - slopes, file.node("Relu", [times(np.ones_like(slopes), maps)]))
    return file.node("Add", [times(slopes, maps), above])
