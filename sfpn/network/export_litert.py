"""A SqueezeFacePoseNet as one LiteRT (TensorFlow Lite) file for phones: pixels of one face crop in, the embedding out.

By litert-torch, in float32. As with ONNX files, all that the card asks for is part of the file
(sfpn.network.exported.FromPixels), and no file is left behind that was not opened again, by LiteRT's interpreter, and
compared with what Python computes on the same faces. One face at a time, as a phone has them.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.network.export_program import Run, Target, export_program
from sfpn.network.exported import Exported

FORMAT, SUFFIX = "litert", ".tflite"


def export_litert(name_or_path: str | Path, out: Path, check_on: Sequence[Image.Image]) -> Exported:
    """Write the file of a network and its card beside it, as `export_program` does; `out` ends in .tflite.

    Raises UserError if litert-torch is missing, and as `export_program` does.
    """
    require_litert()
    target = Target(
        FORMAT, SUFFIX, "a LiteRT file", "the only input", lambda model, shape, _: converted(model, shape), opened
    )
    return export_program(target, name_or_path, out, check_on)


def require_litert() -> None:
    """Raise UserError unless litert-torch and LiteRT's interpreter are installed."""
    try:
        import ai_edge_litert.interpreter  # noqa: F401  # pyright: ignore[reportMissingImports] (an extra)
        import litert_torch  # noqa: F401  # pyright: ignore[reportMissingImports] (an extra)
    except ImportError as error:
        raise UserError(
            "exporting to LiteRT needs the packages litert-torch and ai-edge-litert; "
            "run: pip install litert-torch ai-edge-litert (the extra 'litert')"
        ) from error


def converted(model: torch.nn.Module, shape: tuple[int, ...]) -> bytes:
    """The encoded file of a module for inputs of one shape."""
    import litert_torch  # pyright: ignore[reportMissingImports]

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch about itself
        file = Path(folder, "model.tflite")
        with contextlib.redirect_stdout(io.StringIO()):  # its steps, timed
            litert_torch.convert(model, (torch.zeros(shape),)).export(str(file))
        return file.read_bytes()


def opened(encoded: bytes) -> Run:
    """Faces (B, 3, size, size) -> embeddings (B, D), as LiteRT's interpreter computes them one by one."""
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    interpreter = Interpreter(model_content=encoded, num_threads=1)
    interpreter.allocate_tensors()
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()

    def run(pixels: np.ndarray) -> np.ndarray:
        rows = []
        for face in pixels:
            interpreter.set_tensor(taken["index"], face[None].astype(np.float32))
            interpreter.invoke()
            rows.append(interpreter.get_tensor(given["index"]))
        return np.concatenate(rows).astype(np.float32)

    return run
