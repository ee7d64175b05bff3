"""What a 12-megapixel phone photo costs from bytes to verdict, and what is changed by searching fewer of its pixels.

python -m tests.benchmarks.large_photos

Drawn faces, half as high as the photo, on noise as a camera has it, as JPEGs of 4000x3000 px.

First the steps one by one, each with all pixels and with the sides divided as far as a search allows (libjpeg's DCT
scaling), medians in ms of wall time, and of the time that the process had on processors: decoding, finding the faces,
crop and embedding. Then what `see` takes (a photo is given to Verify: decode, find, preview) and `compare`.

Then how far the box lies from that of the photo decoded whole, in % of its shorter side, and the cosine of the
embedding to that of the photo decoded whole, its face cut from all pixels. The same for the photo less its first row
and column of pixels, which tells how much such numbers mean.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from demo.verify.photos import see
from demo.verify.result import compare_photos
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import FaceDataset
from sfpn.machine import backend_words
from sfpn.network.embedders import Embedder, load_embedder
from sfpn.photos.detector import Face, FaceDetector, choose_face
from sfpn.photos.photo import Photo, decode_photo, open_photo
from sfpn.photos.searched import search_divisor
from sfpn.verification.verifier import look

SIZE = (4000, 3000)
QUALITY = 90
WAYS = ("whole", "divided")
Spent = dict[str, list[tuple[float, float]]]  # step -> (wall, processor) ms


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


def timed(spent: Spent, step: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns; how long it took is noted."""
    wall, work = time.perf_counter(), time.process_time()
    result = function(*arguments)
    spent[step].append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - work)))
    return result


def in_steps(spent: Spent, detector: FaceDetector, embedder: Embedder, encoded: bytes) -> None:
    """The steps up to the embedding, in all pixels and in as many as are needed."""
    divisor = search_divisor(SIZE)
    for way in WAYS:
        image = timed(spent, f"decode, {way}", open_photo(encoded, "photo").divided, 1 if way == "whole" else divisor)
        faces = timed(spent, f"find, {way}", detector.detect, image)
        face = choose_face(faces, image.size)
        if face is not None:
            crop = timed(spent, f"crop, {way}", embedder.preprocess.crop, image, face)
            timed(spent, f"embed, {way}", embedder.embed, [crop])


def in_the_app(spent: Spent, detector: FaceDetector, embedder: Embedder, pair: list[bytes]) -> None:
    """Two photos given to Verify one after the other, and compared."""
    wall, work = time.perf_counter(), time.process_time()
    seen = [(timed(spent, "see", see, detector, "photo", encoded),) for encoded in pair]
    timed(spent, "compare", compare_photos, {embedder.name: embedder}, detector, *seen, embedder.name, None)
    both = (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - work))
    spent["two photos to verdict"].append(both)


def changes(detector: FaceDetector, embedder: Embedder, encoded: bytes) -> dict[str, tuple[float, float]] | None:
    """For each way (box off, %; cosine) against the photo decoded whole; None where a face is not found."""
    whole = decode_photo(encoded, "photo").image
    expected = choose_face(detector.detect(whole), whole.size)
    shifted = Photo("photo", whole.crop((1, 1, *whole.size)))
    shots = {"divided": look(detector, open_photo(encoded, "photo")), "one pixel less": look(detector, shifted)}
    if expected is None:
        return None
    right = embedder.embed([embedder.preprocess.crop(whole, expected)])[0]
    found = {}
    for way, shot in shots.items():
        other = embedder.embed([shot.crop(embedder.preprocess)])[0]
        cosine = right @ other / np.linalg.norm(right) / np.linalg.norm(other)
        found[way] = (distance(shot.face, expected, 0 if way == "divided" else 1), float(cosine))
    return found


def distance(face: Face, whole: Face, shift: float) -> float:
    """Largest distance of a side of the box, shifted, from the whole photo's, in % of that box's shorter side."""
    sides = zip(face.box_xyxy, whole.box_xyxy, strict=True)
    return 100 * max(abs(side + shift - other) for side, other in sides) / whole.shorter_side


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="base")
    parser.add_argument("--photos", type=int, default=8)
    args = parser.parse_args()
    detector, embedder = FaceDetector(), load_embedder(args.model, device="cpu")
    photos = [photo(row) for row in range(args.photos)]
    in_steps(defaultdict(list), detector, embedder, photos[0])  # the first is not timed
    spent: Spent = defaultdict(list)
    for number, encoded in enumerate(photos):
        in_steps(spent, detector, embedder, encoded)
        in_the_app(spent, detector, embedder, [encoded, photos[number - 1]])
    print(f"{backend_words('cpu')}; load {os.getloadavg()[0]:.1f}; {args.photos} photos of {SIZE[0]}x{SIZE[1]} px")
    print("| step | wall, ms | processor, ms |\n|---|---|---|")
    for step, times in spent.items():
        wall, work = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| {step} | {wall:.0f} | {work:.0f} |")
    found = [each for encoded in photos if (each := changes(detector, embedder, encoded))]
    print(f"\n{len(found)} faces\n| | box off, %: median, most | cosine: median, least |\n|---|---|---|")
    for way in found[0]:
        off, cosine = zip(*(each[way] for each in found), strict=True)
        medians = statistics.median(off), statistics.median(cosine)
        print(f"| {way} | {medians[0]:.2f}, {max(off):.2f} | {medians[1]:.4f}, {min(cosine):.4f} |")


if __name__ == "__main__":
    main()
