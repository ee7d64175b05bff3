"""One target space out of several teachers' embeddings: the place where a student's descriptor of each face should lie.

Cosines in the joint space are the means of the teachers' cosines. It is then cut to the student's number of
dimensions and turned to lie where the student's descriptors already are, both of which leave cosines (nearly) alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes

from sfpn.data.embeddings import Embeddings, unit_length
from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.training.batches import Batches
from sfpn.training.descriptors import plain_descriptors, spread_rows
from sfpn.training.pack import UNLABELLED, Pack
from sfpn.training.start import channels_last

FIT_IMAGES = 4_000


@dataclass(frozen=True)
class TeacherFile:
    """Embeddings of one teacher, which may lie in several files (one per dataset), and its say in the joint space."""

    files: tuple[Path, ...]
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> TeacherFile:
        """'A.parquet,B.parquet' or 'A.parquet,B.parquet=0.5'. Raises UserError for a weight that is not above zero."""
        files, _, weight = text.partition("=")
        try:
            value = float(weight or 1)
        except ValueError:
            value = 0.0
        if not value > 0:
            raise UserError(f"{text}: the weight of a teacher must be a number above zero, e.g. FILE.parquet=0.5")
        return cls(tuple(Path(name) for name in files.split(",")), value)

    def unit(self, row_ids: list[str]) -> tuple[str, np.ndarray]:
        """The teacher's name, and its (N, D) unit embeddings of the rows. Raises UserError where one is missing."""
        known: dict[str, np.ndarray] = {}
        names = set()
        for file in self.files:
            embeddings = Embeddings.load(file)
            names.add(str(embeddings.made_by["model"]))
            known |= dict(zip(embeddings.row_ids, embeddings.values, strict=True))
        missing = [row_id for row_id in row_ids if row_id not in known]
        where = ", ".join(map(str, self.files))
        if missing:
            raise UserError(
                f"{where}: no embedding of {len(missing)} rows of the pack (first {missing[0]}); "
                "embed their dataset too"
            )
        if len(names) > 1:
            raise UserError(
                f"{where}: embeddings of several models ({', '.join(sorted(names))}); give each teacher its own option"
            )
        return names.pop(), unit_length(np.stack([known[row_id] for row_id in row_ids]).astype(np.float32))


def joint(parts: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """(N, sum of D) unit vectors whose cosines are the weighted mean of the teachers' cosines.

    parts: one (N, D) array of unit vectors per teacher; each is centred first.
    """
    shares = np.sqrt(np.array(weights) / sum(weights))
    centred = [unit_length(part - part.mean(axis=0)) for part in parts]
    return np.concatenate([share * part for share, part in zip(shares, centred, strict=True)], axis=1).astype(
        np.float32
    )


def toward_identity(targets: np.ndarray, identities: np.ndarray, share: float) -> np.ndarray:
    """Targets moved by `share` (0-1) towards the mean target of their identity; those without identity stay.

    A profile then has to land nearer to its person's frontal faces than the teachers place it.
    """
    moved = targets.copy()
    labelled = identities != UNLABELLED
    _, person = np.unique(identities[labelled], return_inverse=True)
    sums = np.zeros((person.max(initial=-1) + 1, targets.shape[1]), targets.dtype)
    np.add.at(sums, person, targets[labelled])
    moved[labelled] = (1 - share) * targets[labelled] + share * unit_length(sums)[person]
    return unit_length(moved)


def fit_to(targets: np.ndarray, descriptors: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """(targets (N, D) in D' dimensions, turned to lie near `descriptors`; how much of their squared length is kept).

    The cut is the leading singular subspace; the turn is the orthogonal Procrustes solution (Schönemann 1966), so both
    leave cosines as they are. descriptors: (R, D') centred descriptors of some rows by the student at its start.
    """
    size = descriptors.shape[1]
    values, vectors = np.linalg.eigh(targets.T.astype(np.float64) @ targets)
    cut = targets @ vectors[:, ::-1][:, :size].astype(np.float32)
    if cut.shape[1] < size:
        cut = np.pad(cut, ((0, 0), (0, size - cut.shape[1])))
    turn, _ = orthogonal_procrustes(cut[rows].astype(np.float64), unit_length(descriptors).astype(np.float64))
    kept = float(values[::-1][:size].sum() / values.sum())
    return unit_length(cut @ turn.astype(np.float32)), kept


def prototypes(targets: np.ndarray, identities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((C, D) unit mean target per class, (N,) class of each row); a row without identity is a class of its own."""
    classes = identities.astype(np.int64).copy()
    unlabelled = classes == UNLABELLED
    classes[unlabelled] = classes.max(initial=-1) + 1 + np.arange(unlabelled.sum())
    _, classes = np.unique(classes, return_inverse=True)
    sums = np.zeros((classes.max() + 1, targets.shape[1]), targets.dtype)
    np.add.at(sums, classes, targets)
    return unit_length(sums), classes


@dataclass(frozen=True)
class Targets:
    """Targets keyed by row_id, the teachers behind them with their weights, and the kept share of their joint space."""

    embeddings: Embeddings
    teachers: tuple[str, ...]
    kept: float  # 0-1


def make_targets(pack: Pack, teachers: list[TeacherFile], start_from: str | Path) -> Targets:
    """Targets for every row of the pack, fitted to the weights that a student will start from. Raises UserError."""
    names, parts = zip(*(teacher.unit(pack.row_ids) for teacher in teachers), strict=True)
    start, card = checkpoint.load(start_from)
    rows = spread_rows(len(pack), FIT_IMAGES)
    batches = Batches(pack, card.preprocess, seed=0)
    descriptors = plain_descriptors(channels_last(start), batches, rows)
    together = joint(list(parts), [teacher.weight for teacher in teachers])
    targets, kept = fit_to(together, descriptors - descriptors.mean(axis=0), rows)
    said = tuple(f"{name} x {teacher.weight:g}" for name, teacher in zip(names, teachers, strict=True))
    made_by = {
        "model": "joint targets",
        "teachers": json.dumps(said),
        "kept": f"{kept:.4f}",
        "start": card.weights_sha256,
    }
    found = np.ones(len(pack), bool)
    return Targets(Embeddings(np.array(pack.row_ids, object), targets, found, made_by), said, kept)
