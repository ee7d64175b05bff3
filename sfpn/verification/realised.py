"""Are the promised error rates those that visitors get? The protocol `decisions`.

Every comparison of a dataset's images is decided as Verify decides it: by the pose that is *estimated* from the photo
and the rule of the model's card for a target FMR. The realised rates are then counted per *given* pose pair, and within
it by the difference of the estimated yaws. Where nobody labelled the poses, the estimates stand for the labels, and the
header says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import BATCH, embed_dataset
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.evaluation.calibrate import estimated_yaws
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.evaluate import make_samples
from sfpn.evaluation.plain import plain
from sfpn.evaluation.protocol import CFP_PAIRS, LFW_PAIRS, Protocol, official_pairs, posed_rows_of_people
from sfpn.files import write_text
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector, detector_name
from sfpn.photos.photo import decode_photo
from sfpn.progress import Progress
from sfpn.verification.realised_rates import NAME, Realised, realised_rates
from sfpn.verification.verifier import look

PEOPLE = Protocol(posed_rows_of_people, lambda samples, pairs, seed: [], (*CFP_PAIRS, LFW_PAIRS), folds_are_people=True)


@dataclass(frozen=True)
class DecisionsConfig:
    """What is decided; kept in the header. `redetect`: find the faces again, as for a visitor's photo."""

    folds: tuple[int, ...] | None = None
    rounds: int = 200
    seed: int = 0
    redetect: bool = False
    command: str = ""


def decide_all(
    dataset: FaceDataset,
    embedder: Embedder,
    config: DecisionsConfig,
    cache: Path | None = None,
    detector: FaceDetector | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], list[Realised]]:
    """(header, realised rates), per given pose pair and target: over all yaws first, then by |yaw difference|.

    detector: finds the faces again, with config.redetect. Raises UserError for a dataset whose boxes are of another
    detector, for folds that it does not have, and for a model without operating points.
    """
    rows = dataset.rows()
    pairs = official_pairs(PEOPLE, dataset.pairs(), config.folds)
    chosen = rows.loc[rows["row_id"].isin(PEOPLE.choose(rows, pairs).tolist())].reset_index(drop=True)
    if config.redetect:
        found, yaws = _seen_again(dataset, embedder, chosen["row_id"].tolist(), detector or FaceDetector(), progress)
        faces = f"found again by {detector_name()}"
    else:
        _check_detector(dataset, chosen)
        found = embed_dataset(dataset, embedder, chosen["row_id"].tolist(), cache, progress=progress)
        yaws, faces = estimated_yaws(dataset, chosen), f"as stored: {detector_name()}"
    samples = make_samples(chosen.assign(yaw_degrees=yaws), found)
    samples = replace(samples, acquired=samples.acquired & np.isfinite(samples.yaw_degrees))
    header = _header(dataset, embedder, config, samples, chosen) | {"faces": faces}
    return header, list(realised_rates(samples, embedder.card, config.rounds, config.seed))


def _header(
    dataset: FaceDataset, embedder: Embedder, config: DecisionsConfig, samples: Samples, rows: pd.DataFrame
) -> dict[str, Any]:
    return {
        "model": embedder.name,
        "weights_sha256": embedder.card.weights_sha256,
        "dataset": dataset.name,
        "dataset_fingerprint": dataset.fingerprint,
        "protocol": NAME,
        **asdict(config),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "poses_are_estimates": bool((rows["pose"] == rows["pose_estimated"])[rows["pose"].notna()].all()),
        "rule": "surface" if embedder.card.surface is not None else "pose pairs",
        "images": len(samples),
        "subjects": samples.subject_count,
        "failures": int((~samples.acquired).sum()),
    }


def save_decisions(header: dict[str, Any], found: Sequence[Realised], folder: Path) -> None:
    """Write FOLDER/decisions.json, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"header": header, "decisions": [each.record() for each in found]}
    write_text(json.dumps(plain(content), indent=1) + "\n", folder / "decisions.json")


def _check_detector(dataset: FaceDataset, rows: pd.DataFrame) -> None:
    """Raise UserError if the stored faces are not those that this detector would find."""
    makers = set(rows["detector"].dropna())
    if makers != {detector_name()}:
        names = ", ".join(sorted(makers)) or "no detector"
        raise UserError(
            f"the faces of {dataset.folder} were found by {names}, a visitor's are by {detector_name()}: "
            "add --redetect, or build the dataset again"
        )


def _seen_again(
    dataset: FaceDataset, embedder: Embedder, row_ids: list[str], detector: FaceDetector, progress: Progress | None
) -> tuple[Embeddings, np.ndarray]:
    """Embeddings and yaws of the faces that Verify finds in the pictures; the whole image where it finds none."""
    crops, names, yaws, values = [], [], [], []
    for picture in dataset.pictures(set(row_ids)):
        photo = decode_photo(picture.encoded, picture.row_id, min_side=1)
        try:
            shot = look(detector, photo)
            crops.append(shot.crop(embedder.preprocess))
            yaws.append(shot.face.yaw_degrees)
        except UserError:
            crops.append(embedder.preprocess.crop(photo.image, None))
            yaws.append(np.nan)
        names.append(picture.row_id)
        if len(crops) == BATCH:
            values.append(np.asarray(embedder.embed(crops), np.float32))
            crops = []
        if progress:
            progress(len(names), len(row_ids))
    if crops:
        values.append(np.asarray(embedder.embed(crops), np.float32))
    order = pd.Series(np.arange(len(names)), index=names).loc[row_ids].to_numpy()
    seen = np.array(yaws)[order]
    made_by = {"model": embedder.name}
    return Embeddings(np.array(row_ids, object), np.concatenate(values)[order], np.isfinite(seen), made_by), seen
