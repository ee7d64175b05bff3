"""ZeroGPU Spaces lend a graphics processor for the length of a call, to functions that ask; elsewhere nothing changes.

Only the networks that embed ask: faces are found on the processor, which a lent one would only be held up by.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

ON_ZERO_GPU = "SPACES_ZERO_GPU"  # set on such Spaces
SECONDS = 10  # asked for a call, which is of at most a few hundred crops; the shorter, the sooner it is lent


def lender() -> ModuleType | None:
    """The package `spaces` on a ZeroGPU Space, else None. It must be asked before any model is loaded."""
    if not os.environ.get(ON_ZERO_GPU):
        return None
    try:
        import spaces  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        return None
    return spaces


def lend_to(embedders: Sequence[Any]) -> None:
    """Let the network of each embedder compute on the lent processor, where there is one.

    Not `embed` itself: an embedder that is copied from another, to centre otherwise, shares its network alone.
    """
    spaces = lender()
    if spaces is not None:
        for embedder in embedders:
            embedder._forward = spaces.GPU(duration=SECONDS)(embedder._forward)
