"""Sharing work between processes started by `accelerate launch` or torchrun."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sfpn.errors import UserError


@dataclass(frozen=True)
class Shard:
    """Which share of the batches this process does, and how to get everybody's results."""

    index: int = 0
    count: int = 1
    gather: Callable[[list], list] = list

    @classmethod
    def of_launch(cls) -> Shard:
        """The share of this process under `accelerate launch` (torch.distributed); everything without it.

        Raises UserError as `several_processes` does.
        """
        if not several_processes():
            return cls()
        from accelerate import PartialState
        from accelerate.utils import gather_object

        state = PartialState(cpu=True)
        return cls(state.process_index, state.num_processes, gather_object)


def several_processes() -> bool:
    """Whether this process was started as one of several that know of each other.

    Raises UserError if several were asked for and one was started: without a GPU, `accelerate launch --num_processes 2`
    does that and says nothing (accelerate issue 2741), unless --multi_gpu makes it use torch's launcher.
    """
    if "WORLD_SIZE" in os.environ:
        return True
    if "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ:
        raise UserError(
            "accelerate launch started one process instead of several; "
            "without GPUs, give it --multi_gpu as well and no --cpu"
        )
    return False
