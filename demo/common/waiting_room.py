"""Who waits for the page while it has no room, and the page that tells them their place."""

from __future__ import annotations

import time

SECONDS = 30  # since somebody in the queue last asked
MOST = 10_000  # in the queue
BUSY_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width"><title>Busy</title>
<body style="font: 1.1rem system-ui; margin: 15vh auto; max-width: 32rem; padding: 0 1rem">
<h1>Busy: place {place} in the queue</h1><p>{words} This page looks again every ten seconds.</p></body></html>"""


class WaitingRoom:
    """Visitors in the order in which they came; whoever stops asking loses their place."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[float, float]] = {}  # visitor: when they first and last asked

    def place(self, visitor: str, full: bool) -> int:
        """The place of a visitor who asks for the page, from 1; 0 where it has room."""
        now = time.monotonic()
        self._asked = {name: (a, b) for name, (a, b) in self._asked.items() if now - b < SECONDS}
        if not full:
            self._asked.pop(visitor, None)
            return 0
        first, _ = self._asked.get(visitor, (now, now))
        if visitor in self._asked or len(self._asked) < MOST:
            self._asked[visitor] = first, now
        return sum(began < first for began, _ in self._asked.values()) + 1
