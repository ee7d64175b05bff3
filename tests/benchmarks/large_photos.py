"""What decoding costs of a 12-megapixel phone photo from bytes to embedding, and what JPEG's own scaling would save.

python -m tests.benchmarks.large_photos

A drawn face, half as high as the photo, on noise as a camera has it, as a JPEG of 4000x3000 px. Medians in ms of the
time that the process had on processors (time.process_time), all steps in turn: decoding as the app does, decoding to
half and quarter of the sides (libjpeg's DCT scaling, Image.draft), detection in the whole photo and in the scaled ones,
crop and embedding. Also how far the detector's box lies from the one in the whole photo, in % of its shorter side, and
the cosine of the embedding to that of the whole photo.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import FaceDataset
from sfpn.machine import backend_words
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import Face, FaceDetector, choose_face
from sfpn.photos.photo import decode_photo

SIZE = (4000, 3000)
QUALITY = 90
SCALES = (1, 2, 4)


def photo(row: int) -> bytes:
    """The bytes of a large photo of one of the drawn people."""
    dataset = FaceDataset.open(DRAWN_PEOPLE)
    row_id = sorted(dataset.rows()["row_id"])[row]
    drawn = next(iter(dataset.pictures({row_id}))).decode()
    side = SIZE[1]
    enlarged = np.asarray(drawn.resize((side, side), Image.Resampling.BICUBIC), np.int16)
    whole = np.full((SIZE[1], SIZE[0], 3), 128, np.int16)
    left = (SIZE[0] - side) // 2
    whole[:, left : left + side] = enlarged
    whole += np.random.default_rng(row).normal(0, 6, whole.shape).astype(np.int16)
    encoded = io.BytesIO()
    Image.fromarray(whole.clip(0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def scaled(encoded: bytes, scale: int) -> Image.Image:
    """The photo with its sides divided by 1, 2 or 4; whole, as the app decodes it."""
    if scale == 1:
        return decode_photo(encoded, "photo").image
    with Image.open(io.BytesIO(encoded)) as opened:
        opened.draft("RGB", (SIZE[0] // scale, SIZE[1] // scale))
        return opened.convert("RGB")


def spent(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """(ms on processors, what the function returns)."""
    start = time.process_time()
    result = function(*arguments)
    return 1000 * (time.process_time() - start), result


def distance(face: Face, scale: int, whole: Face) -> float:
    """Largest distance of a side of the box from the whole photo's, in % of that box's shorter side."""
    moved = np.array(face.box_xyxy) * scale - np.array(whole.box_xyxy)
    return float(100 * np.abs(moved).max() / whole.shorter_side)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="base")
    parser.add_argument("--photos", type=int, default=5)
    args = parser.parse_args()
    detector, embedder = FaceDetector(), load_embedder(args.model, device="cpu")
    taken: dict[int, list[tuple[float, ...]]] = {scale: [] for scale in SCALES}
    for number in range(args.photos + 1):
        encoded, whole_face, whole_embedding = photo(number), None, np.zeros(1)
        for scale in SCALES:
            decoding, image = spent(scaled, encoded, scale)
            detecting, faces = spent(detector.detect, image)
            face = choose_face(faces, image.size)
            if face is None:
                print(f"photo {number}, sides / {scale}: no face")
                continue
            embedding, found = spent(lambda i=image, f=face: embedder.embed([embedder.preprocess.crop(i, f)])[0])
            if whole_face is None:
                whole_face, whole_embedding = face, found
            cosine = found @ whole_embedding / np.linalg.norm(found) / np.linalg.norm(whole_embedding)
            row = (decoding, detecting, embedding, distance(face, scale, whole_face), float(cosine))
            taken[scale] += [row] if number else []  # the first is not timed
    print(f"{backend_words('cpu')}; load {os.getloadavg()[0]:.1f}; {args.photos} photos of {SIZE[0]}x{SIZE[1]} px")
    print("| sides / | decode, ms | detect, ms | crop and embed, ms | box off, % | cosine |")
    print("|---|---|---|---|---|---|")
    for scale, rows in taken.items():
        decoding, detecting, embedding, off, cosine = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {scale} | {decoding:.0f} | {detecting:.0f} | {embedding:.0f} | {off:.1f} | {cosine:.4f} |")


if __name__ == "__main__":
    main()
