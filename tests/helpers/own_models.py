"""Small ONNX files with cards, as a visitor may bring them: whole ones, and every kind of broken one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 32  # px
POOL = 8  # px a number
NUMBERS = 3 * (SIDE // POOL) ** 2
CARD: dict[str, Any] = {
    "name": "means",
    "title": "Means of squares",
    "architecture": {"type": "onnx", "descriptor_size": NUMBERS},
    "preprocess": {"geometry": "box", "size": SIDE, "crop_factor": 1.2, "mean": [127.5, 127.5, 127.5], "scale": 128.0},
    "licence": "none",
}


def encoded(
    *,
    shape: tuple[int | str, ...] = ("faces", 3, SIDE, SIDE),
    kind: str = "FLOAT",
    operator: str = "AveragePool",
    domain: str = "",
    factor: float = 1.0,
    inputs: int = 1,
    beside: str | None = None,
    card: dict[str, Any] | None = None,
) -> bytes:
    """The mean of every square of 8 x 8 px: a network that is small, and that any other code can follow.

    factor: by which the means are multiplied. beside: a file that is said to hold it. card: put inside.
    """
    from onnx import TensorProto, helper, numpy_helper

    scale = numpy_helper.from_array(np.array([factor], np.float32), "scale")
    if beside:
        scale.ClearField("raw_data")
        scale.data_location = TensorProto.EXTERNAL
        scale.external_data.add(key="location", value=beside)
    operator = operator if len(shape) == 4 else "Identity"
    pool: dict[str, Any] = {"kernel_shape": [POOL, POOL], "strides": [POOL, POOL]} if operator == "AveragePool" else {}
    nodes = [
        helper.make_node(operator, ["pixels"], ["means"], domain=domain, **pool),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["embedding"]),
    ]
    given = helper.make_tensor_value_info("face", getattr(TensorProto, kind), shape)
    more = [helper.make_tensor_value_info(f"more{i}", TensorProto.FLOAT, [1]) for i in range(inputs - 1)]
    axes = [0, 3, 1, 2] if len(shape) == 4 and shape[-1] == 3 else list(range(len(shape)))
    nodes.insert(0, helper.make_node("Transpose", ["cast"], ["pixels"], perm=axes))
    nodes.insert(0, helper.make_node("Cast", ["face"], ["cast"], to=TensorProto.FLOAT))
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [shape[0], "numbers"])
    graph = helper.make_graph(nodes, "means", [given, *more], [out], [scale])
    sets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=sets, ir_version=8)
    if card is not None:
        helper.set_model_props(model, {"card": json.dumps(card)})
    return model.SerializeToString()


def with_card(folder: Path, name: str, model: bytes, card: dict[str, Any] | str | None) -> list[Path]:
    """Writes model and card (the hash of the model in it, unless it has one); returns their paths."""
    file = folder / f"{name}.onnx"
    file.write_bytes(model)
    if card is None:
        return [file]
    beside = file.with_suffix(".json")
    if isinstance(card, dict):
        card = json.dumps({"weights_sha256": hashlib.sha256(model).hexdigest()} | card)
    beside.write_text(card)
    return [file, beside]


def changed(**fields: Any) -> dict[str, Any]:
    """The card with other fields; those of `preprocess` are changed one by one."""
    preprocess = CARD["preprocess"] | fields.pop("preprocess", {})
    return CARD | {"preprocess": preprocess} | fields
