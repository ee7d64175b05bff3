"""Similarities inside a set of embeddings, to be shown: who is next to whom, and what pose and identity change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sfpn.schema import POSE_PAIRS, POSES, pair_key, pair_label

BLOCK = 1024  # rows of scores at once
SAMPLED = 2500  # images whose pairs are summarised; more are drawn by chance with a fixed seed
SHOWN = 60  # samples of the heat map


def nearest(values: np.ndarray) -> np.ndarray:
    """(N,) position of the most alike other row of unit vectors (N, D)."""
    found = np.empty(len(values), int)
    for start in range(0, len(values), BLOCK):
        scores = values[start : start + BLOCK] @ values.T
        scores[np.arange(len(scores)), start + np.arange(len(scores))] = -np.inf
        found[start : start + BLOCK] = scores.argmax(1)
    return found


def spread(values: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Per pose pair and kind (genuine, impostor): pairs, mean, and 5 % and 95 % quantiles of the cosine."""
    if len(rows) > SAMPLED:
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), SAMPLED, replace=False))
        values, rows = values[chosen], rows.iloc[chosen]
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
    chosen = rows.loc[row_ids] if row_ids else _first_identities(rows)
    if len(chosen) > SHOWN:
        chosen = chosen.iloc[np.linspace(0, len(chosen) - 1, SHOWN).astype(int)]
    order = [POSES.index(pose) if pose in POSES else len(POSES) for pose in chosen["pose"]]
    return list(chosen.assign(order=order).sort_values(["identity", "order"], kind="stable").index)


def _first_identities(rows: pd.DataFrame, identities: int = 5, per_pose: int = 4) -> pd.DataFrame:
    """A few images of each pose of a few identities."""
    first = list(dict.fromkeys(rows["identity"]))[:identities]
    groups: Any = rows[rows["identity"].isin(first)].groupby(["identity", "pose"], observed=True)
    return groups.head(per_pose)
