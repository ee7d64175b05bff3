"""What smaller numbers cost at each pose: size, cosine, EER and FNMR per pose pair, and the pairs that flipped.

python -m tests.benchmarks.quantisation datasets/cfp --protocol cfp --folds 1,2,3 --flips flips.csv
python -m tests.benchmarks.quantisation demo/assets/synthetic --protocol vggface2-pose --calibrate datasets/cfp:train
python -m tests.benchmarks.quantisation datasets/cfp --folds 1,2,3 --ways onnx-int8 --calibrate datasets/cfp:train

The last calibrates on faces of real people other than those measured: its cosines stand beside those of the first.

Rows: the bundled weights (stored as float16) computed in float32, float16 and bfloat16, their ONNX files in float32
and int8, and programs for ExecuTorch and LiteRT in float32 (--ways executorch litert, which need those extras), all
exported for this table. Differences are to the first, paired over the same subjects, with the 95 % interval of the
bootstrap. A pair flipped if its score lies on the other side of the card's threshold (target FMR 1 %), which the
exported files carry over. Times are the process's processor time a face, on one thread, ways in turn; only their
ratio within one run means anything.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from sfpn.commands.export import CALIBRATED_EACH, CHECKED_EACH, faces_of_all_poses
from sfpn.commands.options import DRAWN_PEOPLE, folds
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, embed_dataset, progress_bar
from sfpn.data.selection import Selection
from sfpn.data.shard import Shard
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.difference import Difference
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate, make_samples
from sfpn.evaluation.protocol import PROTOCOLS, official_pairs
from sfpn.evaluation.report import Report
from sfpn.network import checkpoint
from sfpn.network.embedders import Embedder, SFPNEmbedder, load_embedder
from sfpn.network.export import FORMATS, export
from tests.benchmarks.program_embedder import EXPORTS, RUNTIMES, ProgramEmbedder, compute_on_one_thread

METRICS = ("eer", "fnmr_at_0.01")
TIMED_FACES, TIMED_ROUNDS = 16, 5
FLOAT16, BF16 = "float16", "bfloat16"


class Float16Embedder(SFPNEmbedder):
    """Layers in float16 where PyTorch's autocast computes them so, as a phone's graphics processor would."""

    def __init__(self, weights: Path) -> None:
        super().__init__(weights, bf16=True, device="cpu")
        self.precision = FLOAT16

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        with torch.autocast("cpu", torch.float16):
            return self._model(batch.to(memory_format=torch.channels_last)).float().numpy()


@dataclass(frozen=True)
class Way:
    """One way of computing a network's embeddings, and the bytes of the file it needs."""

    title: str
    embedder: Embedder
    size: int


def ways_of(name: str, folder: Path, calibrate: Selection, wanted: list[str]) -> list[Way]:
    """The weights as they are in float32, and each of the wanted other ways; files are exported into a folder."""
    weights = checkpoint.resolve(name)
    size = weights.stat().st_size
    found = [Way("float32 (stored as float16)", load_embedder(weights, device="cpu"), size)]
    if FLOAT16 in wanted:
        found.append(Way(FLOAT16, Float16Embedder(weights), size))
    if BF16 in wanted:
        found.append(Way(BF16, load_embedder(weights, bf16=True, device="cpu"), size))
    check_on, calibrate_on = faces_of_all_poses(calibrate, found[0].embedder.preprocess, CHECKED_EACH, CALIBRATED_EACH)
    for format in (each for each in FORMATS if each in wanted):
        done = export(weights, format, folder / f"{name}-{format}.onnx", check_on, calibrate_on, calibrate.title)
        found.append(Way(format, load_embedder(done.path), done.bytes))
    for format in (each for each in RUNTIMES if each in wanted):
        module = RUNTIMES[format]
        done = EXPORTS[format](weights, folder / f"{name}-{format}{module.SUFFIX}", check_on)
        found.append(Way(format, ProgramEmbedder(format, done), done.bytes))
    return found


def samples_of(dataset: FaceDataset, way: Way, report: Report, cache: Path) -> Samples:
    """The embeddings that the report was made of; nothing is computed again."""
    protocol = PROTOCOLS[report.header["protocol"]]
    rows = dataset.rows()
    chosen = protocol.choose(rows, official_pairs(protocol, dataset.pairs(), report.header["folds"])).tolist()
    return make_samples(rows, embed_dataset(dataset, way.embedder, chosen, cache))


def flipped(dataset: FaceDataset, report: Report, first: Way, a: Samples, b: Samples) -> pd.DataFrame:
    """The pairs of the protocol on whose decision two embeddings of the same images disagree, all pose pairs."""
    protocol = PROTOCOLS[report.header["protocol"]]
    planned = protocol.plan(a, official_pairs(protocol, dataset.pairs(), report.header["folds"]))
    found = []
    for compared, plan in planned:
        points = first.embedder.card.operating_points.get(plan.pose_pair or "")
        if compared is not a or plan.fold is not None or not points:
            continue
        threshold = points[0].threshold
        compared_pairs = sum(int(block.counted.sum()) for block in plan.comparisons.blocks(a))
        for of_a, of_b in zip(plan.comparisons.blocks(a), plan.comparisons.blocks(b), strict=True):
            differs = of_a.counted & ((of_a.scores >= threshold) != (of_b.scores >= threshold))
            one, other = np.broadcast_arrays(of_a.first, of_a.second)
            i, j = one[differs], other[differs]
            found.append(
                pd.DataFrame(
                    {
                        "pose_pair": plan.pose_pair,
                        "row_id_a": a.row_ids[i],
                        "row_id_b": a.row_ids[j],
                        "same": a.subjects[i] == a.subjects[j],
                        "threshold": threshold,
                        "score": of_a.scores[differs],
                        "score_smaller": of_b.scores[differs],
                        "compared": compared_pairs,
                    }
                )
            )
    return pd.concat(found, ignore_index=True)


