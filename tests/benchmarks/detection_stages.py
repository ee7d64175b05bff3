"""Where the time of finding faces goes, alone and beside busy processes, on drawn portraits and a drawn group.

    python tests/benchmarks/detection_stages.py [--busy 1 3] [--repeat 15]

Wall time and processor time in ms, medians (and the least) over the repetitions; the stages are processor time. Beside
N busy processes on C cores the fair share of one thread is min(1, C / (N + 1)): "of fair" is the wall time over the
wall time alone, times that share.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from sfpn.data.dataset import FaceDataset
from sfpn.photos import mtcnn
from sfpn.photos.detector import FaceDetector
from sfpn.photos.finding import find_in_photo
from sfpn.photos.photo import decode_photo, open_photo

DRAWN = Path(__file__).parents[2] / "demo" / "assets" / "synthetic"
STAGES = {
    "sums": (mtcnn.Areas, "__init__"),
    "levels": (mtcnn.Areas, "level"),
    "candidates": (mtcnn.Areas, "crops"),
    "suppression": (mtcnn, "keep_best"),
}
NETWORKS = {"P-Net": "_propose", "R-Net": "_refine", "O-Net": "_output"}


def drawn_people(count: int) -> list[Image.Image]:
    """The first frontal pictures of the bundled drawn people."""
    dataset = FaceDataset.open(DRAWN)
    rows = dataset.rows()
    wanted = set(rows[rows["pose"] == "frontal"].groupby("identity").head(1)["row_id"].head(count))
    return [picture.decode() for picture in dataset.pictures(wanted)]


def scenes() -> dict[str, Image.Image]:
    """What is searched: name -> photo."""
    people = drawn_people(12)
    portrait = Image.new("RGB", (640, 480), (120, 130, 140))
    portrait.paste(people[0].resize((400, 400)), (120, 60))
    group = Image.new("RGB", (4000, 3000), (110, 130, 110))
    for number, person in enumerate(people):
        group.paste(person.resize((260, 260)), (200 + number % 4 * 950, 200 + number // 4 * 950))
    return {"portrait 640x480": portrait, "portrait 12 MP": portrait.resize((4000, 3000)), "group 12 MP": group}


def timed(what: Callable[[], Any], repeat: int) -> tuple[float, float, float]:
    """Median and least wall time, and median processor time of this process, ms."""
    what()
    walls, works = [], []
    for _ in range(repeat):
        wall, work = time.perf_counter(), time.process_time()
        what()
        walls.append(1000 * (time.perf_counter() - wall))
        works.append(1000 * (time.process_time() - work))
    return statistics.median(walls), min(walls), statistics.median(works)


def measure_stages(detector: FaceDetector, photo: Image.Image, repeat: int) -> dict[str, float]:
    """Processor time of each stage of one detection, ms."""
    spent: dict[str, float] = defaultdict(float)
    undo = []

    def watch(owner: Any, name: str, label: str) -> None:
        inner = getattr(owner, name)

        def watched(*args: Any, **options: Any) -> Any:
            start = time.thread_time()
            try:
                return inner(*args, **options)
            finally:
                spent[label] += 1000 * (time.thread_time() - start) / repeat

        setattr(owner, name, watched)
        undo.append((owner, name, inner))

    for label, (owner, name) in STAGES.items():
        watch(owner, name, label)
    for label, name in NETWORKS.items():
        watch(getattr(detector._mtcnn, name), "forward", label)
    for _ in range(repeat):
        detector.detect(photo)
    for owner, name, inner in undo:
        setattr(owner, name, inner)
    return dict(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="*", default=[1, 3], help="numbers of busy processes (default: 1 3)")
    parser.add_argument("--repeat", type=int, default=15)
    args = parser.parse_args()
    detector, cores = FaceDetector(), len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f} (other processes count as well)")
    alone = {}
    for name, photo in scenes().items():
        alone[name] = timed(lambda photo=photo: detector.detect(photo), args.repeat)
        stages = measure_stages(detector, photo, args.repeat)
        told = ", ".join(f"{label} {ms:.1f}" for label, ms in stages.items())
        wall, least, work = alone[name]
        faces = len(detector.detect(photo))
        print(f"{name}: {faces} faces, wall {wall:.0f} (least {least:.0f}), processor {work:.0f}; {told}")
    buffer = io.BytesIO()
    scenes()["portrait 12 MP"].save(buffer, "JPEG", quality=90)
    encoded = buffer.getvalue()
    for what, run in {
        "decoding 12 MP of JPEG whole": lambda: decode_photo(encoded, "photo"),
        "portrait 12 MP, from a JPEG's bytes to its face": lambda: find_in_photo(
            detector, open_photo(encoded, "photo")
        ),
    }.items():
        wall, least, work = timed(run, args.repeat)
        print(f"{what}: wall {wall:.0f} (least {least:.0f}), processor {work:.0f}")
    for busy in args.busy:
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            fair = min(1.0, cores / (busy + 1))
            for name, photo in scenes().items():
                wall, least, work = timed(lambda photo=photo: detector.detect(photo), args.repeat)
                ratio = wall / alone[name][0] * fair
                print(f"beside {busy} busy: {name}: wall {wall:.0f}, processor {work:.0f}, {ratio:.2f} of fair")
        finally:
            for other in others:
                other.kill()


if __name__ == "__main__":
    main()
