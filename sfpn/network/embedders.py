"""Embedders: anything that turns face crops into vectors whose cosine compares two faces.

All have a `name`, a `card` (preprocessing, licence, operating points) and `embed(crops)`; models stand side by side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.photos.preprocess import Preprocess

BATCH = 16  # crops at once; small, because the maps then stay in the processor's cache


class Embedder(Protocol):
    name: str
    card: Card
    precision: str

    @property
    def preprocess(self) -> Preprocess: ...

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        """(B, D) float32, centred as the card says, not normalised."""
        ...


class _CardEmbedder(ABC):
    """What all embedders share: mirroring and centring as the card says, in batches."""

    precision = "float32"  # of the arithmetic; embeddings of another precision are kept apart

    def __init__(self, name: str, card: Card) -> None:
        self.name, self.card = name, card

    @property
    def preprocess(self) -> Preprocess:
        return self.card.preprocess

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        """(B, D) float32, centred as the card says, not normalised."""
        if not crops:
            raise ValueError("embed needs at least one crop")
        inputs = self.preprocess.tensor(crops)
        return np.concatenate([self._embed_batch(batch) for batch in inputs.split(BATCH)])

    def _embed_batch(self, batch: torch.Tensor) -> np.ndarray:
        descriptors = self._forward(batch)
        if self.card.mirror_sum:
            descriptors = descriptors + self._forward(batch.flip(-1))
        if self.card.descriptor_mean is not None:
            views = 2 if self.card.mirror_sum else 1
            descriptors = descriptors - views * np.array(self.card.descriptor_mean, np.float32)
        if self.card.pose_direction is not None:
            direction = np.array(self.card.pose_direction, np.float32)
            descriptors = descriptors - np.outer(descriptors @ direction, direction)
        return descriptors

    @abstractmethod
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        """(B, 3, size, size) network input -> (B, D) float32, as the network gives them."""


class SFPNEmbedder(_CardEmbedder):
    """A SqueezeFacePoseNet, float32 by default; bf16 is more than twice as fast and moves scores by about 0.001."""

    def __init__(self, name_or_path: str | Path, *, bf16: bool = False) -> None:
        model, card = checkpoint.load(name_or_path)
        super().__init__(card.name, card)
        self._model = model.to(memory_format=torch.channels_last)
        self._bf16, self.precision = bf16, "bfloat16" if bf16 else "float32"

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            return self._model(batch.contiguous(memory_format=torch.channels_last)).float().numpy()


class OnnxEmbedder(_CardEmbedder):
    """Any ONNX file with a card: one input (B, 3, size, size), one output (B, D)."""

    def __init__(self, path: str | Path) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise UserError(f"{path}: ONNX files need ONNX Runtime; run: pip install onnxruntime") from error
        path = checkpoint.resolve(path)
        card = checkpoint.load_checked_card(path)
        super().__init__(card.name, card)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (RuntimeError, ValueError, onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf) as error:
            raise UserError(f"{path}: not a readable ONNX model ({error}); export it again") from error
        self._input = self._session.get_inputs()[0].name

    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        return self._session.run(None, {self._input: np.ascontiguousarray(batch.numpy())})[0].astype(np.float32)


class InceptionEmbedder(_CardEmbedder):
    """facenet-pytorch's InceptionResnetV1; its weights (107 MB) are downloaded at first use."""

    def __init__(self, pretrained: str = "vggface2") -> None:
        from sfpn.photos.torchvision_ops import ensure_torchvision

        ensure_torchvision()
        from facenet_pytorch import InceptionResnetV1

        card = Card(
            name=f"inception-{pretrained}",
            title=f"InceptionResnetV1 ({pretrained}), facenet-pytorch",
            architecture={"type": "InceptionResnetV1", "descriptor_size": 512},
            preprocess=Preprocess("box", 160, 1.2, "edge", (127.5, 127.5, 127.5), 128.0),
            licence="MIT (code); weights trained on VGGFace2",
            weights_sha256=f"facenet-pytorch/{pretrained}",
        )
        super().__init__(card.name, card)
        try:
            self._model = InceptionResnetV1(pretrained=pretrained).eval()
        except OSError as error:
            raise UserError(
                f"inception-{pretrained}: its weights could not be downloaded ({error}); connect to a network and try again"
            ) from error

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        return self._model(batch).numpy()


def load_embedder(name_or_path: str | Path, *, bf16: bool = False) -> Embedder:
    """A bundled name ('base'), a path (.safetensors or .onnx, card beside it), or 'inception-vggface2'.

    Raises UserError if it cannot be loaded.
    """
    name = str(name_or_path)
    if name.startswith("inception-"):
        if name.removeprefix("inception-") not in ("vggface2", "casia-webface"):
            raise UserError(f"{name}: known are inception-vggface2 and inception-casia-webface")
        return InceptionEmbedder(name.removeprefix("inception-"))
    if name.endswith(".onnx"):
        return OnnxEmbedder(name)
    return SFPNEmbedder(name, bf16=bf16)
