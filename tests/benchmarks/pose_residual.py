"""Does a small matrix behind the network bring profiles nearer to frontal photos? A table of two ways, by pose pair.

python -m tests.benchmarks.pose_residual DIR [--model base]     # DIR: python -m data_tools build cfp

* residual: unit(x + amount * gate(|yaw|) * x W). W is a ridge regression from turned descriptors to what they lack of
  the mean frontal descriptor of their person; the gate opens with the estimated yaw, over 30 degrees.
* within-class shrinkage: unit((I + weight * S)^(-1/2) x), S the covariance of descriptors about their person's mean,
  of mean eigenvalue 1.
Both are fitted on the people of CFP folds 7-9, chosen by the mean EER of F-P and P-P on fold 10, and judged once on
folds 1-3: all pairs, differences with 95 % intervals of the paired bootstrap over subjects.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, embed_dataset
from sfpn.data.embeddings import unit_length
from sfpn.evaluation import metrics
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.cells import Cell
from sfpn.evaluation.comparisons import Samples, by_pose_pair
from sfpn.evaluation.measure import Plan, measure
from sfpn.evaluation.tally import tally
from sfpn.network.embedders import load_embedder
from sfpn.schema import pair_key, pair_label

TRAIN, CHOOSE, JUDGE = "train", "validation", "test"  # CFP folds 7-9, 10, 1-3
RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0)
AMOUNTS = (0.25, 0.5, 0.75, 1.0)
GATES_DEGREES = (20.0, 40.0)  # where the gate begins to open
ROUNDS = 200  # of the bootstrap
WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
METRICS = {"eer": "EER", "fnmr_at_0.01": "FNMR at FMR 1 %", "fnmr_at_0.001": "FNMR at FMR 0.1 %"}
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]  # unit vectors (N, D), |yaw| (N,) -> unit vectors


def residual(values: np.ndarray, yaw: np.ndarray, people: np.ndarray, poses: np.ndarray) -> dict[str, Change]:
    """Name -> change, for every setting."""
    found: dict[str, Change] = {}
    frontal = {person: values[(people == person) & (poses == "frontal")].mean(axis=0) for person in np.unique(people)}
    targets = unit_length(np.stack([frontal[person] for person in people]))
    for start, ridge in itertools.product(GATES_DEGREES, RIDGES):
        turned = gate(yaw, start) > 0
        x = values[turned] * np.sqrt(gate(yaw, start)[turned, None])
        lacking = (targets - values)[turned] * np.sqrt(gate(yaw, start)[turned, None])
        matrix = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1], dtype=x.dtype), x.T @ lacking)
        for amount in AMOUNTS:
            found[f"gate from {start:g} degrees, ridge {ridge:g}, amount {amount:g}"] = (
                lambda v, y, m=matrix, s=start, a=amount: unit_length(v + a * gate(y, s)[:, None] * (v @ m))
            )
    return found


def gate(yaw: np.ndarray, start: float) -> np.ndarray:
    """(N,) from 0 at |yaw| = start to 1 at 30 degrees more; 0 where the yaw is unknown."""
    return np.nan_to_num(np.clip((np.abs(yaw) - start) / 30, 0, 1)).astype(np.float32)


def shrinkage(values: np.ndarray, yaw: np.ndarray, people: np.ndarray, poses: np.ndarray) -> dict[str, Change]:
    """Name -> change, for every weight."""
    means = pd.DataFrame(values).groupby(people).transform("mean").to_numpy()
    eigenvalues, vectors = np.linalg.eigh(np.cov((values - means).T))
    eigenvalues = eigenvalues.clip(0) / eigenvalues.mean()
    found: dict[str, Change] = {}
    for weight in WEIGHTS:
        matrix = ((vectors / np.sqrt(1 + weight * eigenvalues)) @ vectors.T).astype(np.float32)
        found[f"weight {weight:g}"] = lambda v, y, m=matrix: unit_length(v @ m)
    return found


def samples_of(rows: pd.DataFrame, values: np.ndarray) -> Samples:
    return Samples.build(rows["row_id"], rows["identity"], rows["pose"], values)


def cells_of(rows: pd.DataFrame, values: np.ndarray) -> dict[str, Cell]:
    """Pose pair -> measured cell of all pairs of these rows."""
    samples = samples_of(rows, values)
    draws = Draws.of(samples.subject_count, ROUNDS, seed=0)
    return {
        pair_label(pair): measure(samples, Plan("all-pairs", pair_key(pair), compared), draws)
        for pair, compared in by_pose_pair(samples)
    }


def mean_eer(rows: pd.DataFrame, values: np.ndarray) -> float:
    """Of F-P and P-P, all pairs of these rows."""
    samples = samples_of(rows, values)
    tallies = {pair_label(pair): tally(samples, compared) for pair, compared in by_pose_pair(samples)}
    return float(np.mean([metrics.eer(*tallies[name].treated("whole_image")).rate for name in ("F-P", "P-P")]))


def difference(before: Cell, after: Cell, metric: str) -> str:
    """'9.52 -> 9.10: -0.42 [-0.70, -0.10]' in per cent."""
    rounds = 100 * (after.rounds(metric) - before.rounds(metric))
    values = [100 * value(cell, metric) for cell in (before, after)]
    low, high = np.nanquantile(rounds, [0.025, 0.975])
    return f"{values[0]:.2f} -> {values[1]:.2f}: {values[1] - values[0]:+.2f} [{low:+.2f}, {high:+.2f}]"


def value(cell: Cell, metric: str) -> float:
    if metric == "eer":
        return float(cell.rates().eer or 0)
    target = float(metric.removeprefix("fnmr_at_"))
    return next(point.fnmr for point in cell.rates().operating_points if point.target_fmr == target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", default="base")
    args = parser.parse_args()
    dataset, embedder = FaceDataset.open(args.dataset), load_embedder(args.model)
    rows = dataset.rows()
    found = embed_dataset(dataset, embedder, rows["row_id"].tolist(), cache_file(dataset, embedder))
    rows = rows.set_index("row_id", drop=False).loc[found.row_ids].reset_index(drop=True)
    values, yaw = unit_length(found.values.astype(np.float32)), rows["yaw_degrees"].to_numpy(float)
    parts = {name: np.flatnonzero(rows["split"] == name) for name in (TRAIN, CHOOSE, JUDGE)}
    train = parts[TRAIN]
    people, poses = (rows[name].astype(str).to_numpy()[train] for name in ("identity", "pose"))
    judged, chosen = parts[JUDGE], parts[CHOOSE]
    start = mean_eer(rows.iloc[chosen], values[chosen])
    print(f"{args.model} on {dataset.name}; fold 10 as it is: mean EER of F-P and P-P {100 * start:.2f} %", flush=True)
    before = cells_of(rows.iloc[judged], values[judged])
    for title, make in (("residual by pose", residual), ("within-class shrinkage", shrinkage)):
        changes = make(values[train], yaw[train], people, poses)
        eers = {
            name: mean_eer(rows.iloc[chosen], change(values[chosen], yaw[chosen])) for name, change in changes.items()
        }
        best = min(eers, key=lambda name: eers[name])
        print(f"\n{title}: {best} ({100 * eers[best]:.2f} % on fold 10, of {len(eers)} settings)", flush=True)
        after = cells_of(rows.iloc[judged], changes[best](values[judged], yaw[judged]))
        for pair, cell in after.items():
            for metric, words in METRICS.items():
                print(f"  folds 1-3, {pair:4} {words:18} {difference(before[pair], cell, metric)}", flush=True)


if __name__ == "__main__":
    main()
