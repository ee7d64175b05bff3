"""Several processes, mixed precision and gradient accumulation, by Hugging Face accelerate."""

from __future__ import annotations

from sfpn.errors import UserError

PRECISIONS = ("no", "bf16", "fp16")


def make_accelerator(precision: str | None):
    """accelerate's Accelerator; precision None is what `accelerate launch` was told, else "no" (float32).

    Raises UserError if accelerate is not installed or the machine cannot compute in that precision.
    """
    try:
        from accelerate import Accelerator
    except ModuleNotFoundError as error:
        raise UserError("training needs Hugging Face accelerate; run: pip install accelerate") from error
    try:
        return Accelerator(mixed_precision=precision)
    except ValueError as error:
        raise UserError(f"--precision {precision} is not possible on this machine ({error}); use another") from error
