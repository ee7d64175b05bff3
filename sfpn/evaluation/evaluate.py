"""Pose-wise error rates of one or more models on a dataset, with counts and intervals, as a Report.

    python -m sfpn evaluate DIR --protocol cfp --folds 1,2,3 --model base depthwise --out reports --json
    accelerate launch --multi_gpu --num_processes 2 -m sfpn evaluate DIR --protocol vggface2-pose --model base --out report
    (python -m accelerate.commands.launch, or torchrun --nproc_per_node 2, where `accelerate` itself does not start)

With several models each gets REPORT/<model>. --json prints one object per cell and line: rates are fractions (0-1),
`fold` null = pooled over folds, `fnmr_at_fmr` null = more impostor comparisons are needed for that FMR, `failures` =
images without a found face. Rates embed such faces from the whole image; `skip` and `reject` hold the other treatments.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import Embedder, Embeddings, Shard, add_model_arguments, cache_file, embed_dataset, progress_bar
from sfpn.errors import UserError
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.cells import Cell
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.measure import measure
from sfpn.evaluation.protocol import PROTOCOLS, official_pairs
from sfpn.evaluation.report import FORMAT, Report, summary
from sfpn.schema import pair_from_key, pair_label

StageProgress = Callable[[str, int, int], None]  # stage, done, in all; may raise to cancel


@dataclass(frozen=True)
class EvaluateConfig:
    """What is evaluated; everything here is kept in the report's header."""

    protocol: str
    folds: tuple[int, ...] | None = None  # None: all
    rounds: int = 200  # bootstrap rounds
    seed: int = 0
    command: str = ""


def evaluate(
    dataset: FaceDataset,
    embedder: Embedder,
    config: EvaluateConfig,
    cache: Path | None = None,
    shard: Shard | None = None,
    progress: StageProgress | None = None,
) -> Report | None:
    """Embed what the protocol needs, compare, and count. None in every process but the first of a sharded run."""
    protocol = PROTOCOLS[config.protocol]
    rows, shard = dataset.rows(), shard or Shard()
    pairs = official_pairs(protocol, dataset.pairs(), config.folds)
    complete = pairs["row_id_a"].isin(rows["row_id"]) & pairs["row_id_b"].isin(rows["row_id"])
    chosen = protocol.choose(rows, pairs[complete])
    embeddings = embed_dataset(dataset, embedder, chosen, cache, shard, _of_stage(progress, "embedding"))
    if shard.index:
        return None
    samples = make_samples(rows, embeddings)
    cells = tuple(_measured(protocol.plan(samples, pairs[complete]), samples, config, progress))
    return Report(_header(dataset, embeddings, samples, config, int((~complete).sum())), cells)


def make_samples(rows: pd.DataFrame, embeddings: Embeddings) -> Samples:
    """The labels of the dataset beside the embeddings, by row_id. Raises UserError for an embedding without direction."""
    labels = rows.set_index("row_id").loc[embeddings.row_ids]
    try:
        return Samples.build(
            embeddings.row_ids,
            labels["identity"],
            labels["pose"].fillna(""),
            embeddings.values,
            labels["yaw_degrees"],
            embeddings.acquired,
            labels["template"].fillna(""),
        )
    except ValueError as error:
        raise UserError(f"{embeddings.made_by['model']} cannot be evaluated: {error}") from error


def _measured(
    planned: list, samples: Samples, config: EvaluateConfig, progress: StageProgress | None
) -> Iterator[Cell]:
    draws = Draws.of(samples.subject_count, config.rounds, config.seed)
    for number, (compared, plan) in enumerate(planned):
        if progress:
            progress("comparing", number, len(planned))
        yield measure(compared, plan, draws)


def _header(
    dataset: FaceDataset, embeddings: Embeddings, samples: Samples, config: EvaluateConfig, incomplete_pairs: int
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **embeddings.made_by,
        "dataset": dataset.name,
        **asdict(config),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "images": len(samples),
        "subjects": samples.subject_count,
        "embedding_size": samples.embeddings.shape[1],
        "acquisition": _acquisition(samples),
        "left_out": {
            "official pairs with an image that the dataset lacks": incomplete_pairs,
            "images without a pose, in no pose pair": int((samples.poses == "").sum()),
            "images without a yaw, in no |yaw difference|": int(np.isnan(samples.yaw_degrees).sum()),
        },
        "rows_sha256": hashlib.sha256(
            "\n".join([config.protocol, str(config.folds), *samples.row_ids]).encode()
        ).hexdigest(),
    }


