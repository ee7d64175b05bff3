"""Weights on disk: safetensors in half precision, each file with its card. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.network import hub
from sfpn.network.card import Card, load_card, save_card
from sfpn.network.model import SFPN, SFPNConfig, count_parameters

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"
ARCHITECTURE = "SqueezeFacePoseNet"
DEFAULT_DESCRIPTOR_SIZE = 1000
NO_EMBEDDERS = ("pose",)  # weights in the folder that are of another kind: sfpn.photos.pose


def bundled_names() -> list[str]:
    """Names of the models that ship with the project.

    >>> bundled_names()
    ['base', 'depthwise']
    """
    return sorted({path.stem for path in WEIGHTS_FOLDER.glob("*.safetensors")}.difference(NO_EMBEDDERS))


def resolve(name_or_path: str | Path) -> Path:
    """The weights file meant by a bundled name, a path, a folder that `save_pretrained` wrote, or a Hub id.

    A Hub id is user/repo or user/repo@revision; it is downloaded where the local cache has not got it.
    Raises UserError if there is none.
    """
    name = str(name_or_path)
    if name in bundled_names():
        return WEIGHTS_FOLDER / f"{name}.safetensors"
    path = Path(name_or_path)
    try:
        candidates = [path, *(path / f"{hub.STEM}{ending}" for ending in hub.ENDINGS)]
        found = next((file for file in candidates if file.is_file()), None)
    except OSError as error:
        raise UserError(f"{name:.200}: cannot be read ({error.strerror}); check the path") from error
    if found is not None:
        return found
    if isinstance(name_or_path, str) and hub.is_hub_id(name) and not path.exists():
        return hub.download(name)
    names = ", ".join(bundled_names()) or "none"
    raise UserError(
        f"{name:.200}: no such model; "
        f"give a path to a weights file, a Hub id (user/repo) or one of the bundled: {names}"
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(name_or_path: str | Path) -> tuple[SFPN, Card]:
    """The network in evaluation mode, float32, and its card. Names are those of `resolve`.

    Raises UserError if the file is missing, corrupt, of another architecture, or if card and weights do not fit.

    >>> model, card = load("depthwise")
    >>> model.config.depthwise, card.preprocess.size
    (True, 113)
    """
    path = resolve(name_or_path)
    card, encoded = read_checked(path)
    if card.architecture.get("type") != ARCHITECTURE:
        raise UserError(f"{path}: its card says {card.architecture.get('type')!r:.60}, which is not a {ARCHITECTURE}")
    tensors = read_tensors(encoded, path)
    config = SFPNConfig(
        depthwise=card.architecture.get("depthwise", False),
        descriptor_size=card.architecture.get("descriptor_size", DEFAULT_DESCRIPTOR_SIZE),
    )
    model = SFPN(config)
    _check_fit(path, tensors, model)
    check_vectors(card, config.descriptor_size, path)
    model.load_state_dict(tensors)
    model.card = card
    return model.eval(), card


def load_checked_card(path: Path) -> Card:
    """The card beside a weights file. Raises UserError unless it was written for exactly these bytes."""
    return read_checked(path)[0]


def read_checked(path: Path) -> tuple[Card, bytes]:
    """The card beside a weights file and the bytes of the file, which are those that the card was written for."""
    card = load_card(path)
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if card.weights_sha256 != hashlib.sha256(encoded).hexdigest():
        raise UserError(
            f"{path}: the file is not the one its card describes (SHA-256 differs); "
            "it is damaged or the card is another's"
        )
    return card, encoded


def read_tensors(encoded: bytes, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, float32. Raises UserError unless all hold finite floating-point numbers."""
    try:
        tensors = safetensors.torch.load(encoded)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, OverflowError, RuntimeError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); download or train it again") from error
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise UserError(
                f"{path}: the tensor {name} holds {kind} numbers; quantised weights cannot be used, "
                "save them as float16 or float32"
            )
        tensors[name] = tensor.float()
        if not torch.isfinite(tensors[name]).all():
            raise UserError(
                f"{path}: the tensor {name} holds numbers that are not finite (NaN or infinity); "
                "its training went wrong, take an earlier checkpoint"
            )
    return tensors


def check_vectors(card: Card, descriptor_size: int, path: Path) -> None:
    """Raise UserError if the card has a descriptor mean or pose direction of another size than the network's output."""
    for name, vector in (("descriptor mean", card.descriptor_mean), ("pose direction", card.pose_direction)):
        if vector is not None and len(vector) != descriptor_size:
            raise UserError(f"{path}: its card has a {name} of {len(vector)} numbers, not {descriptor_size}")


def _check_fit(path: Path, tensors: dict[str, torch.Tensor], model: SFPN) -> None:
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    different = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if different:
        raise UserError(
            f"{path}: weights of another architecture than its card says "
            f"({len(different)} tensors differ, first {different[0]:.100}); use the card that belongs to them"
        )


def infer_config(tensors: dict[str, torch.Tensor], path: Path) -> SFPNConfig:
    """Which SqueezeFacePoseNet the tensors are of, for weights without a card. Raises UserError if they are of none."""
    squeeze, expand = (tensors.get(f"layers.fire2.{name}.conv.weight") for name in ("squeeze1x1", "expand3x3"))
    last = tensors.get("layers.conv10.conv.weight")
    if squeeze is None or expand is None or last is None or expand.ndim != 4:
        raise UserError(
            f"{path}: not the weights of a {ARCHITECTURE}; export another network as ONNX and make the card of that"
        )
    config = SFPNConfig(depthwise=expand.shape[1] == 1, descriptor_size=last.shape[0])
    _check_fit(path, tensors, SFPN(config))
    return config


def save(model: SFPN, card: Card, path: Path) -> Card:
    """Write a folded network (half precision) and its card; returns the card with hash and parameter count filled in.

    Raises ValueError if the network still has batch normalisation.
    """
    if model.config.batch_norm:
        raise ValueError("fold batch normalisation away before saving")
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in model.state_dict().items()}
    with whole_file(path) as temporary:
        safetensors.torch.save_file(tensors, temporary)
        temporary.chmod(0o644)  # the library writes files that only the owner can read
    card = replace(
        card,
        weights_sha256=file_sha256(path),
        parameters=count_parameters(model),
        architecture={
            "type": ARCHITECTURE,
            "depthwise": model.config.depthwise,
            "descriptor_size": model.config.descriptor_size,
        },
    )
    save_card(card, path)
    return card
