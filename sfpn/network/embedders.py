"""Embedders: anything that turns face crops into vectors whose cosine compares two faces.

All have a `name`, a `card` (preprocessing, licence, operating points) and `embed(crops)`; models stand side by side.
"""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.machine import backend_words, choose_device
from sfpn.network import checkpoint, hub
from sfpn.network.card import Card
from sfpn.network.onnx_guarded import Bounds, GuardedModel
from sfpn.network.onnx_model import OnnxModel, external_files
from sfpn.network.processor import processor_network
from sfpn.photos.preprocess import Preprocess

BATCH = 16  # pictures at once on a processor; small, because the maps then stay in its cache
DEVICE_BATCH = 256  # on a graphics processor, which needs many to be busy


class Embedder(Protocol):
    name: str
    card: Card
    precision: str

    @property
    def preprocess(self) -> Preprocess: ...

    @property
    def backend(self) -> str: ...

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        """(B, D) float32, centred as the card says, not normalised."""
        ...


def keeping_direction(embedder: Embedder) -> Embedder | None:
    """The same model with its pose direction kept; None for a model that removes none."""
    if embedder.card.pose_direction is None:
        return None
    other = copy.copy(embedder)
    other.card = replace(embedder.card, pose_direction=None)
    return other


class _CardEmbedder(ABC):
    """What all embedders share: mirroring and centring as the card says, in batches."""

    precision = "float32"  # of the arithmetic; embeddings of another precision are kept apart
    device = torch.device("cpu")
    runtime = "PyTorch"  # one of sfpn.machine.RUNTIMES

    def __init__(self, name: str, card: Card) -> None:
        self.name, self.card = name, card

    @property
    def preprocess(self) -> Preprocess:
        return self.card.preprocess

    @property
    def backend(self) -> str:
        """What computes, where and in which numbers, in one line."""
        return backend_words(self.device, self.precision, self.runtime)

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        """(B, D) float32, centred as the card says, not normalised. Raises UserError as `check_embeddings` does."""
        if not crops:
            raise ValueError("embed needs at least one crop")
        inputs = self.preprocess.tensor(crops)
        views = 2 if self.card.mirror_sum else 1
        size = (BATCH if self.device.type == "cpu" else DEVICE_BATCH) // views
        embeddings = np.concatenate([self._embed_batch(batch) for batch in inputs.split(size)])
        check_embeddings(self.name, embeddings)
        return embeddings

    def _embed_batch(self, batch: torch.Tensor) -> np.ndarray:
        if self.card.mirror_sum:
            seen, mirrored = np.split(self._forward(torch.cat([batch, batch.flip(-1)])), 2)
            descriptors = seen + mirrored
        else:
            descriptors = self._forward(batch)
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
    """A SqueezeFacePoseNet, float32 by default; bf16 moves scores by about 0.001.

    On a processor float32 is computed by ONNX Runtime where that is installed, which gives the same numbers in about
    half the time (see sfpn.network.processor), and by PyTorch where it is not.
    """

    def __init__(self, name_or_path: str | Path, *, bf16: bool = False, device: str = "auto") -> None:
        model, card = checkpoint.load(name_or_path)
        super().__init__(card.name, card)
        self.device = choose_device(device)
        self._model = model.to(self.device, memory_format=torch.channels_last)  # pyright: ignore (torch's stubs)
        self._bf16, self.precision = bf16, "bfloat16" if bf16 else "float32"
        self._on_processor = processor_network(model) if self.device.type == "cpu" and not bf16 else None
        if self._on_processor:
            self.runtime = "ONNX Runtime"

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        if self._on_processor:
            return self._on_processor(batch.numpy())
        with torch.autocast(self.device.type, torch.bfloat16) if self._bf16 else contextlib.nullcontext():
            faces = batch.to(self.device, memory_format=torch.channels_last)
            return self._model(faces).float().cpu().numpy()


class OnnxEmbedder(_CardEmbedder):
    """Any ONNX file with a card; see sfpn.network.onnx_model for what is understood."""

    runtime = "ONNX Runtime"

    def __init__(self, name_or_path: str | Path, *, guarded: Bounds | None = None) -> None:
        """guarded: computed by a process of its own, within these bounds; see sfpn.network.onnx_guarded."""
        path = checkpoint.resolve(name_or_path)
        card, encoded = checkpoint.read_checked(path)
        super().__init__(card.name, card)
        self.file_bytes = len(encoded)
        self._model = open_guarded(path, card, guarded) if guarded else open_onnx(path, card, encoded)
        _check_integer_input(path, card, self._model)
        checkpoint.check_vectors(card, self._model.descriptor_size, path)

    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        return self._model.run(batch.numpy())

    def close(self) -> None:
        """End the process of its own, where there is one."""
        if isinstance(self._model, GuardedModel):
            self._model.close()


