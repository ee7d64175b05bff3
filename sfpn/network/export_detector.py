"""The three networks of the face detector (MTCNN) as ONNX files, with what a driver in another language must know.

The files take pixels as they are; the pyramid, the windows and the suppression of overlaps stay with the driver, and
detector.json names the numbers that ours uses (sfpn.photos.mtcnn).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from sfpn.errors import UserError
from sfpn.files import whole_folder
from sfpn.network.onnx_writing import require_onnx, traced
from sfpn.onnx_runtime import onnx_runtime
from sfpn.photos import mtcnn

INPUT = "pixels"
TOLERANCE = 1e-4  # of every output: probabilities and shares of a box's side
# name -> (class in facenet_pytorch, side of its window in px, outputs in their order)
NETWORKS = {
    "propose": ("PNet", mtcnn.WINDOW, ("regression", "probability")),
    "refine": ("RNet", mtcnn.REFINE_SIZE, ("regression", "probability")),
    "output": ("ONet", mtcnn.OUTPUT_SIZE, ("regression", "landmarks", "probability")),
}
CARD_NAME = "detector.json"


class FromPixels(nn.Module):
    """(B, 3, H, W) float32, RGB 0-255 -> the outputs of one of the networks."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.network((pixels - 127.5) * 0.0078125)  # as sfpn.photos.mtcnn.network_input


def export_detector(folder: Path, check_on: Sequence[Image.Image]) -> dict[str, Any]:
    """Write propose.onnx, refine.onnx, output.onnx and detector.json into a new folder; returns what the last holds.

    check_on: pictures on which files and networks are compared. Raises UserError if a package is missing, the folder
    is not empty, or an output differs by more than 1e-4; then no folder is left behind.
    """
    onnx = require_onnx()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already and not an empty folder; choose another --out")
    encoded: dict[str, bytes] = {}
    described: dict[str, Any] = {}
    for (name, (kind, side, outputs)), threshold in zip(NETWORKS.items(), mtcnn.USUAL_THRESHOLDS, strict=True):
        network = FromPixels(_network(kind)).eval()
        anywhere = {2: "height", 3: "width"} if name == "propose" else {}
        axes = {each: {0: "windows"} | anywhere for each in (INPUT, *outputs)}
        model = onnx.load_from_string(traced(network, ((2, 3, side, side),), [INPUT], list(outputs), axes))
        model.producer_name = "sfpn export"
        encoded[name] = model.SerializeToString()
        different = _largest_difference(name, encoded[name], network, side, check_on)
        if not different <= TOLERANCE:
            raise UserError(f"{folder}: not written, because {name}.onnx strays from its network by {different:.2g}")
        described[name] = {
            "file": f"{name}.onnx",
            "sha256": hashlib.sha256(encoded[name]).hexdigest(),
            "input": f"{INPUT}: (windows, 3, {'height, width' if anywhere else f'{side}, {side}'}) float32, RGB 0-255",
            "outputs": list(outputs),
            "window_pixels": side,
            "threshold": threshold,
            "largest_difference": float(f"{different:.1e}"),
        }
    card = {
        "name": "MTCNN",
        "source": "facenet-pytorch (MIT); Zhang et al., SPL 2016",
        "networks": described,
        "stride_of_propose_pixels": mtcnn.STRIDE,
        "pyramid_factor": mtcnn.PYRAMID_FACTOR,
        "overlaps": {
            "within_a_level": mtcnn.SAME_LEVEL_OVERLAP,
            "across_levels_and_after_refine": mtcnn.ACROSS_OVERLAP,
            "final_of_the_smaller_box": mtcnn.FINAL_OVERLAP,
        },
    }
    try:
        with whole_folder(folder) as building:
            for name, content in encoded.items():
                (building / f"{name}.onnx").write_bytes(content)
            (building / CARD_NAME).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): choose another --out") from error
    return card


def _network(kind: str) -> nn.Module:
    from sfpn.photos.torchvision_ops import ensure_torchvision

    ensure_torchvision()
    from facenet_pytorch.models import mtcnn as theirs

    return getattr(theirs, kind)().eval()


def _largest_difference(
    name: str, encoded: bytes, network: nn.Module, side: int, pictures: Sequence[Image.Image]
) -> float:
    """Between file and network, on each picture as one window and, for the first network, on a larger one too."""
    session = onnx_runtime().InferenceSession(encoded, providers=["CPUExecutionProvider"])
    found = 0.0
    for size in ((side, side), (5 * side, 3 * side)) if name == "propose" else ((side, side),):
        pixels = np.stack([np.asarray(picture.convert("RGB").resize(size), np.float32) for picture in pictures])
        pixels = pixels.transpose(0, 3, 1, 2).copy()
        with torch.inference_mode():
            wanted = [each.numpy() for each in network(torch.from_numpy(pixels))]
        given = session.run(None, {INPUT: pixels})
        found = max(found, *(float(np.abs(a - b).max()) for a, b in zip(given, wanted, strict=True)))
    return found
