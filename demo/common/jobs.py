"""Long work of a click, in a thread: one at a time for the whole app, its progress as it comes, an end when cancelled.

Others wait in the order in which they came, and are told their place. A page has one job: the next one ends it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from html import escape
from typing import Any, TypeVar

import gradio as gr

from demo.common.memory import give_memory_back
from demo.common.visitor import client_of, session_of
from sfpn.errors import UserError
from sfpn.progress import StageProgress

Result = TypeVar("Result")
Shown = TypeVar("Shown")
SECONDS = 0.3  # between looks
WAITING = "Busy: place"  # how the stage of a job begins whose turn has not come
PLACES = 8  # jobs waiting, of all visitors
PLACES_OF_ONE = 3  # jobs of one client, waiting or at work
LOW_PRIORITY = 10  # as `nice` counts: what visitors compare meanwhile goes first


class Stopped(Exception):
    """Raised inside the work when nobody waits for it any more, and to who follows it when it was ended."""


@dataclass(eq=False)
class Job:
    """A place in the line; `session` and `client` say whose it is ('': of the app itself), `name` what it is."""

    session: str = ""
    client: str = ""
    name: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    working: bool = False

    def end(self) -> None:
        """Make the work raise Stopped: when it next says how far it is, or before its thread's next line of Python."""
        self.stop.set()
        with self.guard:
            if self.working and self.thread and self.thread.ident:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident), ctypes.py_object(Stopped))


class Line:
    """Jobs in the order in which they came; the first one works."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lock = threading.Lock()

    def enter(self, job: Job) -> None:
        """Take the last place. Raises UserError when there is none, or the client has enough of them."""
        with self._lock:
            earlier = [known for known in self._jobs if job.session and known.session == job.session]
            others = [known for known in self._jobs if known not in earlier]
            if len(others) > PLACES:
                raise UserError(f"Busy: {len(others)} long jobs are waiting already; try again in some minutes.")
            if job.client and sum(known.client == job.client for known in others) >= PLACES_OF_ONE:
                raise UserError(
                    f"Busy: {PLACES_OF_ONE} long jobs from your address are waiting or at work; wait for one of them."
                )
            self._jobs.append(job)
        for known in earlier:
            known.end()

    def leave(self, job: Job) -> None:
        """Give the place up."""
        with self._lock, contextlib.suppress(ValueError):
            self._jobs.remove(job)

    def place(self, job: Job) -> int:
        """How many are before it."""
        with self._lock:
            return self._jobs.index(job) if job in self._jobs else 0

    def end(self, session: str, name: str) -> None:
        """End the jobs of a session that have this name."""
        with self._lock:
            found = [job for job in self._jobs if session and (job.session, job.name) == (session, name)]
        for job in found:
            job.end()

    def end_all(self, seconds: float) -> bool:
        """End all jobs, and wait at most that long for the one at work; whether none is at work any more."""
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.end()
        threads = [job.thread for job in jobs if job.thread]
        for thread in threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in threads)


LINE = Line()


def ending(name: str) -> Callable[[gr.Request], None]:
    """A handler that ends the job of this name of whoever clicks. The page is told by who follows the job.

    So nothing that the job has shown can come after that, as it can where Gradio cancels the event of the job.
    """

    def end(request: gr.Request) -> None:
        LINE.end(session_of(request), name)

    return end


def follow(
    work: Callable[[StageProgress], Result], request: gr.Request | None = None, name: str = ""
) -> Generator[tuple[str, int, int], None, Result]:
    """Run `work(progress)` when its turn comes, and yield its latest (stage, done, total); returns its result.

    Closing it returns at once, and ends the work. Its thread does not keep the app from ending. Raises UserError when
    too many wait already, Stopped when the job was ended: by name, or because the page of `request` began another.
    """
    job = Job(session_of(request), client_of(request), name)
    LINE.enter(job)
    try:
        while before := LINE.place(job):
            yield (f"{WAITING} {before} in the queue", 0, 0)
            if job.stop.wait(SECONDS):
                raise Stopped
        return (yield from _run_and_follow(work, job))
    finally:
        job.end()
        if job.thread is None:
            LINE.leave(job)


def follow_shown(
    shown: Callable[[str], Shown],
    work: Callable[[StageProgress], Result],
    request: gr.Request | None = None,
    name: str = "",
) -> Generator[Shown, None, Result]:
    """As `follow`, with a progress bar as HTML, made by `shown` into what the page takes; for `yield from`."""
    steps = follow(work, request, name)
    try:
        while True:
            yield shown(progress_html(*next(steps)))
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def _run_and_follow(work: Callable[[StageProgress], Result], job: Job) -> Generator[tuple[str, int, int], None, Result]:
    told: queue.Queue = queue.Queue()
    future: Future = Future()

    def progress(stage: str, done: int, total: int) -> None:
        if job.stop.is_set():
            raise Stopped
        told.put((stage, done, total))

    job.thread = threading.Thread(target=_run, args=(work, progress, future, job), daemon=True)
    job.thread.start()
    latest = ("starting", 0, 0)
    while not future.done():
        if job.stop.is_set():  # the work itself may take a while to notice
            raise Stopped
        latest = _latest(told, latest)
        yield latest
    return future.result()


def _run(work: Callable[[StageProgress], Any], progress: StageProgress, future: Future, job: Job) -> None:
    result, failure = None, None
    try:
        with contextlib.suppress(OSError, AttributeError):  # of this thread alone, where the system has that
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
        with job.guard:
            job.working = not job.stop.is_set()
        if not job.working:
            raise Stopped
        try:
            result = work(progress)
        finally:
            with job.guard:
                job.working = False
    except BaseException as error:  # whatever it is, it belongs to whoever follows
        failure = error
    finally:
        LINE.leave(job)
        give_memory_back()
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


def _latest(told: queue.Queue, latest: tuple[str, int, int]) -> tuple[str, int, int]:
    try:
        latest = told.get(timeout=SECONDS)
        for _ in range(told.qsize()):  # not "until empty": fast work would never let it become so
            latest = told.get_nowait()
    except queue.Empty:
        pass
    return latest


def progress_html(stage: str, done: int, total: int) -> str:
    """A progress bar with words; without an end while `total` is 0."""
    return bar_html(f"{stage}: {done:,} of {total:,}" if total else f"{stage} …", done, total)


def bar_html(words: str, done: int, total: int) -> str:
    """A progress bar with these words beside it."""
    measure = f' value="{done}" max="{total}"' if total else ""
    return f'<div class="job" role="status"><progress{measure}></progress><span>{escape(words)}</span></div>'
