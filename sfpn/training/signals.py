"""SIGTERM and Ctrl-C as a flag that a loop reads between two steps."""

from __future__ import annotations

import signal
import threading


class StopSignals:
    """While entered, `asked` turns true at SIGTERM or SIGINT instead of the process ending. A second signal ends it."""

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            self._before = {number: signal.signal(number, self._ask) for number in self.NUMBERS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _) -> None:
        self.asked = True
        signal.signal(number, self._before[number])
