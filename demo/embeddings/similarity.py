"""Similarities inside a set of embeddings, to be shown: who is next to whom, and what pose and identity change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from demo.common.vectors import blocks, rows_of
from sfpn.schema import POSE_PAIRS, POSES, pair_key, pair_label

BLOCK, MANY = 1024, 8192  # rows of scores at once, and columns
SAMPLED = 2500  # images whose pairs are summarised; more are drawn by chance with a fixed seed
SHOWN = 60  # samples of the heat map


def nearest(values: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """(N,) position of the most alike other row of unit vectors (N, D); `progress(done, all)` may raise to stop."""
    found = np.empty(len(values), int)
    for first in range(0, len(values), BLOCK):
        block = rows_of(values, slice(first, first + BLOCK))
        best = np.full(len(block), -np.inf, np.float32)
        for place, others in blocks(values, MANY):
            scores = block @ others.T
            own = np.arange(max(first, place.start), min(first + len(block), place.start + len(others)))
            scores[own - first, own - place.start] = -np.inf
            alike = scores.argmax(1)
            highest = scores[np.arange(len(block)), alike]
            better = highest > best
            found[first : first + len(block)][better] = place.start + alike[better]
            best[better] = highest[better]
        if progress:
            progress(first + len(block), len(values))
    return found


def spread(values: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Per pose pair and kind (genuine, impostor): pairs, mean, and 5 % and 95 % quantiles of the cosine."""
    if len(rows) > SAMPLED:
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), SAMPLED, replace=False))
        values, rows = rows_of(values, chosen), rows.iloc[chosen]
    identity, pose = rows["identity"].cat.codes.to_numpy(), rows["pose"].astype(str).to_numpy()
    lines = []
    for pair in POSE_PAIRS:
        first, second = (np.flatnonzero(pose == name) for name in pair)
        scores = values[first] @ values[second].T
        same = identity[first][:, None] == identity[second]
        once = first[:, None] < second if pair[0] == pair[1] else np.ones_like(same)
        for kind, mask in (("genuine", once & same), ("impostor", once & ~same)):
            if mask.any():
                found = scores[mask]
                low, high = np.quantile(found, [0.05, 0.95])
                lines.append(
                    {
                        "pose_pair": pair_key(pair),
                        "label": pair_label(pair),
                        "kind": kind,
                        "pairs": len(found),
                        "mean": float(found.mean()),
                        "low": low,
                        "high": high,
                    }
                )
    return pd.DataFrame(lines, columns=["pose_pair", "label", "kind", "pairs", "mean", "low", "high"])


def read_spread(table: pd.DataFrame) -> str:
    """Whether pose or identity moves the embedding more, said with the means of `spread`."""
    mean = {(pair, kind): value for pair, kind, value in table[["pose_pair", "kind", "mean"]].to_numpy()}
    needed = [("frontal-frontal", "genuine"), ("frontal-profile", "genuine"), ("frontal-frontal", "impostor")]
    if any(key not in mean for key in needed):
        return "Frontal and profile images of the same identities are needed to tell the effect of pose from theirs."
    together, turned, stranger = (mean[key] for key in needed)
    pose, identity = together - turned, together - stranger
    verdict = (
        "**Pose moves the embedding more than identity does.**"
        if pose > identity
        else "Identity moves the embedding more than pose does."
    )
    return (
        f"Two frontal images of one identity have a mean cosine of {together:.2f}. "
        f"Turning one of them to profile takes away {pose:.2f}; "
        f"exchanging the person takes away {identity:.2f}. {verdict}"
    )


def for_heat_map(rows: pd.DataFrame, row_ids: list[str]) -> list[str]:
    """At most SHOWN of the given rows, or of the first identities when none is given, sorted by identity, then pose."""
    if not row_ids:
        row_ids = list(_first_identities(rows).index)
    if len(row_ids) > SHOWN:
        row_ids = [row_ids[place] for place in np.linspace(0, len(row_ids) - 1, SHOWN).astype(int)]
    chosen = rows.loc[row_ids]
    order = [POSES.index(pose) if pose in POSES else len(POSES) for pose in chosen["pose"]]
    return list(chosen.assign(order=order).sort_values(["identity", "order"], kind="stable").index)


def _first_identities(rows: pd.DataFrame, identities: int = 5, per_pose: int = 4) -> pd.DataFrame:
    """A few images of each pose of a few identities."""
    first = rows["identity"].drop_duplicates().iloc[:identities]
    groups: Any = rows[rows["identity"].isin(first)].groupby(["identity", "pose"], observed=True)
    return groups.head(per_pose)
