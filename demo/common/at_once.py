"""Work that several visitors ask for at the same moment, done once; and large work, done one after the other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from demo.common.memory import give_memory_back

Result = TypeVar("Result")
LARGE_PIXELS = 4_000_000  # a photo from here on is decoded while no other such photo is
_large = threading.Lock()


class Shared:
    """What is at work, by what it is made from. Nothing is kept once it is done."""

    def __init__(self) -> None:
        self._running: dict[Hashable, Future] = {}
        self._lock = threading.Lock()

    def share(self, made_from: Hashable, make: Callable[[], Result]) -> Result:
        """What `make` gives, or raises: of this call, or of one with the same `made_from` that is at work already.

        What is shared must not be changed.
        """
        with self._lock:
            running = self._running.get(made_from)
            if running is None:
                ours = self._running[made_from] = Future()
        if running is not None:
            return running.result()
        try:
            ours.set_result(make())
        except BaseException as error:
            ours.set_exception(error)
        finally:
            with self._lock:
                del self._running[made_from]
        return ours.result()


AT_WORK = Shared()


@contextlib.contextmanager
def large_alone(pixels: int) -> Iterator[None]:
    """Wait until no other large photo is at work, if this is one: several at once could fill the memory."""
    if pixels < LARGE_PIXELS:
        yield
        return
    with _large:
        try:
            yield
        finally:
            give_memory_back()
