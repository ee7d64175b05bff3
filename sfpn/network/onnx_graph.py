"""A SqueezeFacePoseNet as an ONNX graph laid out for ONNX Runtime on a processor: the same descriptors, half the time.

Two things cost ONNX Runtime more than the multiplications, and neither has to be there:

* A Fire module ends by copying its two outputs behind each other. Here they stay apart: the convolution that reads
  them is one convolution of each, added, which ONNX Runtime does while it writes the second.
* The depth-wise variant makes several maps of each squeezed one in one grouped convolution, for which there is no fast
  kernel. Here they are as many convolutions that make one map of each, for which there is one.

The bytes are written here, in Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding) with the
field numbers of onnx.proto, because PyTorch's exporter needs a package and a second more at every start.
`sfpn.network.export` writes files for others; this is for the process that it is made in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from sfpn.network.model import INPUT_SIZE, SFPN, Fire

INPUT, OUTPUT = "faces", "descriptors"
OPSET, IR_VERSION = 13, 7  # what ONNX Runtime 1.6 of 2020 knew
FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 2, 7  # TensorProto.DataType, AttributeProto.AttributeType

Attributes = dict[str, int | list[int]]


@dataclass(frozen=True)
class Part:
    """Some of the channels of a layer's output, which ONNX keeps under a name of its own."""

    name: str
    channels: np.ndarray  # which of the layer's


class Graph:
    """Nodes and weights of a network, written as they are added."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []

    def encoded(self, network: SFPN) -> bytes:
        """The ONNX file of the network without batch normalisation."""
        parts = [Part(INPUT, np.arange(3))]
        for layer in network.layers.children():
            parts = self._layer(layer, parts)
        [maps] = parts
        averaged = self._node("GlobalAveragePool", [maps.name])
        self._node("Flatten", [averaged], output=OUTPUT)
        graph = b"".join(_message(1, node) for node in self._nodes) + _text(2, "SqueezeFacePoseNet")
        graph += b"".join(_message(5, weights) for weights in self._weights)
        graph += _message(11, _tensor_type(INPUT, (3, INPUT_SIZE, INPUT_SIZE)))
        graph += _message(12, _tensor_type(OUTPUT, (network.config.descriptor_size,)))
        return _number(1, IR_VERSION) + _message(7, graph) + _message(8, _number(2, OPSET))

    def _layer(self, layer: nn.Module, parts: list[Part]) -> list[Part]:
        if isinstance(layer, Fire):
            [squeezed] = self._convolution(layer.squeeze1x1, parts)
            one, three = (self._convolution(expand, [squeezed]) for expand in (layer.expand1x1, layer.expand3x3))
            first = sum(len(part.channels) for part in one)
            return [*one, *(Part(part.name, part.channels + first) for part in three)]
        if isinstance(layer, nn.MaxPool2d):
            size, stride = (int(value) for value in (layer.kernel_size, layer.stride))  # pyright: ignore
            pooled: Attributes = {"kernel_shape": [size, size], "strides": [stride, stride]}
            return [Part(self._node("MaxPool", [part.name], pooled), part.channels) for part in parts]
        if isinstance(layer, nn.Dropout):
            return parts
        return self._convolution(layer, parts)

    def _convolution(self, layer: nn.Module, parts: list[Part]) -> list[Part]:
        """Convolution and ReLU; of one group, or of one group an input channel."""
        convolution = layer.get_submodule("conv")
        assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
        weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()
        pad = weight.shape[-1] // 2
        shape: Attributes = {"kernel_shape": list(weight.shape[2:]), "pads": [pad] * 4}
        if convolution.groups == 1:
            added = self._node("Conv", [parts[0].name, *self._weight(weight[:, parts[0].channels], bias)], shape)
            for part in parts[1:]:
                one = self._node("Conv", [part.name, *self._weight(weight[:, part.channels])], shape)
                added = self._node("Add", [added, one])
            return [Part(self._node("Relu", [added]), np.arange(len(weight)))]
        [only] = parts
        each = len(weight) // convolution.groups
        shape["group"] = convolution.groups
        found = []
        for number in range(each):
            some = slice(number, None, each)
            made = self._node("Conv", [only.name, *self._weight(weight[some], bias[some])], shape)
            found.append(Part(self._node("Relu", [made]), np.arange(len(weight))[some]))
        return found

    def _weight(self, *values: np.ndarray) -> list[str]:
        names = []
        for value in values:
            names.append(f"w{len(self._weights)}")
            dimensions = b"".join(_number(1, size) for size in value.shape)
            raw = np.ascontiguousarray(value, "<f4").tobytes()
            self._weights.append(dimensions + _number(2, FLOAT) + _text(8, names[-1]) + _message(9, raw))
        return names

    def _node(self, kind: str, inputs: list[str], attributes: Attributes | None = None, output: str = "") -> str:
        output = output or f"t{len(self._nodes)}"
        node = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(3, output) + _text(4, kind)
        for name, value in (attributes or {}).items():
            if isinstance(value, int):
                held = _number(3, value) + _number(20, ATTRIBUTE_INT)
            else:
                held = b"".join(_number(8, each) for each in value) + _number(20, ATTRIBUTE_INTS)
            node += _message(5, _text(1, name) + held)
        self._nodes.append(node)
        return output


def encode(network: SFPN) -> bytes:
    """The ONNX file: `faces` (B, 3, 113, 113) float32 as the network takes them -> `descriptors` (B, D) float32.

    Raises ValueError for a network with batch normalisation, which weights on disk never have.
    """
    if network.config.batch_norm:
        raise ValueError("fold the batch normalisation first: sfpn.network.model.fold_batch_norm")
    return Graph().encoded(network)


def _tensor_type(name: str, sizes: tuple[int, ...]) -> bytes:
    """A ValueInfoProto of floats with a first axis of any length."""
    axes = [_text(2, "batch"), *(_number(1, size) for size in sizes)]
    shape = b"".join(_message(1, axis) for axis in axes)
    return _text(1, name) + _message(2, _message(1, _number(1, FLOAT) + _message(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the highest bit set on all but the last."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