def face_milliseconds(ways: list[Way], selection: Selection) -> list[float]:
    """Median processor time a face of each way, all in turn so that what disturbs one disturbs all."""
    [crops] = faces_of_all_poses(selection, ways[0].embedder.preprocess, TIMED_FACES // 3 + 1)
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(TIMED_ROUNDS + 1):
        for way, times in zip(ways, taken, strict=True):
            start = time.process_time()
            way.embedder.embed(crops[:TIMED_FACES])
            times.append(time.process_time() - start)
    return [1000 * statistics.median(times[1:]) / TIMED_FACES for times in taken]


def show(name: str, ways: list[Way], dataset: FaceDataset, args: argparse.Namespace) -> list[pd.DataFrame]:
    """Print the table of one network; returns its flipped pairs."""
    config = EvaluateConfig(args.protocol, args.folds, args.rounds, seed=0, command="tests/benchmarks/quantisation.py")
    milliseconds = face_milliseconds(ways, args.calibrate)
    reports, samples = [], []
    for way in ways:
        cache = cache_file(dataset, way.embedder, args.cache)
        bar = progress_bar(f"{name}, {way.title}", Shard())
        report = evaluate(
            dataset, way.embedder, config, cache, progress=bar and (lambda _, done, total, bar=bar: bar(done, total))
        )
        assert report is not None  # the first process of a sharded run
        reports.append(report)
        samples.append(samples_of(dataset, way, report, cache))
    print(f"\n{name} on {dataset.name}, {args.protocol}, folds {args.folds or 'all'}, {len(samples[0])} images")
    print(
        "| way | bytes | ms a face | cosine: median, lowest, by pose | pose pair | EER % | FNMR % at FMR 1 % "
        "| flipped |"
    )
    print("|---|---|---|---|---|---|---|---|")
    flips = []
    for way, taken, report, embedded in zip(ways, milliseconds, reports, samples, strict=True):
        pairs = flipped(dataset, report, ways[0], samples[0], embedded)
        flips.append(pairs.assign(model=name, way=way.title))
        eers, fnmrs = (_of_pairs(reports[0].compare(report, metric)) for metric in METRICS)
        for number, (eer, fnmr) in enumerate(zip(eers, fnmrs, strict=True)):
            start = f"{way.title} | {way.size:,} | {taken:.1f} | {_cosines(samples[0], embedded)}"
            flips_here = pairs[pairs["pose_pair"] == eer.pose_pair]
            same = int(flips_here["same"].sum())
            print(
                f"| {start if number == 0 else ' | | |'} | {eer.pose_pair}, {eer.protocol}, {eer.template_size} "
                f"| {_change(eer)} | {_change(fnmr)} | {same} genuine, {len(flips_here) - same} impostor |"
            )
    return flips


def _of_pairs(differences: list[Difference]) -> list[Difference]:
    return [each for each in differences if each.pose_pair and each.fold is None]


def _change(difference: Difference) -> str:
    """'9.62 (+0.10 [-0.20, +0.40])', in %."""
    if difference.difference is None or difference.b is None:
        return "-"
    change, low, high = (100 * (value or 0.0) for value in (difference.difference, difference.low, difference.high))
    return f"{100 * difference.b:.2f} ({change:+.2f} [{low:+.2f}, {high:+.2f}])"


def _cosines(a: Samples, b: Samples) -> str:
    cosines = np.einsum("nd,nd->n", a.embeddings, b.embeddings)
    by_pose = ", ".join(f"{pose} {np.median(cosines[a.poses == pose]):.4f}" for pose in np.unique(a.poses))
    return f"{np.median(cosines):.4f}, {cosines.min():.4f}; {by_pose}"


def main() -> None:
    """Export, evaluate, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, metavar="DIR")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="cfp")
    parser.add_argument("--folds", type=folds)
    parser.add_argument("--model", nargs="+", default=["base", "depthwise"])
    parser.add_argument(
        "--ways", nargs="+", choices=(FLOAT16, BF16, *FORMATS, *RUNTIMES), default=[FLOAT16, BF16, *FORMATS]
    )
    parser.add_argument("--calibrate", type=Selection.parse, default=str(DRAWN_PEOPLE), metavar="DIR[:SPLIT]")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--cache", type=Path, help="where embeddings are kept (default: a folder that is removed)")
    parser.add_argument("--flips", type=Path, metavar="FILE", help="write the flipped pairs as CSV")
    args = parser.parse_args()
    compute_on_one_thread(args.ways)
    dataset, flips = FaceDataset.open(args.dataset), []
    with tempfile.TemporaryDirectory() as folder:
        settings = argparse.Namespace(**vars(args) | {"cache": args.cache or Path(folder)})
        for name in args.model:
            ways = ways_of(name, Path(folder), args.calibrate, args.ways)
            flips += show(name, ways, dataset, settings)
    if args.flips:
        pd.concat(flips).drop(columns="compared").to_csv(args.flips, index=False)


if __name__ == "__main__":
    main()
