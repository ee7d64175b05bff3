"""Writes a network as the bytes of an ONNX file, node by node, for ONNX Runtime to compute in this process.

Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding) with the field numbers of onnx.proto,
because PyTorch's exporter needs a package more, and a second at every start. What leaves this project is written by
that exporter (sfpn.network.onnx_writing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

OPSET, IR_VERSION = 13, 7  # of 2020: every ONNX Runtime that fits has them
FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 2, 7  # TensorProto.DataType, AttributeProto.AttributeType

Attributes = Mapping[str, int | list[int]]
Axes = Sequence[int | str]  # lengths, and names for those that are free


class OnnxFile:
    """Nodes and weights, written as they are added; `encoded` closes it."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []

    def weights(self, *values: np.ndarray) -> list[str]:
        """The names under which nodes find these float32 arrays."""
        names = []
        for value in values:
            names.append(f"w{len(self._weights)}")
            dimensions = b"".join(_number(1, size) for size in value.shape)
            raw = np.ascontiguousarray(value, "<f4").tobytes()
            self._weights.append(dimensions + _number(2, FLOAT) + _text(8, names[-1]) + _message(9, raw))
        return names

    def node(self, kind: str, inputs: Sequence[str], attributes: Attributes | None = None, output: str = "") -> str:
        """The name of the output of an operator: the one given, or a new one."""
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

    def encoded(self, inputs: Mapping[str, Axes], outputs: Mapping[str, Axes]) -> bytes:
        """The file. inputs, outputs: their names with the lengths of their axes; all hold float32."""
        graph = b"".join(_message(1, node) for node in self._nodes) + _text(2, "sfpn")
        graph += b"".join(_message(5, weights) for weights in self._weights)
        graph += b"".join(_message(11, _tensor_type(*each)) for each in inputs.items())
        graph += b"".join(_message(12, _tensor_type(*each)) for each in outputs.items())
        return _number(1, IR_VERSION) + _message(7, graph) + _message(8, _number(2, OPSET))


def _tensor_type(name: str, axes: Axes) -> bytes:
    sizes = (_text(2, size) if isinstance(size, str) else _number(1, size) for size in axes)
    shape = b"".join(_message(1, size) for size in sizes)
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
