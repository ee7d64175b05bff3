"""Identities that are probably one person: the images of each are as near to the other as to their own.

The score is the median nearness of both identities' images to the other one, less the median nearness to their own
(where they have too few images: that of the whole set), in spreads of the impostor scores; see nearest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sfpn.data.decisions import SAME_PERSON, Decision
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked

MARGIN = -1.0  # spreads: the least score that is told
SHARE = 0.5  # of the images of one of the two, whose nearest other identity is the other one
MOST_LOOKED_AT = 50  # images of each identity, evenly chosen


@dataclass(frozen=True)
class SamePerson:
    """Two subjects (codes) that are probably one person; `first` has no more images than `second`."""

    first: int
    second: int
    score: float


def find_same_person(looked: Looked, margin: float = MARGIN) -> list[SamePerson]:
    """Every such pair once."""
    found = []
    usual = _usual(looked)
    for first, second in sorted(_candidates(looked)):
        across = [_nearness(looked, first, second), _nearness(looked, second, first)]
        own = [_own(looked, first), _own(looked, second)]
        known = np.concatenate([values[np.isfinite(values)] for values in own])
        between = np.concatenate([values[np.isfinite(values)] for values in across])
        if not len(between):
            continue
        score = float(np.median(between) - (np.median(known) if len(known) else usual))
        if score >= margin:
            small, large = sorted((first, second), key=lambda subject: (len(looked.members(subject)), subject))
            found.append(SamePerson(small, large, score))
    return found


def same_person_findings(looked: Looked, found: list[SamePerson]) -> Iterator[Finding]:
    """The pairs as findings: the two most alike images, one of each."""
    for pair in found:
        first, second = (str(looked.names[subject]) for subject in (pair.first, pair.second))
        rows = looked.members(pair.first)
        best = int(rows[np.argmax([looked.nearness_to(row, pair.second) for row in rows[:MOST_LOOKED_AT]])])
        counts = " and ".join(str(len(looked.members(subject))) for subject in (pair.first, pair.second))
        why = (
            f"{first} and {second} ({counts} images) are probably one person: their images are as near to the other "
            f"identity as to their own (difference {pair.score:+.1f} spreads)"
        )
        merge = Decision(SAME_PERSON, identity=first, new_identity=second)
        row_ids = (looked.row_id(best), looked.row_id(looked.most_alike(best, pair.second)))
        yield Finding("same_person", row_ids, pair.score, why, (merge,))


def _candidates(looked: Looked) -> set[tuple[int, int]]:
    """Pairs (lower code first) of which one is the nearest other identity of a good share of the other's images."""
    found = set()
    for subject in range(len(looked.names)):
        others = looked.near.other_subject[looked.members(subject)]
        others = others[others >= 0]
        if not len(others):
            continue
        codes, counts = np.unique(others, return_counts=True)
        for other in codes[counts >= SHARE * len(others)]:
            found.add((min(subject, int(other)), max(subject, int(other))))
    return found


def _nearness(looked: Looked, subject: int, other: int) -> np.ndarray:
    return np.array([looked.nearness_to(int(row), other) for row in _some(looked.members(subject))])


def _own(looked: Looked, subject: int) -> np.ndarray:
    return looked.near.own[_some(looked.members(subject))]


def _some(rows: np.ndarray) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_LOOKED_AT)).astype(int)]


def _usual(looked: Looked) -> float:
    own = looked.near.own[np.isfinite(looked.near.own)]
    return float(np.median(own)) if len(own) else np.inf
