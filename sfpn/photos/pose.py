"""Where a face looks: yaw, pitch and roll from its crop and its five landmarks, each with what it can be wrong by.

A network of its own, small enough to ask about every face (0.48 MB, about 2 ms on one core with the mirror image), so
that the pose of a photo does not depend on the model that a visitor picked. Its first layers are those of the base
network at half the resolution (SqueezeNet's: Iandola et al., arXiv 1602.07360); see sfpn.training.pose for how it is
made and weights/pose.json for what it was measured to do.

Angles are in degrees: positive yaw turns the face to the image's right, positive pitch lifts it, positive roll tilts it
clockwise in the image; yaw about the neck first, then pitch, then roll (sfpn.photos.turning.geometry.head_rotation).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from sfpn.errors import UserError, one_line
from sfpn.machine import choose_device
from sfpn.photos.detector import MIRRORED_LANDMARKS, HeadPose
from sfpn.photos.mtcnn import OneThread
from sfpn.photos.on_processor import on_processor
from sfpn.photos.pose_processor import encode
from sfpn.photos.preprocess import crop_square

WEIGHTS = Path(__file__).parent.parent / "weights" / "pose.safetensors"
CROP_SIZE, CROP_FACTOR = 64, 1.35  # px; side of the square over the shorter side of the face box
MEAN = (131.0912, 103.8827, 91.4953)  # RGB, subtracted from 0-255: that of the base network
GRID = 3  # the last maps are averaged over 3x3 areas
HIDDEN = 48
ROOT_OFFSET, DESCRIBED_SCALE = 1e-3, 69.45  # the latter brings the roots to the size of the landmarks
OUTPUTS = 4  # sin(yaw), cos(yaw), sin(pitch), sin(roll)
BATCH = 64  # faces at once
# The network answers with a short vector (sin yaw, cos yaw) where it cannot tell, as of a box beside the face: such a
# face is seen again from a wider box to either side, and the longest answer is believed. Numbers: docs/pose.md.
DOUBTFUL_BELOW = 0.75  # length; 1 is sure
ASIDE, WIDER = 0.35, 1.3  # of the shorter side of the face box; times it
VERSION_DIGITS = 12


class Fire(nn.Module):
    """SqueezeNet's module: a 1x1 convolution to few channels, then 1x1 and 3x3 ones side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) -> (B, 2 expanded, H, W), none below 0."""
        squeezed = torch.relu(self.squeeze(maps))
        return torch.relu(torch.cat([self.expand1(squeezed), self.expand3(squeezed)], 1))


