"""Tiny or random models with cards, for tests that need a model but not a good one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sfpn.data.selection import Selection
from sfpn.evaluation.calibrate import descriptor_mean
from sfpn.network import checkpoint
from sfpn.network.card import Card, ScoreHistogram, save_card
from sfpn.network.embedders import load_embedder
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import OperatingPoint


def random_card(name: str = "random", **changes) -> Card:
    """A card with operating points for frontal-profile and pooled."""

    def points(threshold: float) -> tuple[OperatingPoint, ...]:
        return tuple(
            OperatingPoint(
                target_fmr=target,
                threshold=threshold + i / 10,
                set_on="people A",
                measured_on="people B",
                fmr=target,
                fnmr=0.2 + i / 10,
                impostor=1000,
                genuine=100,
                false_matches=int(1000 * target),
                false_non_matches=20 + 10 * i,
            )
            for i, target in enumerate((0.01, 0.001))
        )

    counts = tuple(range(20))
    histogram = ScoreHistogram(-1.0, 1.0, counts, counts[::-1], "people B")
    card = dict(
        name=name,
        title="Random network",
        architecture={},
        preprocess=Preprocess(),
        licence="MIT",
        operating_points={"frontal-profile": points(0.3), "pooled": points(0.4)},
        histograms={"frontal-profile": histogram, "pooled": histogram},
    )
    return Card(**card | changes)


def save_random_model(path: Path, depthwise: bool = True, seed: int = 0, **changes) -> Card:
    """A randomly initialised network with its card, saved as a model file."""
    torch.manual_seed(seed)
    model = SFPN(SFPNConfig(depthwise=depthwise)).eval()
    return checkpoint.save(model, random_card(path.stem, **changes), path)


def center_on(path: Path, dataset: Path) -> None:
    """Give a model the descriptor mean of a dataset; the scores of a random network all lie near 1 without it."""
    embedder = load_embedder(path)
    mean = tuple(float(v) for v in descriptor_mean(embedder, Selection.parse(str(dataset))))
    save_card(replace(embedder.card, descriptor_mean=mean), path)
