"""Time and memory of pose-wise evaluation, on random embeddings of the size of VGGFace2-Pose and beyond.

python -m tests.benchmarks.evaluation                  368 subjects x 3 poses x 10: six cells, 61 M comparisons
python -m tests.benchmarks.evaluation --sklearn        the same scores through scikit-learn's roc_curve
python -m tests.benchmarks.evaluation --images 100000 --size 512 --grid     5 billion comparisons, one cell
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.metrics import roc_curve

from sfpn.evaluation import metrics
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.comparisons import AllPairs, Samples
from sfpn.evaluation.measure import measure
from sfpn.evaluation.protocol import pose_cells
from sfpn.evaluation.tally import tally
from sfpn.schema import POSES

PER_POSE = 10


def people(images: int, size: int, seed: int = 0) -> Samples:
    """About `images` random embeddings of `size` numbers: PER_POSE of every subject in each pose, profiles hardest."""
    rng = np.random.default_rng(seed)
    subjects = images // (PER_POSE * len(POSES))
    identity = np.repeat(np.arange(subjects), PER_POSE * len(POSES))
    poses = np.tile(np.repeat(POSES, PER_POSE), subjects)
    spread = np.float32([1.8, 2.2, 2.7])[np.tile(np.repeat(range(len(POSES)), PER_POSE), subjects)]
    embeddings = rng.standard_normal((len(identity), size), dtype=np.float32)
    embeddings *= spread[:, None]
    embeddings += rng.standard_normal((subjects, size), dtype=np.float32)[identity]
    return Samples.build([f"{i:07d}" for i in range(len(identity))], [f"s{s:06d}" for s in identity], poses, embeddings)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print wall time, processor time and the peak of memory so far."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what}: {time.perf_counter() - wall:.1f} s wall, {time.process_time() - cpu:.1f} s processor, peak "
        f"{peak:.0f} MiB"
    )


def six_cells(samples: Samples) -> None:
    """Everything a report holds about the six pose pairs: exact rates, curves, hardest pairs, 200 bootstrap rounds."""
    draws, comparisons = Draws.of(samples.subject_count, rounds=200), 0
    for _, plan in pose_cells("all-pairs", samples):
        with timed(f"  {plan.pose_pair}"):
            rates = measure(samples, plan, draws).rates()
        comparisons += rates.genuine + rates.impostor
        print(
            f"    EER {100 * rates.eer:.3f} % [{100 * rates.eer_low:.3f}, {100 * rates.eer_high:.3f}] of "
            f"{rates.genuine} genuine, {rates.impostor} impostor"
        )
    print(f"  {comparisons} comparisons")


def through_sklearn(samples: Samples) -> None:
    """The point estimates of the same cells alone: scores as here, then roc_curve."""
    for _, plan in pose_cells("all-pairs", samples):
        with timed(f"  {plan.pose_pair}"):
            genuine, impostor = tally(samples, plan.comparisons).treated("whole_image")
            labels = np.repeat(np.array([True, False]), [genuine.total, impostor.total])
            fmr, tpr, _ = roc_curve(labels, np.concatenate([genuine.values, impostor.values]))
            crossing = np.argmin(np.abs(fmr - (1 - tpr)))
        print(f"    EER near {50 * (fmr[crossing] + 1 - tpr[crossing]):.3f} %")


def on_the_grid(samples: Samples) -> None:
    """One cell of every pair, counted on the grid."""
    counted = tally(samples, AllPairs(np.arange(len(samples))))
    genuine, impostor = counted.treated("whole_image")
    found = metrics.eer(genuine, impostor)
    print(f"  {genuine.total} genuine, {impostor.total} impostor, grid step {counted.grid_step:g}")
    print(f"  EER {100 * found.rate:.5f} %, surely within [{100 * found.low:.5f}, {100 * found.high:.5f}] %")


def main() -> None:
    """Run the chosen benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=11_040)
    parser.add_argument("--size", type=int, default=1000, help="numbers in an embedding")
    parser.add_argument("--grid", action="store_true", help="one cell of every pair instead of the six pose pairs")
    parser.add_argument("--sklearn", action="store_true", help="point estimates with scikit-learn's roc_curve instead")
    args = parser.parse_args()
    samples = people(args.images, args.size)
    print(f"{len(samples)} embeddings of {args.size}, {samples.subject_count} subjects")
    run = on_the_grid if args.grid else through_sklearn if args.sklearn else six_cells
    with timed("in all"):
        run(samples)


if __name__ == "__main__":
    main()
