"""Drawn scores of pairs with their yaws, and a card with a surface made of them."""

from __future__ import annotations

import numpy as np

from sfpn.evaluation.posed_scores import PosedScores, couples_of
from sfpn.network.card import Card
from sfpn.network.operating_surface import OperatingSurface
from sfpn.photos.preprocess import Preprocess

AXIS = (0.0, 30.0, 60.0, 90.0)
PEOPLE = 30


def drawn_scores(count: int = 60_000, seed: int = 11, source: int = 0, widest: float = 90.0) -> PosedScores:
    """Impostor scores that rise with the smaller |yaw| and fall with the difference; one in ten genuine."""
    rng = np.random.default_rng(seed)
    yaws = np.sort(rng.uniform(0, widest, (count, 2)).astype(np.float32), axis=1)
    same = rng.random(count) < 0.1
    centre = 0.1 + 0.002 * yaws[:, 0] - 0.001 * (yaws[:, 1] - yaws[:, 0]) + 0.4 * same
    scores = (centre + rng.normal(0, 0.1, count)).astype(np.float32)
    first = rng.integers(0, PEOPLE, count)
    second = np.where(same, first, (first + rng.integers(1, PEOPLE, count)) % PEOPLE)
    couples = couples_of(np.column_stack([first, second]))
    return PosedScores(scores, yaws, same, np.full(count, source, np.int8), *couples)


def surface_card(found: OperatingSurface | None) -> Card:
    """A card with nothing but a surface."""
    preprocess = Preprocess("box", 16, 1.0, "edge", (0.0, 0.0, 0.0))
    return Card("drawn", "drawn", {"type": "test"}, preprocess, "MIT", surface=found)
