"""Dataset, model and protocol -> a Report: pose-wise error rates with counts and intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, embed_dataset
from sfpn.data.embeddings import Embeddings
from sfpn.data.shard import Shard
from sfpn.errors import UserError
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.cells import Cell
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.measure import measure
from sfpn.evaluation.measure_map import measure_map
from sfpn.evaluation.pose_leak import PoseLeak, measured_images, pose_leak
from sfpn.evaluation.pose_map import PoseMap
from sfpn.evaluation.protocol import PROTOCOLS, Planned, official_pairs
from sfpn.evaluation.report import FORMAT, Report
from sfpn.network.embedders import Embedder
from sfpn.progress import Progress, StageProgress


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
    keeping: Embedder | None = None,
) -> Report | None:
    """Embed what the protocol needs, compare, and count. None in every process but the first of a sharded run.

    `keeping`: the model with its pose direction kept, which is then embedded too, for the pose leak of both.

    >>> from sfpn import FaceDataset, load_embedder
    >>> people = FaceDataset.open("demo/assets/synthetic")
    >>> known = people.folder / "embeddings" / "base.parquet"  # computed before; without it, this takes minutes
    >>> report = evaluate(people, load_embedder("base"), EvaluateConfig("all-pairs", rounds=2), cache=known)
    >>> report.cell("frontal-frontal").rates().eer < report.cell("frontal-profile").rates().eer
    True
    """
    protocol = PROTOCOLS[config.protocol]
    rows, shard = dataset.rows(), shard or Shard()
    pairs = official_pairs(protocol, dataset.pairs(), config.folds)
    complete = pairs["row_id_a"].isin(rows["row_id"]) & pairs["row_id_b"].isin(rows["row_id"])
    whole_pairs, incomplete = pairs.loc[complete], len(pairs) - int(np.sum(complete))
    chosen = protocol.choose(rows, whole_pairs).tolist()
    embeddings = embed_dataset(dataset, embedder, chosen, cache, shard, _of_stage(progress, "embedding"))
    samples = make_samples(rows, embeddings)
    positions = measured_images(samples, config.seed)
    kept = None
    if keeping is not None:
        place = cache and cache_file(dataset, keeping, cache.parent)
        row_ids = samples.row_ids[positions].tolist()
        kept = embed_dataset(dataset, keeping, row_ids, place, shard, _of_stage(progress, "embedding"))
    if shard.index:
        return None
    planned = protocol.plan(samples, whole_pairs, config.seed)
    draws = Draws.of(samples.subject_count, config.rounds, config.seed)
    cells = tuple(_measured(planned, draws, progress))
    pose_map = _pose_map(rows, planned, samples, draws)
    leaks = _leaks(rows, samples, positions, embedder, kept, config)
    return Report(_header(dataset, embeddings, samples, config, incomplete), cells, pose_map, leaks)


def make_samples(rows: pd.DataFrame, embeddings: Embeddings) -> Samples:
    """The labels of the dataset beside the embeddings, by row_id.

    Raises UserError for an embedding without direction.
    """
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


def _pose_map(rows: pd.DataFrame, planned: list[Planned], samples: Samples, draws: Draws) -> PoseMap | None:
    """The error map, of protocols that compare every two images also by |yaw difference|."""
    if not any(plan.yaw_band for _, plan in planned):
        return None
    pitch = rows.set_index("row_id")["pitch_degrees"].loc[samples.row_ids]
    return measure_map(samples, pitch.to_numpy(float), draws)


def _measured(planned: list[Planned], draws: Draws, progress: StageProgress | None) -> Iterator[Cell]:
    for number, (compared, plan) in enumerate(planned):
        if progress:
            progress("comparing", number, len(planned))
        yield measure(compared, plan, draws)


def _leaks(
    rows: pd.DataFrame,
    samples: Samples,
    positions: np.ndarray,
    embedder: Embedder,
    kept: Embeddings | None,
    config: EvaluateConfig,
) -> tuple[PoseLeak, ...]:
    """The pose leak of the model as it is used; and with its pose direction kept, where that was embedded."""
    draws = Draws.of(samples.subject_count, config.rounds, config.seed)
    direction = "none" if embedder.card.pose_direction is None else "removed"
    found = [pose_leak(samples, positions, direction, draws)]
    if kept is not None:
        other = make_samples(rows, kept)
        draws = Draws.of(other.subject_count, config.rounds, config.seed)
        found.append(pose_leak(other, np.arange(len(other)), "kept", draws))
    return tuple(leak for leak in found if leak)


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


def _of_stage(progress: StageProgress | None, stage: str) -> Progress | None:
    return (lambda done, total: progress(stage, done, total)) if progress else None
