"""SIGTERM and Ctrl-C as a flag that a loop reads between two steps."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

ECHO_SECONDS = 2.0  # launchers pass on what the terminal has sent to the whole group already


class StopSignals:
    """While entered, SIGTERM or SIGINT turns `asked` true instead of ending the process; a later second one ends it."""

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        return self._asked_at is not None

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            self._before = {number: signal.signal(number, self._ask) for number in self.NUMBERS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        elif time.monotonic() - self._asked_at > ECHO_SECONDS:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
