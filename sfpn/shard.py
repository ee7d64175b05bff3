"""Sharing work between processes started by `accelerate launch` or torchrun."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Which share of the batches this process does, and how to get everybody's results."""

    index: int = 0
    count: int = 1
    gather: Callable[[list], list] = list

    @classmethod
    def of_launch(cls) -> Shard:
        """The share of this process under `accelerate launch` (torch.distributed); everything without it."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        from accelerate import PartialState
        from accelerate.utils import gather_object

        state = PartialState(cpu=True)
        return cls(state.process_index, state.num_processes, gather_object)
