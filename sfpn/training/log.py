"""What a run says while it runs: a line of log.jsonl per validation, and a live line on the terminal."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from sfpn.errors import UserError
from sfpn.files import write_text

LOG_FILE = "log.jsonl"
NOT_LOSSES = ("images", "learning_rate")


@dataclass
class Meter:
    """Means of a step's losses since the last log line.

    Part of the checkpoint, so that no line depends on interruptions.
    """

    steps: int = 0
    images: float = 0.0
    seconds: float = 0.0  # of running, not of the pauses between sittings
    learning_rate: float | None = None
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # a loss need not be part of every step

    def __post_init__(self) -> None:
        self._since = time.monotonic()

    def state(self) -> dict:
        """Plain values from which `Meter(**state)` goes on."""
        self._tick()
        names = ("steps", "images", "seconds", "learning_rate", "sums", "counts")
        return {name: getattr(self, name) for name in names}

    def add(self, step: dict[str, float]) -> None:
        """Count the numbers of one step."""
        self._tick()
        self.steps += 1
        self.images += step.get("images", 0)
        self.learning_rate = step.get("learning_rate", self.learning_rate)
        for name in step.keys() - set(NOT_LOSSES):
            self.sums[name] = self.sums.get(name, 0.0) + step[name]
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Loss name -> mean over the steps that had it."""
        return {name: float(f"{total / self.counts[name]:.6g}") for name, total in sorted(self.sums.items())}

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = now


class Log:
    """RUN/log.jsonl; does nothing in processes that do not write."""

    def __init__(self, folder: Path, main: bool) -> None:
        self.path, self.main = folder / LOG_FILE, main

    def forget_after(self, step: int) -> None:
        """Drop the lines of steps that a killed run had done after its last checkpoint: they will be done again."""
        if not self.main or not self.path.is_file():
            return
        kept = [line for line in self.path.read_text().splitlines(keepends=True) if _step_of(line) <= step]
        write_text("".join(kept), self.path)

    def add(self, step: int, meter: Meter, validated: dict) -> str:
        """Append a line: the step, the mean losses since the last line, and what the validation found.

        Returns the line.
        """
        record = {"step": step} | ({} if meter.learning_rate is None else {"learning_rate": meter.learning_rate})
        record |= meter.means() | validated
        if meter.images:
            record |= {"images_per_second": round(meter.images / max(meter.seconds, 1e-9), 1)}
        line = json.dumps(record)
        if self.main:
            with self.path.open("a") as file:
                file.write(line + "\n")
        return line


def read_log(folder: Path) -> list[dict]:
    """The lines of a run's log, oldest first; empty if there is none. Raises UserError for a line that is none."""
    path = folder / LOG_FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not math.isfinite(_step_of(line)):
            raise UserError(
                f"{path}: line {number} is not a line of a log (cut off when the machine went down?); "
                "continue the run, which drops it, or delete the line"
            )
    return [json.loads(line) for line in lines]


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # half a line: the machine went down while it was written
        return math.inf


class Progress:
    """A live line: steps, time left, images/s, loss and learning rate."""

    def __init__(self, run, main: bool, wanted: bool | None) -> None:
        from tqdm import tqdm

        disable = None if wanted is None else not wanted
        self.run, self.main = run, main
        self.bar = tqdm(
            total=run.config.steps, initial=run.step, unit="step", disable=disable if main else True, dynamic_ncols=True
        )
        self._started, self._images = time.monotonic(), 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def show(self, step: dict[str, float]) -> None:
        """The numbers of the step just done."""
        self._images += step.get("images", 0)
        words = {"loss": f"{sum(value for name, value in step.items() if name not in NOT_LOSSES):.4g}"}
        if "learning_rate" in step:
            words["rate"] = f"{step['learning_rate']:g}"
        if self._images:
            words["images/s"] = f"{self._images / (time.monotonic() - self._started):.0f}"
        self.bar.set_postfix(words, refresh=False)
        self.bar.update()

    def write(self, line: str) -> None:
        """A log line, above the live line."""
        if self.main:
            self.bar.write(line)
