"""How fast the Explore tab answers: opening a dataset, filtering it (with counts, figures, thumbnails), neighbours.

PYTHONPATH=. python tests/benchmarks/explorer.py --rows 11000 100000
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from demo.common.facets import Facets, masks, select
from demo.embeddings.projection import project
from demo.explore.tab import clear_facets, refresh
from sfpn.data.dataset import FaceDataset
from sfpn.network.embedders import load_embedder

sys.path[:0] = [str(Path(__file__).parent)]
from made_up import make_embeddings, write  # noqa: E402

CLOCK = time.process_time  # processor time: other work on the machine does not count
FILTERS = {
    "no filter": (),
    "pose": (["profile"],),
    "pose, identities": (["frontal"], [f"person {i}" for i in range(20)]),
    "yaw range": ([], [], [], [], [], [], -30, 10, 0),
    "face found, quality": ([], [], [], [], [], ["found"], -90, 90, 0.9),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[11_000, 100_000])
    parser.add_argument("--embeddings", action="store_true", help="also time the work with embeddings of 1,000 numbers")
    args = parser.parse_args()
    print("| rows | what | median ms of processor | slowest |\n|---|---|---|---|")
    for count in args.rows:
        with tempfile.TemporaryDirectory() as folder:
            measure(count, Path(folder), args.embeddings)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def measure(count: int, folder: Path, embeddings: bool) -> None:
    """Write a dataset of `count` rows, then time what the tab does."""
    write(folder / "data", count)
    dataset = FaceDataset.open(folder / "data")
    report(count, "open", lambda: DatasetView.open(dataset, folder / "thumbnails"), 1)
    view = DatasetView.open(dataset, folder / "thumbnails")
    for name, chosen in FILTERS.items():
        values = [*chosen, *clear_facets()[len(chosen) :]]
        report(count, f"choose rows: {name}", lambda values=values: choose(view, values))
        report(count, f"everything shown: {name}", lambda values=values: refresh(view, *values))

    if embeddings:
        measure_embeddings(count, folder, view)


def measure_embeddings(count: int, folder: Path, view: DatasetView) -> None:
    """Time reading them, the map of them, and the neighbours of one."""
    model = load_embedder("depthwise")
    make_embeddings(folder / "data", model)
    report(count, "read embeddings", lambda: EmbeddingStore(view, {"model": model}).get("model"), 3)
    store = EmbeddingStore(view, {"model": model})
    values = store.get("model")
    assert values is not None
    report(count, "map of embeddings by PCA", lambda: project(values, "PCA", folder))
    report(count, "neighbours of a row", lambda: store.neighbours("model", "row 1"))


def choose(view: DatasetView, values: tuple) -> np.ndarray:
    """The row_ids that the facets choose."""
    return select(view.rows, masks(view.rows, Facets.of(*values)))


def report(count: int, what: str, work: Callable[[], object], repeats: int = 7) -> None:
    """Time `work` after one run that is not counted."""
    times = []
    for _ in range(repeats + (repeats > 1)):
        start = CLOCK()
        work()
        times.append(1000 * (CLOCK() - start))
    times = times[1:] or times
    print(f"| {count:,} | {what} | {statistics.median(times):.0f} | {max(times):.0f} |", flush=True)


if __name__ == "__main__":
    main()
