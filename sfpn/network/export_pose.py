"""The pose estimator as one ONNX file: pixels of a crop and five landmarks in, sines and cosines of the angles out.

The mean and the mirrored crop are in the file. How the crop is cut, how the landmarks are scaled, how the angles follow
from what comes out and what they can be wrong by stands in the card beside it (sfpn.photos.pose does all of it).
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
from sfpn.files import whole_file, write_text
from sfpn.network.onnx_writing import require_onnx, traced
from sfpn.onnx_runtime import onnx_runtime
from sfpn.photos import pose
from sfpn.photos.detector import MIRRORED_LANDMARKS, Face
from sfpn.photos.pose_processor import AREA, STEP

PIXELS, LANDMARKS, OUTPUT = "pixels", "landmarks", "angles"
TOLERANCE_DEGREES = 0.01


class FromPixels(nn.Module):
    """(B, 3, 64, 64) RGB 0-255, (B, 5, 2) landmarks in the box -> (B, 4), the sum over crop and mirror image."""

    def __init__(self, network: pose.PoseNet) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(pose.MEAN).view(1, 3, 1, 1))
        self.register_buffer("signs", torch.tensor([-1.0, 1.0, 1.0, -1.0]))

    def forward(self, pixels: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        crops = pixels - self.get_buffer("mean")
        mirrored = (landmarks * torch.tensor([-1.0, 1.0]))[:, MIRRORED_LANDMARKS]
        maps = self.network.maps(torch.cat([crops, crops.flip(-1)]))
        averaged = nn.functional.avg_pool2d(maps, AREA, STEP)
        seen = self.network.from_maps(averaged, torch.cat([landmarks, mirrored]).flatten(1))
        one, other = seen.reshape(2, -1, pose.OUTPUTS).unbind(0)
        return one + other * self.get_buffer("signs")


def export_pose(out: Path, check_on: Sequence[tuple[Image.Image, Face]]) -> dict[str, Any]:
    """Write the ONNX file and its card (.json) beside it; returns what the card holds.

    check_on: upright pictures with a face of each, on which file and network are compared. Raises UserError if a
    package is missing, or if an angle differs by more than 0.01 degrees; then `out` is as it was.
    """
    onnx = require_onnx()
    if out.suffix != ".onnx":
        raise UserError(f"{out}: the name of an ONNX file ends in .onnx; choose another --out")
    estimator = pose.PoseEstimator()
    crops = np.stack([pose.pose_crop(picture, np.array(face.box_xyxy)) for picture, face in check_on])
    landmarks = np.stack([pose.in_box(np.array(face.box_xyxy), face.landmarks_xy) for _, face in check_on])
    encoded = _encoded(onnx, pose.loaded_network(pose.WEIGHTS))
    different = _largest_difference(encoded, estimator, crops, landmarks)
    if not different <= TOLERANCE_DEGREES:
        raise UserError(f"{out}: not written, because its angles stray from the network's by {different:.2g} degrees")
    card = {
        "name": "pose",
        **{name: estimator.card[name] for name in ("title", "licence", "crop", "uncertainty")},
        "second_view": {"below_length": pose.DOUBTFUL_BELOW, "aside": pose.ASIDE, "wider": pose.WIDER},
        "from_weights_sha256": estimator.card["weights_sha256"],
        "weights_sha256": hashlib.sha256(encoded).hexdigest(),
        "inputs": {
            PIXELS: "(faces, 3, 64, 64) float32, RGB 0-255: the square around the face box, edges repeated",
            LANDMARKS: "(faces, 5, 2) float32: in shorter sides of the face box, from its centre",
        },
        "outputs": {OUTPUT: "(faces, 4) float32: 2 sin and cos of yaw, 2 sin pitch, 2 sin roll, of crop and mirror"},
        "largest_difference_degrees": float(f"{different:.1e}"),
    }
    try:
        with whole_file(out) as temporary:
            temporary.write_bytes(encoded)
            write_text(json.dumps(card, indent=1) + "\n", out.with_suffix(".json"))
    except OSError as error:
        raise UserError(f"{out.parent} cannot be written ({error.strerror}): choose another --out") from error
    return card


def _encoded(onnx: Any, network: pose.PoseNet) -> bytes:
    side = pose.CROP_SIZE
    model, names = FromPixels(network).eval(), [PIXELS, LANDMARKS]
    shapes = (2, 3, side, side), (2, 5, 2)
    made = onnx.load_from_string(traced(model, shapes, names, [OUTPUT], {n: {0: "faces"} for n in (*names, OUTPUT)}))
    made.producer_name = "sfpn export"
    return made.SerializeToString()


def _largest_difference(
    encoded: bytes, estimator: pose.PoseEstimator, crops: np.ndarray, landmarks: np.ndarray
) -> float:
    """In degrees, between the angles of the file and those of the network."""
    session = onnx_runtime().InferenceSession(encoded, providers=["CPUExecutionProvider"])
    pixels = crops.astype(np.float32).transpose(0, 3, 1, 2).copy()
    [seen] = session.run(None, {PIXELS: pixels, LANDMARKS: landmarks})
    given, wanted = pose.angles_from_outputs(np.asarray(seen)), estimator.angles(crops, landmarks)
    return float(max(np.abs(a - b).max() for a, b in zip(given, wanted, strict=True)))
