"""A SqueezeFacePoseNet as one ONNX file that needs none of this code: pixels of a crop in, the final embedding out.

What the card asks for before and after the network (mean and scale, order of channels, mirrored crop, descriptor mean,
pose direction) is part of the file, and so is the card. No file is left behind that was not opened again and compared
with what Python computes on the same faces.

onnx        float32; every face must keep a cosine of 0.9999
onnx-int8   weights int8, symmetric, one scale per output channel; activations uint8, ranges from calibration faces
            (Jacob et al., arXiv 1712.05877); the first convolution stays float32. The median face must keep 0.99
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.embedders import SFPNEmbedder
from sfpn.network.export_int8 import quantised
from sfpn.network.exported import (
    OUTPUT,
    Exported,
    FromPixels,
    cosines_of,
    exported_card,
    require_close,
    weights_of,
    write_with_card,
)
from sfpn.network.onnx_writing import BATCH_AXIS, INPUT, require_onnx, run_encoded, traced, with_card_inside

FORMATS = ("onnx", "onnx-int8")


def export(
    name_or_path: str | Path,
    format: str,
    out: Path,
    check_on: Sequence[Image.Image],
    calibrate_on: Sequence[Image.Image] = (),
    calibrated_with: str = "",
) -> Exported:
    """Write the ONNX file of a SqueezeFacePoseNet and its card beside it.

    format: one of FORMATS. out: ends in .onnx. check_on: crops as the card's preprocessing makes them, on which file
    and Python are compared. calibrate_on: other crops, of all poses, for onnx-int8; calibrated_with: their name, for
    the card. Raises UserError for other models, if a package is missing, and if the embeddings differ too much; then
    `out` is as it was.
    """
    onnx = require_onnx()
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}, not {format!r}")
    if out.suffix != ".onnx":
        raise UserError(f"{out}: the name of an ONNX file ends in .onnx; choose another --out")
    path = weights_of(name_or_path)
    embedder = SFPNEmbedder(path, device="cpu")
    expected = embedder.embed(list(check_on))
    network, card = checkpoint.load(path)
    free = {INPUT: {0: BATCH_AXIS}, OUTPUT: {0: BATCH_AXIS}}
    side = card.preprocess.size
    encoded = traced(FromPixels(network, card).eval(), ((2, 3, side, side),), [INPUT], [OUTPUT], free)
    if format == "onnx-int8":
        encoded = quantised(onnx, encoded, embedder, list(calibrate_on))
    found = run_encoded(out, encoded, embedder.preprocess, check_on, network.config.descriptor_size)
    cosines = cosines_of(expected, found)
    lowest, median = float(cosines.min()), float(np.median(cosines))
    require_close(out, format, card.name, cosines)
    exported = {
        "format": format,
        "from": card.name,
        "from_weights_sha256": card.weights_sha256,
        "cosine_to_it": {"faces": len(cosines), "lowest": round(lowest, 6), "median": round(median, 6)},
    }
    if format == "onnx-int8":
        exported["calibrated_on"] = f"{calibrated_with or 'faces'}: {len(calibrate_on)} faces"
    new_card = exported_card(card, format, exported, network.config.descriptor_size)
    encoded = with_card_inside(onnx, encoded, new_card)
    new_card = replace(new_card, weights_sha256=hashlib.sha256(encoded).hexdigest())
    write_with_card(out, encoded, new_card)
    return Exported(out, new_card, len(encoded), lowest, median)