class PoseNet(nn.Module):
    """Crop (B, 3, 64, 64) less the mean, landmarks (B, 10) -> (B, 4): sin and cos of yaw, sin of pitch, sin of roll."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.body = nn.Sequential(
            Fire(64, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128), nn.MaxPool2d(3, 2), Fire(256, 32, 128)
        )
        numbers = 256 * GRID**2 + 10
        self.hidden, self.from_hidden = nn.Linear(numbers, HIDDEN), nn.Linear(HIDDEN, OUTPUTS)
        self.direct = nn.Linear(numbers, OUTPUTS)
        self.drop = nn.Dropout(0.2)

    def forward(self, crops: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.from_maps(nn.functional.adaptive_avg_pool2d(self.maps(crops), GRID), landmarks)

    def maps(self, crops: torch.Tensor) -> torch.Tensor:
        """Crop (B, 3, 64, 64) less the mean -> (B, 256, 7, 7)."""
        return self.body(self.stem(crops)).float()

    def from_maps(self, averaged: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        """Maps averaged over 3x3 areas (B, 256, 3, 3), landmarks (B, 10) -> (B, 4), see the class."""
        described = averaged.flatten(1).add(ROOT_OFFSET).sqrt() / DESCRIBED_SCALE
        joined = torch.cat([described, landmarks], 1)
        return self.from_hidden(self.drop(torch.relu(self.hidden(joined)))) + self.direct(joined)


class PoseEstimator:
    """The network with its weights and the table of its errors. Raises UserError where the files are not its own."""

    def __init__(self, weights: Path = WEIGHTS, *, device: str = "cpu") -> None:
        """device: see `sfpn.machine.choose_device`."""
        self.card, self.device = read_card(weights), choose_device(device)
        network = loaded_network(weights).eval()
        self.network = network.to(self.device, memory_format=torch.channels_last)  # pyright: ignore (torch's stubs)
        if self.device.type == "cpu":
            self.network = on_processor(self.network, encoded_network, probes(), "estimates poses")
        self._thread = OneThread("pose")

    def estimate(
        self, picture: Image.Image, boxes_xyxy: np.ndarray, landmarks_xy: np.ndarray, confidences: np.ndarray
    ) -> list[HeadPose]:
        """Poses of faces in an RGB picture: boxes (N, 4) and landmarks (N, 5, 2) in its pixels, the detector's (N,)."""
        poses: list[HeadPose] = []
        for start in range(0, len(boxes_xyxy), BATCH):
            some = slice(start, start + BATCH)
            seen = self._seen(picture, boxes_xyxy[some], landmarks_xy[some])
            faces = zip(*angles_from_outputs(seen), confidences[some], strict=True)
            poses += [self._with_uncertainty(*(float(value) for value in face)) for face in faces]
        return poses

    def _seen(self, picture: Image.Image, boxes_xyxy: np.ndarray, landmarks_xy: np.ndarray) -> np.ndarray:
        """(B, 4) as `outputs_of`, of doubtful faces from the box of the three that gives the longest answer."""
        seen = self._seen_from(picture, boxes_xyxy, landmarks_xy)
        doubtful = np.flatnonzero(_length(seen) < DOUBTFUL_BELOW)
        for side in (-1, 1) if len(doubtful) else ():
            boxes = np.stack([box_aside(box, side) for box in boxes_xyxy[doubtful]])
            other = self._seen_from(picture, boxes, landmarks_xy[doubtful])
            longer = _length(other) > _length(seen[doubtful])
            seen[doubtful[longer]] = other[longer]
        return seen

    def _seen_from(self, picture: Image.Image, boxes_xyxy: np.ndarray, landmarks_xy: np.ndarray) -> np.ndarray:
        crops = np.stack([pose_crop(picture, box) for box in boxes_xyxy])
        landmarks = np.stack([in_box(box, points) for box, points in zip(boxes_xyxy, landmarks_xy, strict=True)])
        return self._thread.run(outputs_of, self.network, crops, landmarks)

    def angles(self, crops: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Yaw, pitch and roll of B crops (B, 64, 64, 3) uint8 with landmarks in_box (B, 5, 2), of one look each."""
        return self._thread.run(angles_of, self.network, crops, landmarks)

    def _with_uncertainty(self, yaw: float, pitch: float, roll: float, confidence: float) -> HeadPose:
        table = self.card["uncertainty"]
        unsure = table["unsure"]  # the box may lie beside the face
        off = {}
        for angle in ("yaw_degrees", "pitch_degrees"):
            times = unsure[f"times_{angle}"] if confidence < unsure["below_confidence"] else 1.0
            off[angle] = times * float(np.interp(abs(yaw), table["abs_yaw_degrees"], table[angle]))
        return HeadPose(yaw, pitch, roll, off["yaw_degrees"], off["pitch_degrees"])


def loaded_network(weights: Path) -> PoseNet:
    """The network of a file. Raises UserError where the file, or its card, cannot be read or is another's."""
    read_card(weights)
    network = PoseNet()
    try:
        network.load_state_dict({name: t.float() for name, t in load(weights.read_bytes()).items()})
    except (RuntimeError, SafetensorError) as error:
        raise UserError(f"{weights} does not hold a pose estimator ({one_line(error)})") from error
    return network


def encoded_network(network: PoseNet) -> bytes:
    """The ONNX file that ONNX Runtime computes on a processor."""
    return encode(network, ROOT_OFFSET, DESCRIBED_SCALE)


def probes() -> list[torch.Tensor]:
    """Crops and landmarks of noise, on which ONNX Runtime and PyTorch are compared."""
    noise = torch.Generator().manual_seed(0)
    side = CROP_SIZE
    return [torch.rand(2, 3, side, side, generator=noise) * 255 - 110, torch.rand(2, 10, generator=noise) - 0.5]


def angles_of(
    network: nn.Module, crops: np.ndarray, landmarks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yaw, pitch and roll (B,) of crops and landmarks: the mean of what is seen in them and in their mirror images."""
    return angles_from_outputs(outputs_of(network, crops, landmarks))


@torch.inference_mode()
def outputs_of(network: nn.Module, crops: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(B, 4): the sum of the network's outputs for crops and landmarks and for their mirror images."""
    device = next(network.parameters()).device
    pixels = network_input(crops)
    points = torch.from_numpy(np.ascontiguousarray(landmarks, np.float32))
    mirrored = (points * torch.tensor([-1.0, 1.0]))[:, MIRRORED_LANDMARKS]
    both = torch.cat([pixels, pixels.flip(3)]), torch.cat([points, mirrored]).flatten(1)
    seen = network(*(part.to(device) for part in both)).cpu().numpy()
    seen, in_mirror = np.split(seen, 2)
    return seen + in_mirror * [-1, 1, 1, -1]


def _length(twice: np.ndarray) -> np.ndarray:
    """How sure the network is of the yaw, 0 to about 1, from the sum of two outputs (B, 4)."""
    return np.hypot(twice[:, 0], twice[:, 1]) / 2


def angles_from_outputs(twice: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yaw (-90 to 90), pitch and roll in degrees from the sum of two outputs, (B, 4)."""
    sin_yaw, cos_yaw, sin_pitch, sin_roll = twice.T.astype(np.float64)
    pitch, roll = (np.degrees(np.arcsin((value / 2).clip(-1, 1))) for value in (sin_pitch, sin_roll))
    return np.degrees(np.arctan2(sin_yaw, cos_yaw)).clip(-90, 90), pitch, roll


def network_input(crops: np.ndarray) -> torch.Tensor:
    """(B, 3, H, W) floats of (B, H, W, 3) values 0-255."""
    pixels = crops.astype(np.float32) - np.array(MEAN, np.float32)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels last in memory, as the network's weights


def pose_crop(picture: Image.Image, box_xyxy: np.ndarray) -> np.ndarray:
    """(64, 64, 3) uint8: the square around a face box (4,) that the network sees."""
    left, top, right, bottom = (float(v) for v in box_xyxy)
    side = CROP_FACTOR * max(min(right - left, bottom - top), 1.0)
    return np.asarray(crop_square(picture, ((left + right) / 2, (top + bottom) / 2), side, CROP_SIZE, "edge"))


def box_aside(box_xyxy: np.ndarray, side: int) -> np.ndarray:
    """A wider square (4,), moved to the left (side -1) or the right (1) of a face box that may lie beside the face."""
    left, top, right, bottom = (float(v) for v in box_xyxy)
    shorter = max(min(right - left, bottom - top), 1.0)
    x, y, half = (left + right) / 2 + side * ASIDE * shorter, (top + bottom) / 2, WIDER * shorter / 2
    return np.array([x - half, y - half, x + half, y + half])


def in_box(box_xyxy: np.ndarray, landmarks_xy: np.ndarray) -> np.ndarray:
    """Landmarks (5, 2) in units of the shorter side of the face box (4,), from its centre."""
    low, high = np.asarray(box_xyxy, np.float64).reshape(2, 2)
    return ((np.asarray(landmarks_xy, np.float64) - (low + high) / 2) / max(min(high - low), 1.0)).astype(np.float32)


def estimator_version(weights: Path = WEIGHTS) -> str:
    """The first digits of the SHA-256 of the weights, by which datasets say who estimated their poses."""
    return read_card(weights)["weights_sha256"][:VERSION_DIGITS]


def read_card(weights: Path) -> dict:
    """The card beside the weights. Raises UserError unless both are there and belong together."""
    try:
        card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise UserError(
            f"the weights of the pose estimator cannot be read ({error}): install the project again"
        ) from error
    if card["weights_sha256"] != digest:
        raise UserError(f"{weights} is not what its card describes (SHA-256 {digest}): install the project again")
    return card
