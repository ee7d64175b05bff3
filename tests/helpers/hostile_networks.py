"""ONNX networks that would take an app down: one never ends, one wants more memory than there is."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from helpers.drawn_networks import WEIGHTS, encode

INPUT = helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, 8, 8])
OUTPUT = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 5])
EMBED = [
    helper.make_node("ReduceMean", ["face"], ["colours"], axes=[2, 3], keepdims=0),
    helper.make_node("MatMul", ["colours", "weights"], ["plain"]),
]


def _model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> bytes:
    arrays = {"weights": WEIGHTS, **constants}
    stored = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    return encode(helper.make_graph([*EMBED, *nodes], "hostile", [INPUT], [OUTPUT], stored))


def endless(only_for_light: bool = False) -> bytes:
    """A loop without an end; `only_for_light`: not for black pictures, so that it shows only once it is used."""
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("going", "value")],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("going_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value_out", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceSum", ["face"], ["light"], keepdims=0),
        helper.make_node("Greater", ["light", "dark"], ["go"]),
        helper.make_node("Loop", ["", "go", "plain"], ["embedding"], body=body),
    ]
    return _model(nodes, {"dark": np.array(0.5 if only_for_light else -0.5, np.float32)})


def huge(numbers: int = 2**40) -> bytes:
    """Fills a tensor of so many numbers, how many being known only when it is computed."""
    nodes = [
        helper.make_node("Shape", ["face"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "second"], ["count"]),
        helper.make_node("Min", ["count", "one"], ["ones"]),
        helper.make_node("Mul", ["ones", "numbers"], ["length"]),
        helper.make_node("ConstantOfShape", ["length"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["plain", "zero"], ["embedding"]),
    ]
    numbers_of = {"first": [0], "second": [1], "one": [1], "numbers": [numbers]}
    return _model(nodes, {name: np.array(values, np.int64) for name, values in numbers_of.items()})
