"""The real app as a process of its own, and a real browser; skipped where Chromium or Playwright is missing."""

from __future__ import annotations

import contextlib
import json
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

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from drawn_people import SYNTHETIC  # noqa: E402
from small_models import center_on, save_random_model  # noqa: E402

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
START_SECONDS = 180
IDENTITIES = 3
SIZES = {"desk": {"width": 1400, "height": 1000}, "phone": {"width": 390, "height": 844}}


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
    folder = tmp_path_factory.mktemp("app")
    save_random_model(folder / "random.safetensors")
    with served(folder, ["--model", str(folder / "random.safetensors")], uploads) as address:
        yield address


@contextlib.contextmanager
def served(folder: Path, options: list[str], uploads: Path) -> Iterator[str]:
    """The address of an app started with these options; its output goes to a file in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        command = [sys.executable, "app.py", *options, "--port", str(port)]
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


@pytest.fixture(scope="session")
def explorer_folder(tmp_path_factory) -> Path:
    """Where the models, people and reports of `explorer` lie."""
    return tmp_path_factory.mktemp("explorer")


@pytest.fixture(scope="session")
def explorer(browser, uploads, explorer_folder) -> Iterator[str]:
    """The address of the app with three drawn people, three random networks, and embeddings and reports of two of them."""
    folder = explorer_folder
    models = [str(folder / f"{name}.safetensors") for name in ("one", "two", "three")]
    _few_people(folder / "people")
    for seed, path in enumerate(models):
        save_random_model(Path(path), seed=seed, title=Path(path).stem)
        center_on(Path(path), folder / "people")
    run = [sys.executable, "-m", "sfpn", "evaluate", str(folder / "people"), "--protocol", "vggface2-pose", "--rounds", "20"]
    subprocess.run([*run, "--model", *models[:2], "--out", str(folder / "reports")], cwd=ROOT, check=True, capture_output=True)
    reports = [str(folder / "reports" / name) for name in ("one", "two")]
    with served(folder, ["--model", *models, "--dataset", str(folder / "people"), "--report", *reports], uploads) as address:
        yield address


def _few_people(folder) -> None:
    table = pa.concat_tables(pq.read_table(file) for file in sorted(SYNTHETIC.glob("data*.parquet")))
    chosen = sorted(set(table["identity"].to_pylist()))[:IDENTITIES]
    folder.mkdir()
    kept = table.filter(pa.compute.is_in(table["identity"], pa.array(chosen)))
    pq.write_table(kept, folder / "data-00000.parquet", row_group_size=50)
    card = json.loads((SYNTHETIC / "dataset.json").read_text()) | {"fingerprint": "three-drawn-people", "rows": len(kept)}
    (folder / "dataset.json").write_text(json.dumps(card))


@pytest.fixture(params=SIZES)
def visit(request, browser, explorer):
    """visit(query) opens a page of a desk's or a phone's size; at the end it must have had no error and no outside request."""
    with visitor(browser, explorer, SIZES[request.param]) as visit:
        yield visit


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
    assert outside == [] and found == []
