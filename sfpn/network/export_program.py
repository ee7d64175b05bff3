"""What the programs for phones share, whichever runtime they are for: made, run again, compared, written with a card.

They take one face at a time, as a phone has them, and compute in float32 or, where the format ends in -int8, in int8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.embedders import SFPNEmbedder
from sfpn.network.exported import (
    Exported,
    FromPixels,
    cosines_of,
    exported_card,
    pixels_of,
    require_close,
    require_enough_to_calibrate,
    weights_of,
    write_with_card,
)

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Target:
    """A runtime: how a program for it is called, made and run.

    encoded: a module, the shape of its input and the pixels of calibration faces, which only int8 needs, -> the
    program. opened: the program -> a function by that runtime, from faces (B, 3, size, size) float32, RGB 0-255, to
    embeddings (B, D) float32.
    """

    format: str
    suffix: str
    noun: str
    input: str
    encoded: Callable[[FromPixels, tuple[int, ...], np.ndarray], bytes]
    opened: Callable[[bytes], Run]

    @property
    def int8(self) -> bool:
        return self.format.endswith("-int8")


def export_program(
    target: Target,
    name_or_path: str | Path,
    out: Path,
    check_on: Sequence[Image.Image],
    calibrate_on: Sequence[Image.Image] = (),
    calibrated_with: str = "",
) -> Exported:
    """Write the program of a network and its card beside it.

    out: ends in the target's suffix. check_on: crops as the card's preprocessing makes them, on which program and
    Python are compared. calibrate_on: other crops, of all poses, for int8; calibrated_with: their name, for the card.
    Raises UserError for other models, too few faces to calibrate on and if the embeddings differ too much; then `out`
    is as it was.
    """
    if out.suffix != target.suffix:
        raise UserError(f"{out}: the name of {target.noun} ends in {target.suffix}; choose another --out")
    path = weights_of(name_or_path)
    network, card = checkpoint.load(path)
    embedder = SFPNEmbedder(path, device="cpu")
    side, size = card.preprocess.size, network.config.descriptor_size
    calibration_pixels = np.empty((0, 3, side, side), np.float32)
    if target.int8:
        require_enough_to_calibrate(calibrate_on)
        calibration_pixels = pixels_of(embedder.preprocess, calibrate_on)
    encoded = target.encoded(FromPixels(network, card).eval(), (1, 3, side, side), calibration_pixels)
    found = target.opened(encoded)(pixels_of(embedder.preprocess, check_on))
    cosines = cosines_of(embedder.embed(list(check_on)), found)
    lowest, median = float(cosines.min()), float(np.median(cosines))
    require_close(out, target.format, card.name, cosines)
    exported = {
        "format": target.format,
        "from": card.name,
        "from_weights_sha256": card.weights_sha256,
        "cosine_to_it": {"faces": len(cosines), "lowest": round(lowest, 6), "median": round(median, 6)},
        "input": f"{target.input}: (1, 3, {side}, {side}) float32, red, green, blue from 0 to 255",
    }
    if target.int8:
        exported["calibrated_on"] = f"{calibrated_with or 'faces'}: {len(calibrate_on)} faces"
    new_card = replace(
        exported_card(card, target.format, exported, size),
        name=f"{card.name}-{target.format}",
        title=f"{card.title}, as {target.noun} in {'int8' if target.int8 else 'float32'}",
        architecture={"type": target.format, "descriptor_size": size},
        weights_sha256=hashlib.sha256(encoded).hexdigest(),
    )
    write_with_card(out, encoded, new_card)
    return Exported(out, new_card, len(encoded), lowest, median)
