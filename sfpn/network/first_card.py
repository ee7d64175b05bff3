"""The first card of a network that came without one: what it is called, and how a face becomes its input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfpn.errors import UserError
from sfpn.network.card import Card
from sfpn.photos.preprocess import Preprocess

NOT_STATED = "not stated"
LIMITS = "Made elsewhere; what it was trained on and how it errs is not known here."


def first_card(
    weights: Path,
    sha256: str,
    preprocess: Preprocess,
    architecture: dict[str, Any],
    chosen_by: str,
    *,
    name: str = "",
    title: str = "",
    licence: str = "",
    parameters: int | None = None,
    mirror_sum: bool = False,
) -> Card:
    """The card of weights with this hash; chosen_by: why this preprocessing, see sfpn.evaluation.preprocess_search.

    name and title: the file's name where they are empty. Raises UserError for values that no card may hold.
    """
    card = Card(
        name=name or weights.stem,
        title=title or name or weights.stem,
        architecture=architecture,
        preprocess=preprocess,
        licence=licence or NOT_STATED,
        weights_sha256=sha256,
        parameters=parameters,
        mirror_sum=mirror_sum,
        limits=LIMITS,
        extra={"preprocess_chosen_by": chosen_by},
    )
    try:
        return Card.from_json(card.to_json())  # a value may be out of range
    except ValueError as error:
        raise UserError(f"{weights}: these options make no card ({error})") from error


def onnx_architecture(descriptor_size: int, output: str, external: dict[str, str]) -> dict[str, Any]:
    """What a card says of an ONNX file; external: name -> SHA-256 of the files that belong to it."""
    architecture: dict[str, Any] = {"type": "onnx", "descriptor_size": descriptor_size, "output": output}
    return architecture | ({"external_data": external} if external else {})
