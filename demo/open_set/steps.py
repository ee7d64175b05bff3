"""How far a set is: one bar over finding faces and embedding them, with the time that is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

FACES, EMBEDDING = "finding faces", "embedding"
SHARE = {FACES: 0.45, EMBEDDING: 0.55}  # of the time, as measured with the model `base` (tests/benchmarks/own_set.py)
PARTS = 1000  # of the bar
SECONDS_FIRST = 2.0  # before that a guess would jump


@dataclass
class Clock:
    """Turns (stage, done, in all) into the words and numbers of one bar."""

    began: float = field(default_factory=time.monotonic)

    def bar(self, stage: str, done: int, total: int) -> tuple[str, int, int]:
        """(words, parts done, parts in all)."""
        if stage not in SHARE or not total:
            return stage, 0, 0
        before = SHARE[FACES] if stage == EMBEDDING else 0.0
        share = before + SHARE[stage] * done / total
        return f"{stage}, {done:,} of {total:,} files{self.left(share)}", round(PARTS * share), PARTS

    def left(self, share: float) -> str:
        """', about 40 s left'; '' while too little is done to tell."""
        passed = time.monotonic() - self.began
        if passed < SECONDS_FIRST or share < 0.01:
            return ""
        return f", about {duration(passed * (1 - share) / share)} left"


def duration(seconds: float) -> str:
    """In steps that do not flicker.

    >>> duration(3), duration(48), duration(130)
    ('5 s', '50 s', '2 min')
    """
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{round(seconds / 60)} min"
