"""How long work says how far it has come: the functions that it is given for that, which may raise to end it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # pictures or other pieces done, in all
StageProgress = Callable[[str, int, int], None]  # what is being done; then as Progress
