"""What the app does so as to hold no more memory than it uses: settings at its start, and giving back what was freed.

glibc keeps freed memory in a pool per thread, eight for each processor, from which nothing returns to the system by
itself; photos of a few visitors leave some hundred megabytes there. pyarrow's own pool keeps as much again.
Other C libraries do without these settings.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os

POOLS_SETTING, POOLS = -8, 2  # M_ARENA_MAX of glibc's malloc.h


def hold_little() -> None:
    """Few pools for all threads. Call it before pyarrow is imported and before threads are started."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(POOLS_SETTING, POOLS)


def keep_what_is_loaded() -> None:
    """Leave what is there now out of Python's searches for garbage, each of which would stop all visitors."""
    gc.freeze()


def give_memory_back() -> None:
    """Return what was freed to the system, where its C library (glibc) can: some milliseconds, or none if it has."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
