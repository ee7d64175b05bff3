"""How far the scores, boxes and angles of a device are from those of another; see devices.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from PIL import Image

from sfpn.data.dataset import Picture
from sfpn.data.embeddings import unit_length
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import Face, FaceDetector, overlap_of_smaller

MODELS = ("base", "depthwise")
SAME_FACE = 0.5  # overlap of two boxes of one face


@contextmanager
def with_tf32() -> Iterator[None]:
    """Convolutions with float32 shortened to TF32, PyTorch's default, which `choose_device` turns off."""
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = False


WAYS = {"as it comes": nullcontext, "with TF32": with_tf32}


def show(device: str, to: str, pictures: list[Picture], photos: list[Image.Image]) -> dict[str, float]:
    """Print both tables; returns their numbers by name.

    Scores of all pairs of the pictures, faces of the photos.
    """
    print(f"\n| cosines on {device} and {to} | pairs | median difference | largest |\n|---|---|---|---|", flush=True)
    found: dict[str, float] = {}
    for model in MODELS:
        one, other = (load_embedder(model, device=name) for name in (to, device))
        crops = [one.preprocess.crop(picture.decode(), picture.face) for picture in pictures]
        exact = one.embed(crops)
        for way, context in WAYS.items():
            with context():
                off = score_differences(exact, other.embed(crops))
            print(f"| `{model}`, {way} | {len(off):,} | {np.median(off):.1e} | {off.max():.1e} |", flush=True)
            found |= {f"{model}, {way}, median": float(np.median(off)), f"{model}, {way}, largest": float(off.max())}
    return found | show_faces(device, to, photos)


def show_faces(device: str, to: str, photos: list[Image.Image]) -> dict[str, float]:
    """Print how far the faces of all photos agree."""
    columns = (
        f"faces on {device} and {to}, {len(photos)} photos",
        "found on both, on one only",
        "box off, % of its side: median, 99 %, most",
        "yaw off, degrees: median, 99 %, most",
    )
    print(f"\n| {' | '.join(columns)} |\n|---|---|---|---|", flush=True)
    one, other = (FaceDetector(device=name) for name in (to, device))
    expected, found = [one.detect(photo) for photo in photos], {}
    for way, context in WAYS.items():
        with context():
            seen = [other.detect(photo) for photo in photos]
        found |= faces_row(way, expected, seen)
    return found


def score_differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differences of the cosines of all pairs of two sets of embeddings (N, D) of the same faces."""
    first, second = (unit_length(values.astype(np.float64)) for values in (one, other))
    return np.abs(first @ first.T - second @ second.T)[np.triu_indices(len(one), 1)]


def faces_row(way: str, expected: list[list[Face]], seen: list[list[Face]]) -> dict[str, float]:
    """Print how far two detectors agree on the same photos."""
    pairs = [pair for one, other in zip(expected, seen, strict=True) for pair in matched(one, other)]
    alone = sum(map(len, expected)) + sum(map(len, seen)) - 2 * len(pairs)
    boxes = 100 * np.array([box_off(*pair) for pair in pairs])
    yaws = np.array([abs(one.yaw_degrees - other.yaw_degrees) for one, other in pairs])
    cells = [", ".join(f"{value:.3f}" for value in spread(values)) for values in (boxes, yaws)]
    print(f"| {way} | {len(pairs)}, {alone} | {cells[0]} | {cells[1]} |", flush=True)
    named = {"boxes_percent": boxes, "yaw_degrees": yaws}
    return {f"faces, {way}, both": len(pairs), f"faces, {way}, one only": alone} | {
        f"faces, {way}, {name}, {which}": value
        for name, values in named.items()
        for which, value in zip(("median", "99 %", "most"), spread(values), strict=True)
    }


def spread(values: np.ndarray) -> tuple[float, float, float]:
    """Median, 99th percentile and largest."""
    return float(np.median(values)), float(np.percentile(values, 99)), float(values.max())


def matched(one: list[Face], other: list[Face]) -> list[tuple[Face, Face]]:
    """Pairs of faces of one photo whose boxes lie on each other, each face once."""
    pairs, left = [], list(other)
    for face in one:
        best = max(left, key=lambda candidate, face=face: overlap_of_smaller(face, candidate), default=None)
        if best is not None and overlap_of_smaller(face, best) > SAME_FACE:
            pairs.append((face, best))
            left = [candidate for candidate in left if candidate is not best]
    return pairs


def box_off(one: Face, other: Face) -> float:
    """The largest difference of the edges of two boxes, as a share of the shorter side of the first."""
    return float(np.abs(np.subtract(one.box_xyxy, other.box_xyxy)).max() / one.shorter_side)
