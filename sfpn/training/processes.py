"""Several processes, mixed precision and gradient accumulation, by Hugging Face accelerate."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from sfpn.data.shard import several_processes
from sfpn.errors import UserError

PRECISIONS = ("no", "bf16", "fp16")


def make_accelerator(precision: str | None):
    """accelerate's Accelerator; precision None is what `accelerate launch` was told, else "no" (float32).

    Raises UserError if accelerate is not installed, the machine cannot compute in that precision, or as
    `several_processes` does.
    """
    if precision == "fp16" and not torch.accelerator.is_available():
        raise UserError("--precision fp16 needs an accelerator, and this machine has none; use another: bf16 or no")
    on_processors = several_processes() and not torch.accelerator.is_available()
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ModuleNotFoundError as error:
        raise UserError("training needs Hugging Face accelerate; run: pip install accelerate") from error
    AcceleratorState._reset_state()  # else the precision of an earlier run in this process would silently be kept
    try:
        return Accelerator(mixed_precision=precision, cpu=on_processors)
    except ValueError as error:
        raise UserError(f"--precision {precision} is not possible on this machine ({error}); use another") from error


def any_of(accelerator) -> Callable[[bool], bool]:
    """A function that says whether something is true in any process: all must stop after the same step."""
    if accelerator.num_processes == 1:
        return bool
    return lambda asked: bool(accelerator.reduce(torch.tensor(int(asked), device=accelerator.device), "sum").item())


def refuse_several(stage: str) -> None:
    """Raise UserError if this is one of several processes: a training that cannot share its work would run in each."""
    if several_processes() and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"train {stage} runs in one process and cannot share its work; start it without a launcher")