def _acquisition(samples: Samples) -> dict[str, dict[str, int]]:
    """Images and failures to acquire by pose ('' = unknown)."""
    return {
        str(pose): {
            "images": int((samples.poses == pose).sum()),
            "failures": int((~samples.acquired[samples.poses == pose]).sum()),
        }
        for pose in np.unique(samples.poses)
    }


def _of_stage(progress: StageProgress | None, stage: str) -> Callable[[int, int], None] | None:
    return (lambda done, total: progress(stage, done, total)) if progress else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn evaluate`."""
    parser.add_argument("dataset", type=Path, metavar="DIR", help="dataset folder (python -m data_tools build)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="all-pairs")
    parser.add_argument("--folds", type=_folds, metavar="1,2,3", help="official folds to use (default: all)")
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="bundled model, weights file, ONNX file or Hub id (default: base)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="REPORT", help="report folder to write; REPORT/<model> for several models"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per cell instead of a table")
    parser.add_argument("--rounds", type=_positive, default=200, help="bootstrap rounds over subjects (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate every model, save and print; 0 when all is written. Raises UserError."""
    from sfpn.network.embedders import load_embedder

    names = args.model or ["base"]
    words = [f"evaluate {args.dataset.name} --protocol {args.protocol}", f"--rounds {args.rounds} --seed {args.seed}"]
    words += ["--bf16"] if args.bf16 else []
    words += [f"--folds {','.join(map(str, args.folds))}"] if args.folds else []
    dataset, shard = FaceDataset.open(args.dataset), Shard.of_launch()
    embedders = [load_embedder(name, bf16=args.bf16) for name in names]
    repeated = {embedder.name for embedder in embedders if [other.name for other in embedders].count(embedder.name) > 1}
    if repeated:
        raise UserError(f"two models are called {', '.join(repeated)}: their reports would overwrite each other")
    for embedder in embedders:
        command = " ".join(["python -m sfpn", *words, "--model", shlex.quote(embedder.name)])
        config = EvaluateConfig(args.protocol, args.folds, args.rounds, args.seed, command)
        bar = progress_bar(embedder.name, shard)
        on_stage = (
            (lambda stage, done, total, bar=bar: bar(done, total) if stage == "embedding" else None) if bar else None
        )
        report = evaluate(dataset, embedder, config, cache_file(dataset, embedder, args.cache), shard, on_stage)
        if report is not None:
            if args.out:
                report.save(args.out / _file_name(embedder.name) if len(names) > 1 else args.out)
            show(report, as_json=args.json)
    return 0


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".")


def show(report: Report, as_json: bool) -> None:
    """Print the cells: one JSON object per line, or a table for reading."""
    for number, cell in enumerate(report.cells):
        if as_json:
            print(json.dumps({"model": report.header["model"], **summary(cell)}))
        else:
            print(*([TITLE] if number == 0 else []), _line(report.header["model"], cell), sep="\n")


TITLE = f"{'model':24} {'protocol':14} {'pair':10} {'fold':>4} {'size':>4} {'genuine':>9} {'impostor':>11} {'EER % [95 %]':>24} {'FNMR % at FMR 1 %':>18} {'accuracy %':>10} {'failures':>8}"


def _line(model: str, cell: Cell) -> str:
    rates = cell.rates()
    eer = "-" if rates.eer is None else f"{100 * rates.eer:.2f} [{100 * rates.eer_low:.2f}, {100 * rates.eer_high:.2f}]"
    point = rates.operating_points[0]
    fnmr = f"{100 * point['fnmr']:.2f}" if point["supported"] else "too few"
    accuracy = "" if cell.accuracy is None else f"{100 * cell.accuracy:.2f}"
    return (
        f"{model[:24]:24} {cell.protocol:14} {_pair(cell):10} {cell.fold or 'all':>4} {cell.template_size:4} {rates.genuine:9} "
        f"{rates.impostor:11} {eer:>24} {fnmr:>18} {accuracy:>10} {sum(cell.failures.values()):8}"
    )


def _pair(cell: Cell) -> str:
    if cell.yaw_band:
        return f"{cell.yaw_band[0]:g}-{cell.yaw_band[1]:g}°"
    return cell.pose_pair if cell.pose_pair == "pooled" else pair_label(pair_from_key(cell.pose_pair))


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number above zero, got {text!r}")
    return int(text)


def _folds(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(fold) for fold in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"folds are numbers separated by commas, e.g. 1,2,3; got {text!r}") from error
