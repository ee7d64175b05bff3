"""The real app as a process of its own, and a real browser; skipped where Chromium or Playwright is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browsing import FLAGS, IDENTITIES, SIZES, chromium, served, visitor
from helpers.clicks import drawn, open_tab
from helpers.drawn_people import write_people
from helpers.paths import ROOT
from helpers.small_models import center_on, save_random_model

from sfpn.data.dataset import FaceDataset


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
    """The address of the app with three drawn people and three random networks, two with embeddings and reports."""
    folder = explorer_folder
    models = [str(folder / f"{name}.safetensors") for name in ("one", "two", "three")]
    write_people(folder / "people", IDENTITIES)
    for seed, path in enumerate(models):
        save_random_model(Path(path), seed=seed, title=Path(path).stem)
        center_on(Path(path), folder / "people")
    evaluate = f"{sys.executable} -m sfpn evaluate --protocol vggface2-pose --rounds 20".split()
    evaluate += [str(folder / "people"), "--out", str(folder / "reports"), "--model", *models[:2]]
    subprocess.run(evaluate, cwd=ROOT, check=True, capture_output=True)
    reports = [str(folder / "reports" / name) for name in ("one", "two")]
    options = ["--model", *models, "--dataset", str(folder / "people"), "--report", *reports]
    with served(folder, options, uploads) as address:
        yield address


@pytest.fixture(params=SIZES)
def visit(request, browser, explorer):
    """visit(query) opens a page of a desk's or a phone's size, which must have no error and no outside request."""
    with visitor(browser, explorer, SIZES[request.param]) as visit:
        yield visit


@pytest.fixture
def the_map(visit):
    """A page whose map of embeddings is drawn."""
    page = visit()
    open_tab(page, "Embeddings")
    drawn(page, "#map")
    return page


@pytest.fixture(scope="session")
def row_ids(explorer_folder) -> list[str]:
    """Those of the people, by the position that a point of the map has."""
    return FaceDataset.open(explorer_folder / "people").rows()["row_id"].tolist()
