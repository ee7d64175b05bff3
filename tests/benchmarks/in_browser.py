"""How fast the app answers in a real browser: start, first useful paint, clicks on the map, filters, and its memory.

    PYTHONPATH=. python tests/benchmarks/in_browser.py --rows 11000 100000

First a start with the bundled people, then one with each made-up dataset; embeddings of up to 11,000 rows are made up
for the map. Wall clock: whatever else runs on the machine counts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, provenance
from sfpn.data.embeddings import Embeddings
from sfpn.network.embedders import load_embedder

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]
from explorer import write  # noqa: E402
from helpers.browsing import FLAGS, chromium  # noqa: E402

MODEL, SIZE = "base", 1000
MAPPED = 11_000  # rows up to which there are embeddings
REPEATS = 7
WATCH = """([selector, words]) => { window.__took = null;
  window.addEventListener('click', () => { const start = performance.now();
    const look = () => {
      if (document.querySelector(selector)?.innerText.includes(words)) window.__took = performance.now() - start;
      else setTimeout(look, 5);
    };
    look(); }, {once: true, capture: true}); }"""
POINT = """i => {
  const g = document.querySelector('#map .js-plotly-plot'), r = g.getBoundingClientRect();
  const {xaxis, yaxis} = g._fullLayout, t = g._fullData[0];
  const x = r.left + xaxis._offset + xaxis.d2p(t.x[i]), y = r.top + yaxis._offset + yaxis.d2p(t.y[i]);
  return {id: t.customdata[i], x, y}; }"""


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[11_000])
    args = parser.parse_args()
    print(
        f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n\n"
        "| what | median | best | slowest |\n|---|---|---|---|"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with served([]) as (address, process, seconds):
            line("bundled people: app start (s)", [seconds])
            line("bundled people: first useful paint (s)", [first_paint(browser, address) for _ in range(REPEATS)])
        for count in args.rows:
            with tempfile.TemporaryDirectory() as folder:
                measure(browser, count, Path(folder) / "data")


def measure(browser, count: int, folder: Path) -> None:
    """Write a dataset of `count` rows, serve it, and click."""
    write(folder, count)
    if count <= MAPPED:
        make_embeddings(folder)
    with served(["--dataset", str(folder), "--model", MODEL]) as (address, process, seconds):
        line(f"{count:,} rows: app start (s)", [seconds])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address)
        line(f"{count:,} rows: a filter, until its count shows (ms)", filters(page, count))
        if count <= MAPPED:
            line(f"{count:,} rows: a click on the map, until the sample shows (ms)", map_clicks(page))
        line(f"{count:,} rows: memory of the app, highest (MB)", [peak_megabytes(process.pid)])
        page.close()


def first_paint(browser, address: str) -> float:
    """Seconds from going to the address until the example pairs are seen, in a browser that has kept nothing."""
    page = browser.new_context().new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function("document.querySelector('#examples img')?.naturalWidth > 0")
    seconds = time.perf_counter() - start
    page.context.close()
    return seconds


def filters(page: Page, count: int) -> list[float]:
    """Milliseconds of ticking and unticking a pose until the number of chosen images shows."""
    page.get_by_role("tab", name="Explore", exact=True).click()
    page.wait_for_selector("#grid img")
    times = []
    for number in range(2 * REPEATS):
        some = f"{len(range(2, count, 3)):,}" if number % 2 == 0 else f"{count:,}"
        box = page.locator("#facet-pose label", has_text="profile").locator("input")
        times.append(timed(page, "#summary b", some, lambda box=box: box.click()))
        page.wait_for_timeout(400)
    return times


def map_clicks(page: Page) -> list[float]:
    """Milliseconds from the click on a point until its sample shows in Explore."""
    times = []
    for number in range(REPEATS + 1):
        page.get_by_role("tab", name="Embeddings", exact=True).click()
        page.wait_for_function("document.querySelector('#map .js-plotly-plot')?._fullData?.length > 0")
        page.locator("#map").scroll_into_view_if_needed()
        page.wait_for_timeout(2500)  # the page is at rest
        spot = page.evaluate(POINT, number * 97)
        page.mouse.move(spot["x"] - 1, spot["y"])
        page.mouse.move(spot["x"], spot["y"])
        page.wait_for_timeout(400)
        hovered = (
            page.evaluate("document.querySelector('#map .js-plotly-plot')._hoverdata?.[0]?.customdata") or spot["id"]
        )
        times.append(timed(page, "#sample td", hovered, lambda spot=spot: page.mouse.click(spot["x"], spot["y"])))
    return times[1:]  # the first waits for the tab that was never open


def timed(page: Page, selector: str, words: str, act: Callable[[], None]) -> float:
    """Milliseconds from the click that `act` makes until the words are there, measured inside the page."""
    page.evaluate(WATCH, [selector, words])
    act()
    page.wait_for_function("window.__took !== null")
    return page.evaluate("window.__took")


def make_embeddings(folder: Path) -> None:
    """Made-up embeddings where the app looks for those of the model."""
    dataset, embedder = FaceDataset.open(folder), load_embedder(MODEL)
    row_ids = np.sort(dataset.rows()["row_id"].to_numpy(object))
    values = np.random.default_rng(0).normal(size=(len(row_ids), SIZE)).astype(np.float32)
    Embeddings(row_ids, values, np.ones(len(row_ids), bool), provenance(dataset, embedder)).save(
        cache_file(dataset, embedder)
    )


@contextlib.contextmanager
def served(options: list[str]) -> Iterator[tuple[str, subprocess.Popen, float]]:
    """(address, process, seconds until it answered) of the app."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py", *options, "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        while not answers(address):
            if process.poll() is not None:
                sys.exit("the app did not start")
            time.sleep(0.05)
        yield address, process, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    """Whether the page is served."""
    try:
        with urllib.request.urlopen(address) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def peak_megabytes(process: int) -> float:
    """The most memory that a process has held (Linux)."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())[1]) / 1024


def line(what: str, values: list[float]) -> None:
    """One line of the table."""
    print(f"| {what} | {statistics.median(values):.4g} | {min(values):.4g} | {max(values):.4g} |", flush=True)


if __name__ == "__main__":
    main()
