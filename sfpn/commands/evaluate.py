"""Pose-wise error rates of one or more models on a dataset, with counts and intervals, as a Report.

    python -m sfpn evaluate DIR --protocol cfp --folds 1,2,3 --model base depthwise --out reports --json
    python -m sfpn evaluate DIR --protocol templates --folds 1,2,3 --model base --out report --json
    python -m sfpn evaluate DIR --protocol decisions --folds 1,2,3 --model base --json
    accelerate launch --multi_gpu --num_processes 2 -m sfpn evaluate DIR --protocol vggface2-pose --out report
    (python -m accelerate.commands.launch, or torchrun --nproc_per_node 2, where `accelerate` itself does not start)

With several models each gets REPORT/<model>. --json prints one object per cell and line: rates are fractions (0-1),
`pose_pair` a list of two names (null in cells that are not of one pair: `scores_of` "pooled", or with a `yaw_band`),
`fold` null = pooled over folds, `sides` = images of each pose in the templates of both sides (protocol templates),
`fnmr_at_fmr` null = more impostor comparisons are needed for that FMR, `failures` =
images without a found face. Rates embed such faces from the whole image; `skip` and `reject` hold the other treatments.
Protocol decisions: are the error rates that the card promises those that visitors get? One object per given pose pair,
`target_fmr` and `yaw_band` (null = all, else degrees between the estimated yaws) with the realised `fmr` and `fnmr`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

from sfpn.commands.options import add_model_arguments, folds, note_old_poses, positive
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, progress_bar
from sfpn.data.selection import Selection
from sfpn.data.shard import Shard
from sfpn.errors import UserError
from sfpn.evaluation.cells import Cell, mix_words, yaw_band_words
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.evaluation.protocol import PROTOCOLS
from sfpn.evaluation.report import Report, summary
from sfpn.network.embedders import Embedder, keeping_direction, load_embedder
from sfpn.progress import StageProgress
from sfpn.schema import POOLED, pair_from_key, pair_label
from sfpn.verification.realised import DecisionsConfig, decide_all, save_decisions
from sfpn.verification.realised_rates import NAME as DECISIONS
from sfpn.verification.realised_rates import Realised, outside_words

DEFAULT_MODEL = "base"
DECISIONS_TITLE = (
    f"{'model':24} {'pair':8} {'yaws':>8} {'target %':>8} {'genuine':>9} {'impostor':>11} "
    f"{'FMR % [95 %]':>28} {'FNMR % [95 %]':>26} {'one thresh.':>12} {'failures':>8}"
)
TITLE = (
    f"{'model':24} {'protocol':14} {'pair':10} {'fold':>4} {'size':>4} {'genuine':>9} {'impostor':>11} "
    f"{'EER % [95 %]':>24} {'FNMR % at FMR 1 %':>18} {'accuracy %':>10} {'failures':>8}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn evaluate`."""
    parser.add_argument("dataset", type=Path, metavar="DIR", help="dataset folder (python -m data_tools build)")
    parser.add_argument(
        "--protocol", choices=[*PROTOCOLS, DECISIONS], default="all-pairs", help="what is compared with what"
    )
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
    parser.add_argument(
        "--redetect", action="store_true", help="with --protocol decisions: find the faces again, as for a visitor"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    add_model_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Evaluate every model, save and print; 0 when all is written. Raises UserError."""
    names = args.model or [DEFAULT_MODEL]
    dataset, shard = FaceDataset.open(args.dataset), Shard.of_launch()
    embedders = [load_embedder(name, bf16=args.bf16, device=args.device) for name in names]
    repeated = {embedder.name for embedder in embedders if [other.name for other in embedders].count(embedder.name) > 1}
    if repeated:
        raise UserError(f"two models are called {', '.join(repeated)}: their reports would overwrite each other")
    if args.redetect and args.protocol != DECISIONS:
        raise UserError(f"--redetect is for --protocol {DECISIONS}; other protocols use the stored faces")
    if args.protocol == DECISIONS and not args.redetect:
        note_old_poses([Selection(dataset, None)])
    for embedder in embedders:
        cache = cache_file(dataset, embedder, args.cache)
        out = args.out / _file_name(embedder.name) if args.out and len(names) > 1 else args.out
        if args.protocol == DECISIONS:
            decisions = DecisionsConfig(
                args.folds, args.rounds, args.seed, args.redetect, config_of(args, embedder).command
            )
            bar = progress_bar(embedder.name, shard)
            header, found = decide_all(dataset, embedder, decisions, cache, progress=bar)
            if out:
                save_decisions(header, found, out)
            show_decisions(header, found, as_json=args.json)
            continue
        config = config_of(args, embedder)
        bar = _shown_progress(embedder, shard)
        report = evaluate(dataset, embedder, config, cache, shard, bar, keeping_direction(embedder))
        if report is not None:
            if out:
                report.save(out)
            show(report, as_json=args.json)
    return 0


def config_of(args: argparse.Namespace, embedder: Embedder) -> EvaluateConfig:
    """The settings of one model's evaluation, with the command that repeats it; folders without where they lie."""
    words = [f"python -m sfpn evaluate {args.dataset.name} --protocol {args.protocol}"]
    words += [f"--rounds {args.rounds} --seed {args.seed}"]
    words += ["--bf16"] if args.bf16 else []
    words += [f"--folds {','.join(map(str, args.folds))}"] if args.folds else []
    words += ["--redetect"] if args.redetect else []
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


def show_decisions(header: dict, found: list[Realised], as_json: bool) -> None:
    """Print the realised rates: one JSON object per line, or a table for reading."""
    for number, each in enumerate(found):
        if as_json:
            print(json.dumps({"model": header["model"], **each.record()}))
        else:
            print(*([DECISIONS_TITLE] if number == 0 else []), _decision_line(header["model"], each), sep="\n")
    if not as_json:
        print(outside_words(found))


def _decision_line(model: str, each: Realised) -> str:
    def percent(rate: float | None, low: float | None, high: float | None) -> str:
        if rate is None:
            return "-"
        return f"{100 * rate:.3f}" + ("" if low is None or high is None else f" [{100 * low:.3f}, {100 * high:.3f}]")

    pair = pair_label(pair_from_key(each.pose_pair))
    fmr = percent(each.fmr, each.fmr_low, each.fmr_high) + (" few" if each.too_few else "")
    fnmr = percent(each.fnmr, each.fnmr_low, each.fnmr_high)
    single = "" if each.single_threshold_fnmr is None else f"{100 * each.single_threshold_fnmr:.2f}"
    return (
        f"{model[:24]:24} {pair:8} {yaw_band_words(each.yaw_band) or 'all':>8} {100 * each.target_fmr:8g} "
        f"{each.genuine:9} {each.impostor:11} {fmr:>28} {fnmr:>26} {single:>12} {each.failures:8}"
    )


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
