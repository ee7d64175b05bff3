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
from sfpn.network.card import Card, load_card, save_card
from sfpn.network.model import SFPN, SFPNConfig, count_parameters

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"
ARCHITECTURE = "SqueezeFacePoseNet"


def bundled_names() -> list[str]:
    """Names of the weights that ship with the project, e.g. ['base', 'depthwise']."""
    return sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.safetensors"))


def resolve(name_or_path: str | Path) -> Path:
    """The file of bundled weights, by name, or of any other by path. Raises UserError if there is none."""
    bundled = WEIGHTS_FOLDER / f"{name_or_path}.safetensors"
    path = bundled if bundled.is_file() else Path(name_or_path)
    if not path.is_file():
        names = ", ".join(bundled_names()) or "none"
        raise UserError(f"{name_or_path}: no such model; give a path to a weights file or one of the bundled: {names}")
    return path


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(name_or_path: str | Path) -> tuple[SFPN, Card]:
    """The network in evaluation mode, float32, and its card.

    Raises UserError if the file is missing, corrupt, of another architecture, or if card and weights do not fit.
    """
    path = resolve(name_or_path)
    card = load_checked_card(path)
    if card.architecture.get("type") != ARCHITECTURE:
        raise UserError(f"{path}: its card says {card.architecture.get('type')!r}, which is not a {ARCHITECTURE}")
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); download or train it again") from error
    config = SFPNConfig(
        depthwise=bool(card.architecture.get("depthwise")),
        descriptor_size=int(card.architecture.get("descriptor_size", 1000)),
    )
    model = SFPN(config)
    _check_fit(path, tensors, model)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    for name, vector in (("descriptor mean", card.descriptor_mean), ("pose direction", card.pose_direction)):
        if vector is not None and len(vector) != config.descriptor_size:
            raise UserError(f"{path}: its card has a {name} of {len(vector)} numbers, not {config.descriptor_size}")
    return model.eval(), card


def load_checked_card(path: Path) -> Card:
    """The card beside a weights file. Raises UserError unless it was written for exactly these bytes."""
    card = load_card(path)
    if card.weights_sha256 != file_sha256(path):
        raise UserError(
            f"{path}: the file is not the one its card describes (SHA-256 differs); it is damaged or the card is another's"
        )
    return card


def _check_fit(path: Path, tensors: dict[str, torch.Tensor], model: SFPN) -> None:
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    different = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if different:
        raise UserError(
            f"{path}: weights of another architecture than its card says "
            f"({len(different)} tensors differ, first {different[0]}); use the card that belongs to them"
        )


def save(model: SFPN, card: Card, path: Path) -> Card:
    """Write a folded network (half precision) and its card; returns the card with hash and parameter count filled in.

    Raises ValueError if the network still has batch normalisation.
    """
    if model.config.batch_norm:
        raise ValueError("fold batch normalisation away before saving")
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
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
