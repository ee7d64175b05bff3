"""Descriptors of faces in training: with gradients where asked, and of undisturbed faces."""

from __future__ import annotations

import numpy as np
import torch

from sfpn.network.model import INPUT_SIZE, SFPN
from sfpn.training.augment import Augmentation
from sfpn.training.batches import Batches

LAST_EARLY_LAYER = "pool4"
BATCH = 8


def descriptors(student: SFPN, faces: torch.Tensor, train_early: bool) -> torch.Tensor:
    """(B, D) float32 descriptors; without `train_early` the layers up to pool4 get no gradient."""
    values, early = faces, True
    for name, layer in student.layers.named_children():
        with torch.set_grad_enabled(torch.is_grad_enabled() and (train_early or not early)):
            values = layer(values)
        early = early and name != LAST_EARLY_LAYER
    return values.float().mean(dim=(2, 3))


@torch.no_grad()
def plain_descriptors(student: SFPN, batches: Batches, rows: np.ndarray) -> np.ndarray:
    """(R, D) descriptors of the undisturbed faces of some rows of the pack, ascending."""
    with torch.autocast(batches.device.type, torch.bfloat16):
        parts = (
            batches.views(part, 0, INPUT_SIZE, Augmentation.none())[0]
            for part in np.array_split(rows, max(1, len(rows) // BATCH))
        )
        return np.concatenate([descriptors(student, part, False).cpu().numpy() for part in parts])


def spread_rows(count: int, limit: int) -> np.ndarray:
    """At most `limit` of `count` rows, evenly spread."""
    return np.linspace(0, count - 1, min(count, limit)).astype(int)
