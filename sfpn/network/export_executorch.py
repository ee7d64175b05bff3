"""A SqueezeFacePoseNet as one ExecuTorch program for phones: pixels of one face crop in, the final embedding out.

Through torch.export and the XNNPACK backend, in float32. As with ONNX files, all that the card asks for is part of the
program (sfpn.network.export.FromPixels), and no file is left behind that was not opened again, by ExecuTorch's own
runtime, and compared with what Python computes on the same faces. One face at a time, as a phone has them.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.embedders import SFPNEmbedder
from sfpn.network.export import (
    FLOAT_COSINE,
    Exported,
    FromPixels,
    cosines_of,
    exported_card,
    pixels_of,
    write_with_card,
)

FORMAT, SUFFIX = "executorch", ".pte"
METHOD = "forward"


def export_executorch(name_or_path: str | Path, out: Path, check_on: Sequence[Image.Image]) -> Exported:
    """Write the program of a network and its card beside it.

    out: ends in .pte. check_on: crops as the card's preprocessing makes them, on which program and Python are compared.
    Raises UserError for other models, if executorch is missing, and if the embeddings differ too much; then `out` is as
    it was.
    """
    require_executorch()
    if out.suffix != SUFFIX:
        raise UserError(f"{out}: the name of an ExecuTorch program ends in {SUFFIX}; choose another --out")
    path = checkpoint.resolve(name_or_path)
    if path.suffix == ".onnx":
        raise UserError(f"{path}: is an ONNX file; give the .safetensors file that it was made from")
    network, card = checkpoint.load(path)
    embedder = SFPNEmbedder(path, device="cpu")
    side, size = card.preprocess.size, network.config.descriptor_size
    encoded = lowered(FromPixels(network, card).eval(), (1, 3, side, side))
    found = run_program(encoded, pixels_of(embedder.preprocess, check_on))
    cosines = cosines_of(embedder.embed(list(check_on)), found)
    lowest, median = float(cosines.min()), float(np.median(cosines))
    if not lowest >= FLOAT_COSINE:
        raise UserError(
            f"{out}: not written, because its embeddings stray from those of {card.name}: the lowest cosine of "
            f"{len(cosines)} faces is {lowest:.5f}, below {FLOAT_COSINE:g}"
        )
    exported = {
        "format": FORMAT,
        "from": card.name,
        "from_weights_sha256": card.weights_sha256,
        "cosine_to_it": {"faces": len(cosines), "lowest": round(lowest, 6), "median": round(median, 6)},
        "input": f"method {METHOD}: (1, 3, {side}, {side}) float32, red, green, blue from 0 to 255",
    }
    new_card = replace(
        exported_card(card, FORMAT, exported, size),
        name=f"{card.name}-{FORMAT}",
        title=f"{card.title}, as an ExecuTorch program in float32",
        architecture={"type": FORMAT, "descriptor_size": size},
        weights_sha256=hashlib.sha256(encoded).hexdigest(),
    )
    write_with_card(out, encoded, new_card)
    return Exported(out, new_card, len(encoded), lowest, median)


def require_executorch() -> None:
    """Raise UserError unless executorch is installed."""
    try:
        import executorch.exir  # noqa: F401  # pyright: ignore[reportMissingImports] (an extra)
    except ImportError as error:
        raise UserError(
            "exporting to ExecuTorch needs the package executorch; run: pip install executorch (the extra 'executorch')"
        ) from error


def lowered(model: torch.nn.Module, shape: tuple[int, ...]) -> bytes:
    """The encoded program of a module for inputs of one shape, its layers handed to XNNPACK."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # pyright: ignore[reportMissingImports]
        XnnpackPartitioner,
    )
    from executorch.exir import to_edge_transform_and_lower  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch about itself
        program = torch.export.export(model, (torch.zeros(shape),))
        return bytes(to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)


def run_program(encoded: bytes, pixels: np.ndarray) -> np.ndarray:
    """Embeddings (B, D) of faces (B, 3, size, size), as ExecuTorch's runtime computes them one by one."""
    from executorch.runtime import Runtime  # pyright: ignore[reportMissingImports]

    program: Any = Runtime.get().load_program(encoded)
    method = program.load_method(METHOD)
    rows = [method.execute([torch.from_numpy(face[None].copy())])[0].numpy().copy() for face in pixels]
    return np.concatenate(rows).astype(np.float32)
