"""Opening a visitor's set: until the first thumbnail, until the explorer shows it, and until it is embedded.

    PYTHONPATH=. python tests/benchmarks/own_set.py ../shared/data/lfw-deepfunneled --photos 5000

FOLDER holds person/photo.jpg. The whole app is loaded first, so that the memory is that of the app with the set. CPU
seconds hardly depend on what else the machine does; half of them is the least that two idle cores need.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import app


def main() -> None:
    """Print one line of a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--model", default="base")
    args = parser.parse_args()
    sets = app.build(app.load(app.parse(["--model", args.model]))).own_sets  # type: ignore[attr-defined]
    before = memory()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "set.zip"
        count = pack(args.folder, file, args.photos)
        size = file.stat().st_size
        measure(sets, file, args.model, f"| {count:,} ({size / 1e6:.0f} MB) | {before:.0f} MB |")
    sets.close_all()


def pack(folder: Path, file: Path, most: int) -> int:
    """Write the ZIP, and give the number of its photos."""
    photos = sorted(folder.glob("*/*.jpg"))[:most]
    with zipfile.ZipFile(file, "w") as archive:
        for photo in photos:
            archive.write(photo, f"{photo.parent.name}/{photo.name}")
    return len(photos)


def measure(sets, file: Path, model: str, start: str) -> None:
    """Open the set as the page does, but for the browser."""
    request = SimpleNamespace(session_hash="benchmark", cookies={}, client=None)
    began, cpu = time.monotonic(), time.process_time()
    own = sets.begin(request, file.name)
    first: list[float] = []

    def progress(done: int, total: int) -> None:
        if own.seen and not first:
            first.append(time.monotonic() - began)

    sets.make(own, file, "", progress)
    opened, cpu_opened = time.monotonic() - began, time.process_time() - cpu
    own.store.compute(model)
    done, cpu_done = time.monotonic() - began, time.process_time() - cpu
    print(
        "| photos | app before | first thumbnail | explorer open | embedded | peak memory |\n|---|---|---|---|---|---|"
    )
    print(
        f"{start} {first[0]:.1f} s | {opened:.0f} s ({cpu_opened:.0f} CPU s) | {done:.0f} s ({cpu_done:.0f} CPU s) | "
        f"{memory():.0f} MB |"
    )


def memory() -> float:
    """Peak memory of the process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
