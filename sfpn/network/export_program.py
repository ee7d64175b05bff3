"""What the programs for phones share, whichever runtime they are for: made, run again, compared, written with a card.

They compute in float32 and take one face at a time, as a phone has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.embedders import SFPNEmbedder
from sfpn.network.exported import (
    FLOAT_COSINE,
    Exported,
    FromPixels,
    cosines_of,
    exported_card,
    pixels_of,
    weights_of,
    write_with_card,
)

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Target:
    """A runtime: how a program for it is called, made and run.

    encoded: a module and the shape of its input -> the program. opened: the program -> a function by that runtime, from
    faces (B, 3, size, size) float32, RGB 0-255, to embeddings (B, D) float32.
    """

    format: str
    suffix: str
    noun: str
    input: str
    encoded: Callable[[nn.Module, tuple[int, ...]], bytes]
    opened: Callable[[bytes], Run]


def export_program(target: Target, name_or_path: str | Path, out: Path, check_on: Sequence[Image.Image]) -> Exported:
    """Write the program of a network and its card beside it.

    out: ends in the target's suffix. check_on: crops as the card's preprocessing makes them, on which program and
    Python are compared. Raises UserError for other models and if the embeddings differ too much; then `out` is as it
    was.
    """
    if out.suffix != target.suffix:
        raise UserError(f"{out}: the name of {target.noun} ends in {target.suffix}; choose another --out")
    path = weights_of(name_or_path)
    network, card = checkpoint.load(path)
    embedder = SFPNEmbedder(path, device="cpu")
    side, size = card.preprocess.size, network.config.descriptor_size
    encoded = target.encoded(FromPixels(network, card).eval(), (1, 3, side, side))
    found = target.opened(encoded)(pixels_of(embedder.preprocess, check_on))
    cosines = cosines_of(embedder.embed(list(check_on)), found)
    lowest, median = float(cosines.min()), float(np.median(cosines))
    if not lowest >= FLOAT_COSINE:
        raise UserError(
            f"{out}: not written, because its embeddings stray from those of {card.name}: the lowest cosine of "
            f"{len(cosines)} faces is {lowest:.5f}, below {FLOAT_COSINE:g}"
        )
    exported = {
        "format": target.format,
        "from": card.name,
        "from_weights_sha256": card.weights_sha256,
        "cosine_to_it": {"faces": len(cosines), "lowest": round(lowest, 6), "median": round(median, 6)},
        "input": f"{target.input}: (1, 3, {side}, {side}) float32, red, green, blue from 0 to 255",
    }
    new_card = replace(
        exported_card(card, target.format, exported, size),
        name=f"{card.name}-{target.format}",
        title=f"{card.title}, as {target.noun} in float32",
        architecture={"type": target.format, "descriptor_size": size},
        weights_sha256=hashlib.sha256(encoded).hexdigest(),
    )
    write_with_card(out, encoded, new_card)
    return Exported(out, new_card, len(encoded), lowest, median)
