"""The pose estimator's network as an ONNX graph, for ONNX Runtime to compute in this process (see on_processor)."""

from __future__ import annotations

import numpy as np
from torch import nn

from sfpn.onnx_file import Attributes, OnnxFile

CROPS, LANDMARKS = "crops", "landmarks"
AREA, STEP = 3, 2  # maps are 7x7: their 3x3 areas of adaptive_avg_pool2d, which ONNX lacks, are these windows


def encode(network: nn.Module, root_offset: float, described_scale: float) -> bytes:
    """The ONNX file of a PoseNet: crops (B, 3, 64, 64) less the mean, landmarks (B, 10) -> (B, 4).

    root_offset, described_scale: how averaged maps become numbers of the size of landmarks, see PoseNet.from_maps.
    """
    file = OnnxFile()
    maps = CROPS
    for layer in (*network.get_submodule("stem").children(), *network.get_submodule("body").children()):
        maps = _layer(file, layer, maps)
    windows: Attributes = {"kernel_shape": [AREA, AREA], "strides": [STEP, STEP]}
    averaged = file.node("Flatten", [file.node("AveragePool", [maps], windows)])
    offset, factor = file.weights(np.array([root_offset]), np.array([1 / described_scale]))
    described = file.node("Mul", [file.node("Sqrt", [file.node("Add", [averaged, offset])]), factor])
    joined = file.node("Concat", [described, LANDMARKS], {"axis": 1})
    hidden = file.node("Relu", [_linear(file, network.get_submodule("hidden"), joined)])
    from_hidden = _linear(file, network.get_submodule("from_hidden"), hidden)
    direct = _linear(file, network.get_submodule("direct"), joined)
    output = file.node("Add", [from_hidden, direct])
    return file.encoded({CROPS: ("batch", 3, "high", "wide"), LANDMARKS: ("batch", 10)}, {output: ("batch", 4)})


def _layer(file: OnnxFile, layer: nn.Module, maps: str) -> str:
    if isinstance(layer, nn.Conv2d):
        return _convolution(file, layer, maps)
    if isinstance(layer, nn.ReLU):
        return file.node("Relu", [maps])
    if isinstance(layer, nn.MaxPool2d):
        assert isinstance(layer.kernel_size, int) and isinstance(layer.stride, int)
        pooled: Attributes = {"kernel_shape": [layer.kernel_size] * 2, "strides": [layer.stride] * 2}
        return file.node("MaxPool", [maps], pooled)
    squeezed = file.node("Relu", [_convolution(file, layer.get_submodule("squeeze"), maps)])
    sides = (_convolution(file, layer.get_submodule(name), squeezed) for name in ("expand1", "expand3"))
    return file.node("Concat", [file.node("Relu", [side]) for side in sides], {"axis": 1})


def _convolution(file: OnnxFile, layer: nn.Module, maps: str) -> str:
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    size, stride, pad = (int(pair[0]) for pair in (layer.kernel_size, layer.stride, layer.padding))
    shape: Attributes = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": [pad] * 4}
    weights = file.weights(layer.weight.detach().numpy(), layer.bias.detach().numpy())
    return file.node("Conv", [maps, *weights], shape)


def _linear(file: OnnxFile, layer: nn.Module, numbers: str) -> str:
    weights = file.weights(*(value.detach().numpy() for value in layer.parameters()))
    return file.node("Gemm", [numbers, *weights], {"transB": 1})
