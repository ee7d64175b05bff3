"""Small ONNX networks of every kind that exporters make, all of which compute the same: mean and spread of the colours.

What they should give is computed here with numpy, from the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sfpn.network import checkpoint
from sfpn.network.card import Card, save_card
from sfpn.photos.preprocess import Preprocess

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
WEIGHTS = np.array([[1, 0, 2, -1, 0.5], [0, 1, 1, 2, -0.5], [1, 1, 0, 0.5, 1]], np.float32)  # 3 colours -> 5 numbers


@dataclass(frozen=True)
class Kind:
    """A way to export the network; batch None: any number of faces."""

    layout: str = "NCHW"
    dtype: str = "float32"
    batch: int | None = None
    output: str = "flat"  # flat (B, 5), square (B, 5, 1, 1), middle (B, 1, 5)
    norm: bool = False  # a second output (B, 1), in front of the first
    open_size: bool = False  # height and width are not stated
    size: int = 8
    name: str = "input.1"


def make(kind: Kind) -> bytes:
    """The encoded model."""
    axes = {"N": kind.batch or "N", "C": 3, "H": kind.size, "W": kind.size}
    if kind.open_size:
        axes |= {"H": "h", "W": "w"}
    shape = [axes[axis] for axis in kind.layout]
    where = [kind.layout.index("H"), kind.layout.index("W")]
    nodes = [
        helper.make_node("Cast", [kind.name], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["colours"], axes=where, keepdims=0),
        helper.make_node("MatMul", ["colours", "weights"], ["flat"]),
        helper.make_node("ReduceL2", ["flat"], ["norm"], axes=[1], keepdims=1),
    ]
    shapes = {"flat": [kind.batch or "N", 5], "norm": [kind.batch or "N", 1]}
    if kind.output != "flat":
        to = {"square": [0, 5, 1, 1], "middle": [0, 1, 5]}[kind.output]
        constant = numpy_helper.from_array(np.array(to, np.int64), "to")
        nodes.append(helper.make_node("Reshape", ["flat", "to"], [kind.output]))
        shapes[kind.output] = [kind.batch or "N", *to[1:]]
    names = (["norm"] if kind.norm else []) + [kind.output]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info(kind.name, TYPES[kind.dtype], shape)],
        [helper.make_tensor_value_info(name, floats, shapes[name]) for name in names],
        [numpy_helper.from_array(WEIGHTS, "weights"), *([constant] if kind.output != "flat" else [])],
    )
    return encode(graph)


def encode(graph: onnx.GraphProto) -> bytes:
    """The model of a graph, in a version that all ONNX Runtimes of the last years read."""
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def expected(pixels: np.ndarray) -> np.ndarray:
    """(B, H, W, 3) pixels as the network gets them -> (B, 5)."""
    return np.array([[picture[..., c].mean() for c in range(3)] for picture in pixels.astype(np.float64)]) @ WEIGHTS


def save(path: Path, encoded: bytes, size: int = 8, **architecture) -> Path:
    """Write a model with a card that leaves pixels as they are."""
    path.write_bytes(encoded)
    preprocess = Preprocess("box", size, 1.0, "black", (0.0, 0.0, 0.0), 1.0)
    kind = {"type": "onnx", **architecture}
    save_card(Card(path.stem, "Colours", kind, preprocess, "MIT", checkpoint.file_sha256(path)), path)
    return path
