"""A SqueezeFacePoseNet as one ExecuTorch program for phones: pixels of one face crop in, the final embedding out.

Through torch.export and the XNNPACK backend, in float32. As with ONNX files, all that the card asks for is part of the
program (sfpn.network.exported.FromPixels), and no file is left behind that was not opened again, by ExecuTorch's own
runtime, and compared with what Python computes on the same faces. One face at a time, as a phone has them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.network.export_program import Run, Target, export_program
from sfpn.network.exported import Exported

FORMAT, SUFFIX = "executorch", ".pte"
METHOD = "forward"


def export_executorch(name_or_path: str | Path, out: Path, check_on: Sequence[Image.Image]) -> Exported:
    """Write the program of a network and its card beside it, as `export_program` does; `out` ends in .pte.

    Raises UserError if executorch is missing, and as `export_program` does.
    """
    require_executorch()
    target = Target(
        FORMAT,
        SUFFIX,
        "an ExecuTorch program",
        f"method {METHOD}",
        lambda model, shape, _: lowered(model, shape),
        opened,
    )
    return export_program(target, name_or_path, out, check_on)


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


def opened(encoded: bytes) -> Run:
    """Faces (B, 3, size, size) -> embeddings (B, D), as ExecuTorch's runtime computes them one by one."""
    from executorch.runtime import Runtime  # pyright: ignore[reportMissingImports]

    program: Any = Runtime.get().load_program(encoded)
    method = program.load_method(METHOD)

    def run(pixels: np.ndarray, kept: tuple[Any, ...] = (encoded, program)) -> np.ndarray:
        # ExecuTorch reads the encoded bytes and the program while it runs, and keeps neither alive.
        rows = [method.execute([torch.from_numpy(face[None].copy())])[0].numpy().copy() for face in pixels]
        return np.concatenate(rows).astype(np.float32)

    return run
