"""What the exported files of all formats share: the module from pixels to embedding, the card, and the comparison.

What a card asks for before and after its network (mean and scale, order of channels, mirrored crop, descriptor mean,
pose direction) is part of an exported file, whose own card therefore asks for none of it.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.network import checkpoint
from sfpn.network.card import Card, card_path, save_card
from sfpn.network.model import SFPN
from sfpn.photos.preprocess import Preprocess

FLOAT_COSINE = 0.9999  # lowest of the faces, of a file that computes in float32
INT8_COSINE = 0.99  # median of the faces, of a file with int8 weights
FEWEST_CALIBRATION_FACES = 8
OUTPUT = "embedding"  # what ONNX files call it


@dataclass(frozen=True)
class Exported:
    """The file that was written, its card, and the cosine of its embeddings to Python's on the checked faces."""

    path: Path
    card: Card
    bytes: int
    lowest_cosine: float
    median_cosine: float


class FromPixels(nn.Module):
    """(B, 3, size, size) float32, RGB 0-255 -> (B, D): the network with all that its card asks for."""

    def __init__(self, network: SFPN, card: Card) -> None:
        super().__init__()
        self.network, self.mirror_sum = network, card.mirror_sum
        self.descriptor_size = network.config.descriptor_size
        self.bgr = card.preprocess.channels == "BGR"
        self.scale = card.preprocess.scale
        self.register_buffer("pixel_mean", torch.tensor(card.preprocess.mean).view(1, 3, 1, 1))
        center = card.descriptor_mean or (0.0,) * self.descriptor_size
        self.register_buffer("center", torch.tensor(center) * (2 if card.mirror_sum else 1))
        direction = card.pose_direction
        self.register_buffer("direction", None if direction is None else torch.tensor(direction))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        # Not folded into the first convolution: its padding is zeros after the mean is subtracted.
        faces = pixels - self.get_buffer("pixel_mean")
        faces = faces / self.scale if self.scale != 1 else faces
        faces = faces[:, [2, 1, 0]] if self.bgr else faces
        if self.mirror_sum:
            both = self.network(torch.cat([faces, faces.flip(-1)]))
            descriptors = both.reshape(2, -1, self.descriptor_size).sum(dim=0)
        else:
            descriptors = self.network(faces)
        descriptors = descriptors - self.get_buffer("center")
        if self.direction is not None:
            direction = self.get_buffer("direction")
            descriptors = descriptors - (descriptors @ direction[:, None]) * direction
        return descriptors


def weights_of(name_or_path: str | Path) -> Path:
    """The .safetensors file to export. Raises UserError if there is none, or it is an ONNX file."""
    path = checkpoint.resolve(name_or_path)
    if path.suffix == ".onnx":
        raise UserError(f"{path}: is an ONNX file already; give the .safetensors file that it was made from")
    return path


def pixels_of(preprocess: Preprocess, crops: Sequence[Image.Image]) -> np.ndarray:
    plain = replace(preprocess, mean=(0.0, 0.0, 0.0), scale=1.0, channels="RGB")
    return plain.tensor(list(crops)).numpy()


def require_enough_to_calibrate(crops: Sequence[Image.Image]) -> None:
    """Raise UserError if there are too few faces for ranges of activations."""
    if len(crops) < FEWEST_CALIBRATION_FACES:
        raise UserError(
            f"int8 needs at least {FEWEST_CALIBRATION_FACES} faces of all poses to calibrate on, got {len(crops)}"
        )


def cosines_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-30)


def require_close(out: Path, format: str, name: str, cosines: np.ndarray) -> None:
    """Raise UserError if embeddings of the file to be written stray from those of the network `name`."""
    int8 = format.endswith("-int8")
    what, limit = ("median", INT8_COSINE) if int8 else ("lowest", FLOAT_COSINE)
    value = float(np.median(cosines) if int8 else cosines.min())
    if not value >= limit:
        float_format = format.removesuffix("-int8")
        raise UserError(
            f"{out}: not written, because its embeddings stray from those of {name}: the {what} cosine of "
            f"{len(cosines)} faces is {value:.5f}, below {limit:g}"
            + (f"; calibrate on more faces of all poses, or use --format {float_format}" if int8 else "")
        )


def exported_card(card: Card, format: str, exported: dict[str, Any], descriptor_size: int) -> Card:
    """The card of the exported file: nothing is left to be done before or after it."""
    int8 = format.endswith("-int8")
    measured = (
        f"The thresholds and their error rates are those of {card.name} in float32, not measured with this int8 file"
        + (": python -m sfpn calibrate measures them." if format.startswith("onnx") else ".")
    )
    plain = replace(card.preprocess, mean=(0.0, 0.0, 0.0), scale=1.0, channels="RGB")
    without_scores = replace(card.surface, scores=None) if card.surface else None  # they are not of this file's scores
    return replace(
        card,
        name=f"{card.name}-{'int8' if int8 else 'onnx'}",
        title=f"{card.title}, as ONNX in {'int8' if int8 else 'float32'}",
        architecture={"type": "onnx", "descriptor_size": descriptor_size, "output": OUTPUT},
        preprocess=plain,
        weights_sha256="",
        descriptor_mean=None,
        pose_direction=None,
        mirror_sum=False,
        results=[] if int8 else card.results,
        templates=() if int8 else card.templates,
        surface=without_scores if int8 else card.surface,
        limits=f"{card.limits} {measured}".strip() if int8 else card.limits,
        extra={**card.extra, "exported": exported},
    )


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Without a quantiser's prints, bars and advice to do what was done."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        root.setLevel(before)


def write_with_card(out: Path, encoded: bytes, card: Card) -> None:
    try:
        with whole_file(out) as temporary:
            temporary.write_bytes(encoded)
            # Before the file has its name: a card without its file is refused in one sentence, as is the reverse.
            save_card(card, out)
    except OSError as error:
        raise UserError(
            f"{card_path(out).parent} cannot be written ({error.strerror}): choose another --out"
        ) from error