def open_onnx(path: Path, card: Card, encoded: bytes) -> OnnxModel:
    """The network of an ONNX file, used as its card says. Raises UserError if the two do not fit."""
    asked = _as_card_says(path, card)
    external = external_files(path, encoded, card.architecture.get("external_data", {}))
    return OnnxModel(path, encoded, external=external, **asked)


def open_guarded(path: Path, card: Card, bounds: Bounds) -> GuardedModel:
    """The same, computed by a process of its own."""
    asked = _as_card_says(path, card)
    return GuardedModel(path, expected=card.architecture.get("external_data", {}), bounds=bounds, **asked)


def _as_card_says(path: Path, card: Card) -> dict[str, Any]:
    """What a card decides of how its network is run."""
    hub.external_names(card.architecture)
    output = card.architecture.get("output")
    if output is not None and not isinstance(output, str):
        raise UserError(f"{path}: its card's architecture.output must be the name of an output")
    return {
        "size": card.preprocess.size,
        "descriptor_size": card.architecture.get("descriptor_size"),
        "output": output,
        "threads": torch.get_num_threads(),
    }


def _check_integer_input(path: Path, card: Card, model: OnnxModel | GuardedModel) -> None:
    """Whole numbers cannot hold what a mean or a scale makes of pixels."""
    preprocess = card.preprocess
    if model.input.is_whole and (any(preprocess.mean) or preprocess.scale != 1):
        raise UserError(
            f"{path}: takes pixels as they are (uint8), but its card subtracts {list(preprocess.mean)} and divides by "
            f"{preprocess.scale:g}; write mean 0 and scale 1 into the card"
        )


class InceptionEmbedder(_CardEmbedder):
    """facenet-pytorch's InceptionResnetV1; its weights (107 MB) are downloaded at first use."""

    def __init__(self, pretrained: str = "vggface2", *, device: str = "auto") -> None:
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
        self.device = choose_device(device)
        try:
            self._model = InceptionResnetV1(pretrained=pretrained).eval().to(self.device)
        except OSError as error:
            raise UserError(
                f"inception-{pretrained}: its weights could not be downloaded ({error}); "
                "connect to a network and try again"
            ) from error

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        return self._model(batch.to(self.device)).cpu().numpy()


def check_embeddings(model: str, embeddings: np.ndarray) -> None:
    """Raise UserError unless all embeddings (B, D) have a finite length above zero, as a cosine needs."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(embeddings, axis=-1)
    if not np.isfinite(lengths).all():
        raise UserError(
            f"model {model}: its embeddings hold NaN or infinity or are too long for a number, which cannot be "
            "compared; its weights or the mean and scale in its card are wrong"
        )
    if not lengths.all():
        raise UserError(
            f"model {model}: gives an embedding of zeros, which is like nothing; "
            "its weights or the mean and scale in its card are wrong"
        )


def load_embedder(name_or_path: str | Path, *, bf16: bool = False, device: str = "auto") -> Embedder:
    """A model to embed faces with, by name.

    name_or_path: a bundled name ('base', 'depthwise'), a path (.safetensors or .onnx, card beside it), a folder that
    `SFPN.save_pretrained` wrote, 'user/repo' or 'user/repo@revision' of the Hugging Face Hub (downloaded once), or
    'inception-vggface2'. bf16: arithmetic in bfloat16, of a SqueezeFacePoseNet only. device: see
    `sfpn.machine.choose_device`; ONNX files are computed by the processor. Raises UserError if it cannot be loaded.

    >>> from PIL import Image
    >>> embedder = load_embedder("base")
    >>> embedder.embed([Image.new("RGB", (113, 113), "teal")]).shape
    (1, 1000)
    """
    name = str(name_or_path)
    if name.startswith("inception-"):
        if name.removeprefix("inception-") not in ("vggface2", "casia-webface"):
            raise UserError(f"{name}: known are inception-vggface2 and inception-casia-webface")
        return InceptionEmbedder(name.removeprefix("inception-"), device=device)
    path = checkpoint.resolve(name_or_path)
    if path.suffix != ".onnx":
        return SFPNEmbedder(path, bf16=bf16, device=device)
    if device not in ("auto", "cpu"):
        raise UserError(f"{path}: ONNX files are computed by the processor here; give device auto or cpu, not {device}")
    return OnnxEmbedder(path)
