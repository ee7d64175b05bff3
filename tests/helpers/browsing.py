"""The real app as a process of its own, and visitors in a real browser."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.paths import ROOT

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
START_SECONDS = 180
IDENTITIES = 3
SIZES = {"desk": {"width": 1400, "height": 1000}, "phone": {"width": 390, "height": 844}}


def chromium() -> str | None:
    """The installed browser, if any."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def served(folder: Path, options: list[str], uploads: Path, **environment: str) -> Iterator[str]:
    """The address of an app started with these options and variables; its output goes to a file in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        command = [sys.executable, "app.py", *options, "--port", str(port)]
        variables = os.environ | {"GRADIO_TEMP_DIR": str(uploads)} | environment
        app = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=variables)
    try:
        wait_for(f"http://127.0.0.1:{port}/", app, folder / "log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        app.terminate()
        app.wait(timeout=30)


def wait_for(url: str, app: subprocess.Popen, log: Path) -> None:
    """Return once the app answers; fail with its output if it does not."""
    for _ in range(2 * START_SECONDS):
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            if app.poll() is not None:
                break
            time.sleep(0.5)
    pytest.fail(f"the app did not start:\n{log.read_text()}")


@contextlib.contextmanager
def visitor(browser, address: str, size: dict[str, int]) -> Iterator[Callable]:
    """What the fixture `visit` gives, for any app."""
    context = browser.new_context(viewport=size)
    context.set_default_timeout(60_000)
    outside, failures = [], []

    def visit(query: str = ""):
        page = context.new_page()
        page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
        page.goto(address + query)
        page.wait_for_selector("#tabs [role=tab]")
        return page

    yield visit
    found = list(failures)  # closing aborts what is under way
    context.close()
    assert (outside, found) == ([], [])
