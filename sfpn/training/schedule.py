"""The learning rate over the steps of a run: a short linear warm-up, then half a cosine down to a small share."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.optim.lr_scheduler import LambdaLR


def warm_cosine(step: int, steps: int, warm_steps: int, lowest: float) -> float:
    """The share of the peak rate (0-1) at a step of `steps`: it ends near `lowest`."""
    warm = min(1.0, (step + 1) / warm_steps)
    return warm * (lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))


def follow(optimizer: torch.optim.Optimizer, rate_at: Callable[[int], float], step: int = 0) -> LambdaLR:
    """Set the optimizer's rate to rate_at(step), and to those of the next steps at each `step()` of what is returned.

    Nothing of it belongs in a checkpoint: the rate follows from the step, also where a continued run was lengthened.
    """
    for group in optimizer.param_groups:
        group["initial_lr"] = 1.0  # so that the factor is the rate itself
    return LambdaLR(optimizer, rate_at, last_epoch=step - 1)
