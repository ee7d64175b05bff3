"""How fast the app answers in a real browser: start, filters, the map of embeddings and what is done on it, memory.

    PYTHONPATH=. python tests/benchmarks/in_browser.py --rows 11000 100000

First a start with the bundled people, then one with each made-up dataset, whose rows all have made-up embeddings of
1,000 numbers. Wall clock: whatever else runs on the machine counts. `--keep DIR` keeps the datasets for the next time.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
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

from playwright.sync_api import Page, sync_playwright

from sfpn.network.embedders import load_embedder

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]
from helpers.browsing import FLAGS, chromium  # noqa: E402
from helpers.the_map import FILLED, MAP, draw_outline  # noqa: E402
from made_up import make_embeddings, write  # noqa: E402

MODEL = "base"
REPEATS = 7
EDGE = 0.05  # share of the points that may lie on a box's edges, drawn in whole pixels: a cluster has many in a column
REST_MS = 1500  # until the page is at rest
WATCH = """([gesture, ...looks]) => { window.__took = looks.map(() => null);
  window.addEventListener(gesture, event => looks.map(eval).forEach((look, i) => {
    const again = () => {
      if (look()) window.__took[i] = performance.now() - event.timeStamp; else setTimeout(again, 4); };
    again(); }), {once: true, capture: true}); }"""  # from what the visitor did: the page may hear of it later
POINT = f"""position => {{
  const g = {MAP}, r = g.getBoundingClientRect(), {{xaxis, yaxis}} = g._fullLayout;
  for (const t of g._fullData) {{
    const i = t.meta?.positions?.indexOf(position) ?? -1;
    if (i >= 0) return {{x: r.left + xaxis._offset + xaxis.d2p(t.x[i]), y: r.top + yaxis._offset + yaxis.d2p(t.y[i])}};
  }} }}"""
OUTLINE = f"""([tool, share]) => {{  // corners, in the map's units
  const {{xaxis, yaxis}} = {MAP}._fullLayout, [a, b] = xaxis.range, [c, d] = yaxis.range;
  const left = a + (.02 + share) * (b - a), right = a + .9 * (b - a), low = c + .05 * (d - c), high = c + .95 * (d - c);
  if (tool === 'select') return [[left, low], [left, high], [right, high], [right, low]];
  const turns = [...Array(16).keys()].map(k => k * Math.PI / 8);
  const middle = [(left + right) / 2, (low + high) / 2], half = [(right - left) / 2, (high - low) / 2];
  return turns.map(t => [middle[0] + half[0] * Math.cos(t), middle[1] + half[1] * Math.sin(t)]);
}}"""


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[11_000])
    parser.add_argument("--keep", type=Path, help="where the made-up datasets are kept (default: nowhere)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each gesture")
    args = parser.parse_args()
    print(
        f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n\n"
        "| what | median | best | slowest |\n|---|---|---|---|"
    )
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with served([]) as (address, process, seconds):
            line("bundled people: app start (s)", [seconds])
            line("bundled people: first useful paint (s)", [first_paint(browser, address) for _ in range(args.repeats)])
            tell_memory("bundled people", process.pid)
        for count in args.rows:
            measure(browser, count, made_up(args.keep or Path(folder), count), args.repeats)


def made_up(folder: Path, count: int) -> Path:
    """The dataset of `count` rows with its embeddings, made if it is not there."""
    found = folder / f"rows-{count}"
    if not found.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write(found, count)
        make_embeddings(found, load_embedder(MODEL))
    return found


def measure(browser, count: int, folder: Path, repeats: int) -> None:
    """Serve a dataset, and click."""
    what = f"{count:,} rows"
    with served(["--dataset", str(folder), "--model", MODEL]) as (address, process, seconds):
        line(f"{what}: app start (s)", [seconds])
        tell_memory(f"{what}, started", process.pid)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.wait_for_function("document.querySelector('#examples img')?.naturalWidth > 0")
        first, again = map_draws(page)
        line(f"{what}: the map's tab first opened, the page at rest, until its points are drawn (ms)", first)
        line(f"{what}: another colour, until its points are drawn (ms)", again)
        words, pictures = hovers(page, count, repeats)
        line(f"{what}: pointer on a point, until it is named (ms)", words)
        line(f"{what}: pointer on a point, until its face shows (ms)", pictures)
        for tool, name in (("select", "box"), ("lasso", "lasso")):
            counts, lists = enclosures(page, count, tool, repeats)
            line(f"{what}: a {name} around points, until their count shows (ms)", counts)
            line(f"{what}: a {name} around points, until their faces are listed (ms)", lists)
        samples, neighbours = map_clicks(page, count, repeats)
        line(f"{what}: a click on the map, until the sample shows (ms)", samples)
        line(f"{what}: a click on the map, until its neighbours show (ms)", neighbours)
        line(f"{what}: a filter, until its count shows (ms)", filters(page, count, repeats))
        line(f"{what}: objects of the page (MB)", [heap_megabytes(page)])
        tell_memory(what, process.pid)
        page.close()


def map_draws(page: Page) -> tuple[list[float], list[float]]:
    """Milliseconds until the map is drawn when its tab is opened, and when its colour is changed."""
    drawn = f"() => {MAP}?._fullData?.length && {MAP}.querySelector('canvas') && !{MAP}._replotting"
    tab = page.get_by_role("tab", name="Embeddings", exact=True)
    page.wait_for_timeout(REST_MS)
    first = [timed(page, "click", drawn, tab.click)]
    times = []
    for colour, traces in 2 * (("identity", 40), ("pose", 3)):
        page.wait_for_timeout(REST_MS)
        other = f"() => {MAP}._fullData.length === {traces}"
        choice = page.locator("#map-colour label", has_text=colour).locator("input")
        times.append(timed(page, "click", other, choice.click))
    return first, times


def hovers(page: Page, count: int, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the pointer's arrival until the name and the face of its point show."""
    page.wait_for_timeout(REST_MS)
    hint = "document.querySelector('#map .plotly-view-hint')"
    words, pictures = [], []
    for number in range(repeats):
        page.locator("#map").scroll_into_view_if_needed()
        spot = page.evaluate(POINT, number * (count // 11))
        page.mouse.move(1, 1)
        page.wait_for_timeout(400)
        shown = f"() => {hint}.style.display === 'block'"
        faced = f"() => {hint}.style.display === 'block' && {hint}.querySelector('img').naturalWidth"
        for look, found in ((shown, words), (faced, pictures)):
            page.mouse.move(1, 1)
            page.wait_for_timeout(200)
            found.append(timed(page, "mousemove", look, lambda spot=spot: page.mouse.move(spot["x"], spot["y"])))
    return words, pictures


def enclosures(page: Page, count: int, tool: str, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds from letting go of a box or lasso around many points until their number, and their faces, show."""
    counts, lists = [], []
    for number in range(repeats):
        outline = page.evaluate(OUTLINE, [tool, 0.05 * number])
        inside = len(page.evaluate(FILLED, outline))
        number_shown = "parseInt(document.querySelector('#lasso-words b')?.innerText.replaceAll(',', ''))"
        counted = f"() => Math.abs({number_shown} - {inside}) <= {EDGE * count}"
        listed = "() => document.querySelector('#lasso-grid button')"  # there was none before
        took = all_timed(page, "mouseup", (counted, listed), functools.partial(draw_outline, page, tool, outline))
        counts.append(took[0])
        lists.append(took[1])
        page.wait_for_timeout(REST_MS)
        page.click("#lasso-clear")
        page.wait_for_timeout(REST_MS)
    page.locator("#map .modebar-btn[data-val=pan]").dispatch_event("click")
    return counts, lists


def map_clicks(page: Page, count: int, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the click on a point until its sample shows in Explore, and until its neighbours do."""
    samples, neighbours = [], []
    for number in range(2 * repeats + 1):
        page.get_by_role("tab", name="Embeddings", exact=True).click()
        page.wait_for_timeout(200)
        page.locator("#map").scroll_into_view_if_needed()
        page.wait_for_timeout(REST_MS)
        spot = page.evaluate(POINT, number * (count // 17))
        page.mouse.move(spot["x"] - 1, spot["y"])
        page.mouse.move(spot["x"], spot["y"])
        page.wait_for_timeout(400)
        hovered = page.evaluate(
            f"{MAP}._hoverdata?.map(p => p.data.meta.positions[p.pointNumber])[0] ?? {number * (count // 17)}"
        )
        sample = f"() => document.querySelector('#sample td')?.innerText === 'row {hovered}'"
        alike = f"""() => JSON.parse(document.querySelector('#neighbours button.compare')?.dataset.select
            ?? '[0, 0]')[1] === 'row {hovered}'"""
        look, found = ((sample, samples), (alike, neighbours))[number % 2]
        found.append(timed(page, "click", look, lambda spot=spot: page.mouse.click(spot["x"], spot["y"])))
    return samples[1:], neighbours  # the first waits for the tab that was never open


def first_paint(browser, address: str) -> float:
    """Seconds from going to the address until the example pairs are seen, in a browser that has kept nothing."""
    page = browser.new_context().new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function("document.querySelector('#examples img')?.naturalWidth > 0")
    seconds = time.perf_counter() - start
    page.context.close()
    return seconds


def filters(page: Page, count: int, repeats: int) -> list[float]:
    """Milliseconds of ticking and unticking a pose until the number of chosen images shows."""
    page.get_by_role("tab", name="Explore", exact=True).click()
    page.wait_for_selector("#grid img")
    times = []
    for number in range(2 * repeats):
        some = f"{len(range(2, count, 3)):,}" if number % 2 == 0 else f"{count:,}"
        box = page.locator("#facet-pose label", has_text="profile").locator("input")
        counted = f"() => document.querySelector('#summary b')?.innerText === '{some}'"
        times.append(timed(page, "click", counted, lambda box=box: box.click()))
        page.wait_for_timeout(400)
    return times


def timed(page: Page, gesture: str, look: str, act: Callable[[], object]) -> float:
    """Milliseconds from the gesture that `act` makes until `look` finds what it looks for, inside the page."""
    return all_timed(page, gesture, (look,), act)[0]


def all_timed(page: Page, gesture: str, looks: tuple[str, ...], act: Callable[[], object]) -> list[float]:
    """The same for several looks after one gesture."""
    page.evaluate(WATCH, [gesture, *looks])
    act()
    page.wait_for_function("!window.__took.includes(null)")
    return page.evaluate("window.__took")


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


def tell_memory(what: str, process: int) -> None:
    """Two lines: the memory of the app now, of what it shares its part, and the most that it has held (Linux)."""
    now = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    most = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    line(f"{what}: memory of the app now (MB)", [int(now[1]) / 1024] if now else [])
    line(f"{what}: memory of the app, highest (MB)", [int(most[1]) / 1024] if most else [])


def heap_megabytes(page: Page) -> float:
    """What the page's objects and arrays take once nothing unused is left."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    sizes = session.send("Runtime.getHeapUsage")
    return (sizes["usedSize"] + sizes.get("embedderHeapUsedSize", 0) + sizes.get("backingStorageSize", 0)) / 2**20


def line(what: str, values: list[float]) -> None:
    """One line of the table."""
    print(f"| {what} | {statistics.median(values):.4g} | {min(values):.4g} | {max(values):.4g} |", flush=True)


if __name__ == "__main__":
    main()
