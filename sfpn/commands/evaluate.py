"""Pose-wise error rates of one or more models on a dataset, with counts and intervals, as a Report.

    python -m sfpn evaluate DIR --protocol cfp --folds 1,2,3 --model base depthwise --out reports --json
    python -m sfpn evaluate DIR --protocol templates --folds 1,2,3 --model base --out report --json
    accelerate launch --multi_gpu --num_processes 2 -m sfpn evaluate DIR --protocol vggface2-pose --out report
    (python -m accelerate.commands.launch, or torchrun --nproc_per_node 2, where `accelerate` itself does not start)

With several models each gets REPORT/<model>. --json prints one object per cell and line: rates are fractions (0-1),
`pose_pair` a list of two names (null in cells that are not of one pair: `scores_of` "pooled", or with a `yaw_band`),
`fold` null = pooled over folds, `sides` = images of each pose in the templates of both sides (protocol templates),
`fnmr_at_fmr` null = more impostor comparisons are needed for that FMR, `failures` =
images without a found face. Rates embed such faces from the whole image; `skip` and `reject` hold the other treatments.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

from sfpn.commands.options import add_model_arguments, folds, positive
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, progress_bar
from sfpn.data.shard import Shard
from sfpn.errors import UserError
from sfpn.evaluation.cells import Cell, mix_words, yaw_band_words
from sfpn.evaluation.evaluate import EvaluateConfig, StageProgress, evaluate
from sfpn.evaluation.protocol import PROTOCOLS
from sfpn.evaluation.report import Report, summary
from sfpn.network.embedders import Embedder, load_embedder
from sfpn.schema import POOLED, pair_from_key, pair_label

DEFAULT_MODEL = "base"
TITLE = (
    f"{'model':24} {'protocol':14} {'pair':10} {'fold':>4} {'size':>4} {'genuine':>9} {'impostor':>11} "
    f"{'EER % [95 %]':>24} {'FNMR % at FMR 1 %':>18} {'accuracy %':>10} {'failures':>8}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn evaluate`."""
    parser.add_argument("dataset", type=Path, metavar="DIR", help="dataset folder (python -m data_tools build)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="all-pairs", help="what is compared with what")
    parser.add_argument("--folds", type=folds, metavar="1,2,3", help="official folds to use (default: all)")
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        metavar="NAME",
        help=f"bundled model, weights file, ONNX file or Hub id (default: {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--out", type=Path, metavar="REPORT", help="report folder to write; REPORT/<model> for several models"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per cell instead of a table")
    parser.add_argument("--rounds", type=positive, default=200, help="bootstrap rounds over subjects (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    add_model_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Evaluate every model, save and print; 0 when all is written. Raises UserError."""
    names = args.model or [DEFAULT_MODEL]
    dataset, shard = FaceDataset.open(args.dataset), Shard.of_launch()
    embedders = [load_embedder(name, bf16=args.bf16) for name in names]
    repeated = {embedder.name for embedder in embedders if [other.name for other in embedders].count(embedder.name) > 1}
    if repeated:
        raise UserError(f"two models are called {', '.join(repeated)}: their reports would overwrite each other")
    for embedder in embedders:
        cache = cache_file(dataset, embedder, args.cache)
        config = config_of(args, embedder)
        report = evaluate(dataset, embedder, config, cache, shard, _shown_progress(embedder, shard))
        if report is not None:
            if args.out:
                report.save(args.out / _file_name(embedder.name) if len(names) > 1 else args.out)
            show(report, as_json=args.json)
    return 0


def config_of(args: argparse.Namespace, embedder: Embedder) -> EvaluateConfig:
    """The settings of one model's evaluation, with the command that repeats it; folders without where they lie."""
    words = [f"python -m sfpn evaluate {args.dataset.name} --protocol {args.protocol}"]
    words += [f"--rounds {args.rounds} --seed {args.seed}"]
    words += ["--bf16"] if args.bf16 else []
    words += [f"--folds {','.join(map(str, args.folds))}"] if args.folds else []
    words += ["--model", shlex.quote(embedder.name)]
    return EvaluateConfig(
        protocol=args.protocol, folds=args.folds, rounds=args.rounds, seed=args.seed, command=" ".join(words)
    )


def show(report: Report, as_json: bool) -> None:
    """Print the cells: one JSON object per line, or a table for reading."""
    for number, cell in enumerate(report.cells):
        if as_json:
            print(json.dumps({"model": report.header["model"], **summary(cell)}))
        else:
            print(*([TITLE] if number == 0 else []), _line(report.header["model"], cell), sep="\n")


def _shown_progress(embedder: Embedder, shard: Shard) -> StageProgress | None:
    bar = progress_bar(embedder.name, shard)
    return bar and (lambda stage, done, total: bar(done, total) if stage == "embedding" else None)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".")


def _line(model: str, cell: Cell) -> str:
    rates = cell.rates()
    percent = [100 * rate for rate in (rates.eer, rates.eer_low, rates.eer_high) if rate is not None]
    eer = "{:.2f} [{:.2f}, {:.2f}]".format(*percent) if len(percent) == 3 else "-"
    point = rates.operating_points[0]
    fnmr = f"{100 * point.fnmr:.2f}" if point.supported else "too few"
    accuracy = "" if cell.accuracy is None else f"{100 * cell.accuracy:.2f}"
    return (
        f"{model[:24]:24} {cell.protocol:14} {_pair(cell):10} {cell.fold or 'all':>4} {cell.template_size:4} "
        f"{rates.genuine:9} {rates.impostor:11} {eer:>24} {fnmr:>18} {accuracy:>10} {sum(cell.failures.values()):8}"
    )


def _pair(cell: Cell) -> str:
    if cell.sides is not None:
        return " | ".join(map(mix_words, cell.sides))
    if cell.pose_pair is None:
        return yaw_band_words(cell.yaw_band)
    return POOLED if cell.pose_pair == POOLED else pair_label(pair_from_key(cell.pose_pair))
