"""Long work of a click, in a thread: its progress as it comes, and an end when the click is cancelled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from html import escape
from typing import TypeVar

Result = TypeVar("Result")
Report = Callable[[str, int, int], None]  # stage, done, in all; raises when the work is to stop
SECONDS = 0.3  # between looks


class Stopped(Exception):
    """Raised inside the work when nobody waits for it any more."""


def follow(work: Callable[[Report], Result]) -> Generator[tuple[str, int, int], None, Result]:
    """Run `work(report)` and yield its latest (stage, done, total); returns its result.

    Closing it returns at once; the work ends when it reports next. Its thread does not keep the app from ending.
    """
    reports: queue.Queue = queue.Queue()
    stop, future = threading.Event(), Future()

    def report(stage: str, done: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        reports.put((stage, done, total))

    threading.Thread(target=_run, args=(work, report, future), daemon=True).start()
    latest = ("starting", 0, 0)
    try:
        while not future.done():
            latest = _latest(reports, latest)
            yield latest
        return future.result()
    finally:
        stop.set()


def _run(work: Callable[[Report], Result], report: Report, future: Future) -> None:
    try:
        future.set_result(work(report))
    except BaseException as error:  # whatever it is, it belongs to whoever follows
        future.set_exception(error)


def _latest(reports: queue.Queue, latest: tuple[str, int, int]) -> tuple[str, int, int]:
    try:
        latest = reports.get(timeout=SECONDS)
        for _ in range(reports.qsize()):  # not "until empty": fast work would never let it become so
            latest = reports.get_nowait()
    except queue.Empty:
        pass
    return latest


def progress_html(stage: str, done: int, total: int) -> str:
    """A progress bar with words; without an end while `total` is 0."""
    measure = f' value="{done}" max="{total}"' if total else ""
    words = f"{stage}: {done:,} of {total:,}" if total else f"{stage} …"
    return f'<div class="job" role="status"><progress{measure}></progress><span>{escape(words)}</span></div>'
