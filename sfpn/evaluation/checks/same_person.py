"""Identities that are probably one person: their images are as alike across the two as within each.

Score: the sum of the normalised scores (norm.py) of all pairs across the two identities, over what pairs of one person
of these poses usually get and over how alike the images of each of the two are among themselves. About 1 for one
person; a few pairs count less (FEW_PAIRS).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sfpn.data.decisions import SAME_PERSON, Decision
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked

TOLD_FROM = 0.85  # chosen on people of CFP folds 7-10, some of them cut in two
FEW_PAIRS = 2.0  # spreads added to what is expected: one pair by chance is no evidence
SHARE = 1 / 3  # of the images of one of the two, whose nearest other identity is the other one
MOST_LOOKED_AT = 50  # images of each identity, evenly chosen
FEWEST_GENUINE = 50  # pairs of one person: a pose pair with fewer is taken as all together
OWN_WEIGHT, USUAL_WEIGHT = 8.0, 2.0  # images of an identity that count, beside the usual person


@dataclass(frozen=True)
class SamePerson:
    """Two subjects (codes) that are probably one person; `first` has no more images than `second`."""

    first: int
    second: int
    score: float


@dataclass(frozen=True)
class Genuine:
    """`usual` (P, P): the median normalised score of one person by pose pair; `alike` (S,): of each, over the usual."""

    usual: np.ndarray
    alike: np.ndarray


def find_same_person(looked: Looked, told_from: float = TOLD_FROM) -> list[SamePerson]:
    """Every such pair once."""
    genuine = _genuine(looked)
    found = []
    for first, second in sorted(_candidates(looked)):
        score = _alike(looked, genuine, first, second)
        if score >= told_from:
            small, large = sorted((first, second), key=lambda subject: (len(looked.members(subject)), subject))
            found.append(SamePerson(small, large, score))
    return found


def same_person_findings(looked: Looked, found: list[SamePerson]) -> Iterator[Finding]:
    """The pairs as findings: the two most alike images, one of each."""
    for pair in found:
        first, second = (str(looked.names[subject]) for subject in (pair.first, pair.second))
        rows = _some(looked.members(pair.first)).tolist()
        best = max(rows, key=lambda row: looked.nearness_to(row, pair.second))
        counts = " and ".join(str(len(looked.members(subject))) for subject in (pair.first, pair.second))
        why = (
            f"{first} and {second} ({counts} images) are probably one person: across the two, the images are "
            f"{100 * pair.score:.0f} % as alike as within them"
        )
        merge = Decision(SAME_PERSON, identity=first, new_identity=second)
        row_ids = (looked.row_id(best), looked.row_id(looked.most_alike(best, pair.second)))
        yield Finding("same_person", row_ids, pair.score, why, (merge,))


def _candidates(looked: Looked) -> set[tuple[int, int]]:
    """Pairs (lower code first) of which one is the nearest other identity of a good share of the other's images."""
    found = set()
    for subject in range(len(looked.names)):
        others = looked.near.other_subject[looked.members(subject)]
        codes, counts = np.unique(others[others >= 0], return_counts=True)
        for other in codes[counts >= SHARE * counts.sum()].tolist():
            found.add((min(subject, other), max(subject, other)))
    return found


def _genuine(looked: Looked) -> Genuine:
    """From the pairs within the identities, their images that are copies of each other left out."""
    poses = len(looked.norm.mean)
    within = [_pairs_within(looked, subject) for subject in range(len(looked.names))]
    scores, cells = (np.concatenate([pairs[part] for pairs in within]) for part in (0, 1))
    pooled = float(np.median(scores)) if len(scores) else 1.0
    usual = np.full(poses * poses, pooled)
    for cell in range(poses * poses):
        of_cell = scores[cells == cell]
        usual[cell] = np.median(of_cell) if len(of_cell) >= FEWEST_GENUINE else pooled
    usual = np.maximum(usual, 0.1)  # a model that tells nobody apart must not make everybody one person
    alike = np.array([pairs[0].sum() / usual[pairs[1]].sum() if len(pairs[0]) else 1.0 for pairs in within])
    images = np.minimum([len(looked.members(subject)) - 1 for subject in range(len(looked.names))], OWN_WEIGHT)
    return Genuine(usual.reshape(poses, poses), _weighted(alike, images))


def _weighted(alike: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Drawn towards the usual person, the more so the fewer images there are; never so far down that all is alike."""
    return np.maximum((alike * images + USUAL_WEIGHT) / (images + USUAL_WEIGHT), 0.5)


def _pairs_within(looked: Looked, subject: int) -> tuple[np.ndarray, np.ndarray]:
    """(scores, pose pairs as numbers) of the pairs of an identity's images."""
    rows = _some(looked.members(subject))
    first, second = (rows[side] for side in np.triu_indices(len(rows), 1))
    apart = looked.twins[first] != looked.twins[second]
    return _scores(looked, first[apart], second[apart])


def _scores(looked: Looked, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    embeddings, codes, norm = looked.samples.embeddings, looked.norm.codes, looked.norm
    cosines = np.einsum("nd,nd->n", embeddings[first], embeddings[second])
    a, b = np.minimum(codes[first], codes[second]), np.maximum(codes[first], codes[second])
    return (cosines - norm.mean[a, b]) / norm.spread[a, b], a * len(norm.mean) + b


def _alike(looked: Looked, genuine: Genuine, first: int, second: int) -> float:
    """The score of a pair of identities; see the module."""
    a, b = (side.ravel() for side in np.meshgrid(_some(looked.members(first)), _some(looked.members(second))))
    apart = looked.twins[a] != looked.twins[b]
    scores, cells = _scores(looked, a[apart], b[apart])
    weights = [min(len(looked.members(subject)), OWN_WEIGHT) for subject in (first, second)]
    alike = float(np.average(genuine.alike[[first, second]], weights=weights))
    return float(scores.sum() / (genuine.usual.ravel()[cells].sum() * alike + FEW_PAIRS))


def _some(rows: np.ndarray) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_LOOKED_AT)).astype(int)]
