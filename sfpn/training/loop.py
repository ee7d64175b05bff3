"""The loop around every kind of training: checkpoints, exact resume, a log, progress, and endings that say why.

What is trained hides behind `Trainable`. One step's numbers depend on the state and the step alone, so a run that was
killed goes on from its last checkpoint as if nothing had happened; even its log is the same.

    RUN/checkpoint.pt   the state, replaced whole every few minutes, after every log line and on SIGTERM or Ctrl-C
    RUN/log.jsonl       one JSON line per validation
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.training.log import Log, Meter, Progress
from sfpn.training.signals import StopSignals

CHECKPOINT_FILE = "checkpoint.pt"
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")  # in RuntimeErrors of torch, by device
KILLED_WORKER = "DataLoader worker"  # in the RuntimeError that torch raises wherever the program happens to be
TAKES_LESS_MEMORY = "lower the batch size"


class Settings(Protocol):
    """What the loop reads of a run's frozen settings."""

    @property
    def steps(self) -> int:
        """The run ends here at the latest."""
        ...


class Trainable(Protocol):
    """What `drive` trains."""

    step: int  # optimizer steps done

    @property
    def config(self) -> Settings: ...

    def train_step(self) -> dict[str, float]:
        """One optimizer step; its losses by name. `images` (seen) and `learning_rate` beside them are shown as such.

        Raises FloatingPointError, before any weight has changed, on a loss that is not finite: see `check_finite`.
        """
        ...

    def state(self) -> dict:
        """What `restore` needs to continue exactly: tensors and plain values only."""
        ...

    def restore(self, state: dict) -> None:
        """Raises UserError if the state belongs to a run with other settings."""
        ...


@dataclass(frozen=True)
class Loop:
    """How a run is driven."""

    folder: Path
    due: Callable[[int], bool] = lambda step: False  # after which steps a line is logged; the last step always is
    validate: Callable[[], dict] = (
        dict  # numbers and words for the line; may change what is trained, e.g. its learning rate
    )
    ended: Callable[[], bool] = lambda: False  # asked after every line: nothing is left to learn
    save_every_seconds: float = 120.0
    takes_less_memory: str = TAKES_LESS_MEMORY  # what to do when there is not enough
    main: bool = True  # among several processes, the one that writes
    any_process: Callable[[bool], bool] = bool  # whether it is true in any of the processes
    progress: bool | None = None  # None: where stderr is a terminal


def drive(run: Trainable, loop: Loop) -> bool:
    """Train to the end (True) or until SIGTERM or Ctrl-C (False); either way the checkpoint is up to date.

    Raises UserError when a loss is not finite, memory runs out, a decoding process dies, or the folder holds another
    run.
    """
    loop.folder.mkdir(parents=True, exist_ok=True)
    meter, ended = _resume(run, loop)
    log = Log(loop.folder, loop.main)
    log.forget_after(run.step)
    saved = time.monotonic()
    advice = _one_sentence(run, loop.takes_less_memory)
    with advice, StopSignals() as stop, Progress(run, loop.main, loop.progress) as progress:
        while not loop.any_process(stop.asked) and not ended and run.step < run.config.steps:
            step = run.train_step()
            meter.add(step)
            progress.show(step)
            if loop.due(run.step) or run.step == run.config.steps:
                progress.write(log.add(run.step, meter, loop.validate()))
                meter, ended = Meter(), loop.ended()
                saved = -math.inf
            if time.monotonic() - saved > loop.save_every_seconds:
                _save(run, meter, ended, loop)
                saved = time.monotonic()
    _save(run, meter, ended, loop)
    return ended or run.step >= run.config.steps


def check_finite(losses: dict[str, float], step: int, learning_rate: float) -> None:
    """Raises FloatingPointError that names the losses that are not finite, the step and the learning rate."""
    bad = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        raise FloatingPointError(f"step {step}, learning rate {learning_rate:g}: loss {', '.join(bad)}")


def weighted_sum(losses: dict[str, torch.Tensor], weights: dict[str, float]) -> torch.Tensor:
    """() what a step minimises: the losses (each ()) times their weights, where not given 1."""
    return torch.stack([weights.get(name, 1.0) * value for name, value in losses.items()]).sum()


def check_same_settings(before: dict, now: dict, changeable: tuple[str, ...]) -> None:
    """Raises UserError if a checkpoint was made with other settings than now, apart from the changeable ones."""
    different = [name for name, value in now.items() if name not in changeable and before.get(name) != value]
    if different:
        raise UserError(
            f"the checkpoint was made with other settings ({', '.join(different)}); use them, or a new --out folder"
        )


def load_state(folder: Path) -> dict | None:
    """The state in a run's last checkpoint; None if there is none yet. Raises UserError if it cannot be read."""
    checkpoint = _load(folder)
    return checkpoint and checkpoint["run"]


def _load(folder: Path) -> dict | None:
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return (
            checkpoint if {"run", "meter", "ended"} <= checkpoint.keys() else _refuse(path, "it holds something else")
        )
    except (RuntimeError, EOFError, OSError, AttributeError, pickle.UnpicklingError) as error:
        return _refuse(path, str(error).partition("\n")[0])


def _refuse(path: Path, why: str) -> dict:
    raise UserError(f"{path} is not a checkpoint of this project ({why}); move it away, or use another --out folder")


def _resume(run: Trainable, loop: Loop) -> tuple[Meter, bool]:
    checkpoint = _load(loop.folder)
    if checkpoint is None:
        return Meter(), False
    run.restore(checkpoint["run"])
    if loop.main:
        print(f"continuing {loop.folder} at step {run.step}", flush=True)
    return Meter(**checkpoint["meter"]), checkpoint["ended"]


def _save(run: Trainable, meter: Meter, ended: bool, loop: Loop) -> None:
    if loop.main:
        with whole_file(loop.folder / CHECKPOINT_FILE) as temporary:  # an interrupted run never leaves half a file
            torch.save({"run": run.state(), "meter": meter.state(), "ended": ended}, temporary)


@contextmanager
def _one_sentence(run: Trainable, takes_less_memory: str) -> Iterator[None]:
    """Turns what can go wrong in long trainings into a UserError with the step and what to do."""
    try:
        yield
    except FloatingPointError as error:
        advice = (
            "the last checkpoint, if there is one, is from before it; lower the learning rate or, with fp16, use bf16"
        )
        raise UserError(f"the training broke down at {error}; {advice}") from error
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise UserError(f"out of memory at step {run.step}: {takes_less_memory}") from error
        if KILLED_WORKER not in str(error):
            raise
        advice = "if memory is short, lower --workers or --buffer-images; the same command continues"
        raise UserError(f"a process that decodes pictures was killed at step {run.step}; {advice}") from error
