"""An ordered map over worker processes that holds only a few items at a time, however long the stream is."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from sfpn.errors import UserError

KILLED = "a worker was killed (out of memory?): repeat the command with fewer --workers and with --resume"
ITEMS_PER_TASK = 4  # sent to a worker at once
TASKS_PER_WORKER = 4  # in flight, so that workers are busy while a shard is written


def ordered_map(step: Callable[[Any], Any], items: Iterable[Any], workers: int) -> Generator[Any, None, None]:
    """`map(step, items)` in `workers` processes, in the order of the items; 0 = in this process.

    Raises UserError when a worker is killed, and what `step` raises.
    """
    if not workers:
        yield from map(step, items)
        return
    # spawn: torch does not survive a fork once it has started threads
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield from _in_flight(pool, step, iter(items), workers * TASKS_PER_WORKER)
    except BrokenProcessPool as error:
        raise UserError(KILLED) from error
    finally:
        pool.shutdown(cancel_futures=True)


def threaded_map(step: Callable[[Any], Any], items: Iterable[Any], threads: int) -> Generator[Any, None, None]:
    """`map(step, items)` in threads of this process, in the order of the items; closing it waits for those at work."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_flight(pool, step, iter(items), threads * TASKS_PER_WORKER)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_flight(pool: Executor, step: Callable[[Any], Any], items: Iterator[Any], tasks: int) -> Iterator[Any]:
    waiting: deque = deque()
    while batch := list(islice(items, ITEMS_PER_TASK)):
        waiting.append(pool.submit(_run, step, batch))
        if len(waiting) == tasks:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def _end_with_parent() -> None:
    """Ctrl-C reaches every process of the terminal; only the parent answers it, the workers end with it.

    They do so too where it was killed, which else they would never learn: they wait for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := parent_process():
        Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _run(step: Callable[[Any], Any], batch: list[Any]) -> list[Any]:
    return [step(item) for item in batch]
