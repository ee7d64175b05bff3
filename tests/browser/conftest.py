"""The real app as a process of its own, and a real browser; skipped where Chromium or Playwright is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
START_SECONDS = 180


def chromium() -> str | None:
    """The installed browser, if any."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser():
    """A running Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright")
    executable = chromium()
    if executable is None:
        pytest.skip("the browser tests need Chromium, which is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=executable, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def uploads(tmp_path_factory) -> Path:
    """The folder where the app keeps uploads."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="session")
def address(browser, uploads, tmp_path_factory):
    """The address of the running app, with a random network as its model."""
    from small_models import save_random_model

    folder = tmp_path_factory.mktemp("app")
    save_random_model(folder / "random.safetensors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--model", str(folder / "random.safetensors"), "--port", str(port)]
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"GRADIO_TEMP_DIR": str(uploads)})
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


@pytest.fixture
def page(browser, address):
    """A fresh page with the app, that records its requests in page.requested and script errors in page.failures."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.requested, page.failures = [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#input-a input[type=file]", state="attached")
    yield page
    context.close()
