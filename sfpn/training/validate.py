"""How good a student is on people kept out of its training, while it trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from sfpn.data.embeddings import Embeddings
from sfpn.data.selection import Selection
from sfpn.evaluation import metrics
from sfpn.evaluation.comparisons import by_pose_pair
from sfpn.evaluation.evaluate import make_samples
from sfpn.evaluation.tally import tally
from sfpn.network.model import SFPN, fold_batch_norm
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import pair_key
from sfpn.training.start import channels_last

BATCH = 8
Validate = Callable[[SFPN], dict[str, float]]  # student -> {"eer_frontal-profile": 0.12, ...}


def validation(selection: Selection | None, preprocess: Preprocess) -> Validate:
    """Measures EER per pose pair over all pairs of the selection's detected faces; nothing without a selection."""
    if selection is None:
        return lambda student: {}
    rows = selection.rows()
    rows = rows.loc[rows["box_xyxy"].notna()]
    inputs = torch.cat(
        [
            preprocess.tensor([preprocess.crop(picture.decode(), picture.face)]).to(torch.bfloat16)
            for picture in selection.dataset.pictures(set(rows["row_id"]))
        ]
    )

    def measure(student: SFPN) -> dict[str, float]:
        values = _descriptors(fold_batch_norm(student.eval()), inputs)
        embeddings = Embeddings(
            np.asarray(rows["row_id"]), values - values.mean(0), np.ones(len(rows), bool), {"model": "student"}
        )
        student.train()
        return {f"eer_{pair}": round(eer, 4) for pair, eer in eers(rows, embeddings).items()}

    return measure


def eers(rows: pd.DataFrame, embeddings: Embeddings) -> dict[str, float]:
    """Pose pair key -> EER (0-1) over all pairs of the rows (in the embeddings' order), where there are any."""
    samples = make_samples(rows, embeddings)
    return {
        pair_key(pair): metrics.eer(*tally(samples, compared).treated("skip")).rate
        for pair, compared in by_pose_pair(samples)
    }


@torch.inference_mode()
def _descriptors(model: SFPN, inputs: torch.Tensor) -> np.ndarray:
    model = channels_last(model)
    with torch.autocast("cpu", torch.bfloat16):
        batches = (part.contiguous(memory_format=torch.channels_last) for part in inputs.split(BATCH))
        return torch.cat([model(part).float() for part in batches]).numpy()
