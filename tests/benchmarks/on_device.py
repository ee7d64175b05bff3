"""The tab On your device measured: time to ready and to a verdict, bytes, memory; and how equal it is to Python.

    python -m demo.on_device fetch
    PYTHONPATH=. python tests/benchmarks/on_device.py
    PYTHONPATH=. python tests/benchmarks/on_device.py --equal --drawn 40 --cfp 100   # the table of differences, slowly
    PYTHONPATH=. python tests/benchmarks/on_device.py --live      # frames a second before a made-up camera, alone
    PYTHONPATH=. python tests/benchmarks/on_device.py --large     # memory for two photos of 12 megapixels, alone

Two drawn faces at 640 px, one thread, the app on this computer. Wall clock: whatever else runs on the machine counts.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]
from helpers.browsing import FLAGS, chromium, served  # noqa: E402
from helpers.camera import camera_flags  # noqa: E402
from helpers.on_device import LOAD, awkward_photos, cfp_photos, differences, drawn_photos, static_page, table  # noqa: E402
from helpers.shared_material import CFP  # noqa: E402

from demo.on_device.runtime import cache_folder, is_fetched  # noqa: E402
from sfpn.photos.photo import decode_photo  # noqa: E402

SIDE = 640  # px
LARGE = (4032, 3024)  # px
REPEATS = 9
WATCHED = 20  # seconds of the live view, in which the drawn head looks in each direction twice
VERDICT = """() => { window.began = performance.now(); window.took = null;
  const look = () => document.querySelector('.on-device .verdict:not(.waiting)')
    ? window.took = performance.now() - began : setTimeout(look, 2);
  look(); }"""
FRAMES = """seconds => new Promise(resolve => {
  const chart = document.querySelector('.od-gauge'), at = [];
  const observer = new MutationObserver(() => at.push(performance.now()));
  observer.observe(chart, { childList: true });
  setTimeout(() => { observer.disconnect(); resolve(at); }, 1000 * seconds);
})"""


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equal", action="store_true", help="only the comparison with Python, face by face")
    parser.add_argument("--drawn", type=int, default=40, metavar="N", help="drawn faces to compare (default: 40)")
    parser.add_argument("--cfp", type=int, default=100, metavar="N", help="photos of CFP to compare (default: 100)")
    parser.add_argument("--model", default="depthwise", help="default: depthwise")
    parser.add_argument("--live", action="store_true", help="only the frames a second of the live view")
    parser.add_argument("--large", action="store_true", help="only the memory for two photos of 12 megapixels")
    args = parser.parse_args()
    if not is_fetched(cache_folder()):
        sys.exit("run: python -m demo.on_device fetch")
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    if args.live:
        return live(args.model)
    if args.large:
        return large(args.model)
    if args.equal:
        return print(equality(args.drawn, args.cfp))
    speed_and_size(args.model)


def speed_and_size(model: str) -> None:
    """Of the app's page, in fresh browsers."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        print("| what | median | best | slowest |\n|---|---|---|---|")
        with served(folder, ["--model", model], folder) as address:
            visit(browser, address, folder)  # the app exports the networks
            seconds, sizes, verdicts, memory, processor = zip(
                *(visit(browser, address, folder) for _ in range(3)), strict=True
            )
        line("tab opened to ready (s)", seconds, 2)
        line("transferred, page and tab (MB)", sizes, 2)
        line("two photos given to verdict (ms)", [each for some in verdicts for each in some], 0)
        line("processor time of the tab's process for such a verdict (ms)", processor, 0)
        line("memory of the tab's process afterwards (MB)", memory, 0)


def live(model: str) -> None:
    """Frames a second with a template enrolled, so that every frame is also embedded and judged."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        flags = [*FLAGS, *camera_flags(folder / "camera.mjpeg")]
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        with static_page(folder / "page", cache_folder(), [model]) as address:
            page = browser.new_context(permissions=["camera"], bypass_csp=True).new_page()
            page.set_default_timeout(180_000)
            page.goto(address)
            page.wait_for_selector(".od-ready")
            page.locator(".od-live summary").click()
            page.locator("#od-enrol").click()
            page.wait_for_function("document.querySelectorAll('.od-bins .full').length === 5")
            before = renderer(browser)[1]
            at = page.evaluate(FRAMES, WATCHED)
            spent = (renderer(browser)[1] - before) / len(at)
        browser.close()
    gaps = [after - before for before, after in zip(at, at[1:], strict=False)]
    print("| what | median | best | slowest |\n|---|---|---|---|")
    line("ms from frame to frame", gaps, 0)
    print(f"\n{1000 * len(gaps) / sum(gaps):.1f} frames a second, {spent:.0f} ms of processor time each")


def large(model: str) -> None:
    """Memory of the tab's process, before, at most and after, while two photos as a phone takes them are compared."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with served(folder, ["--model", model], folder) as address:
            page = opened(browser.new_context(), address)
            verdict(page, folder)
            before, _, process = renderer(browser)
            with ThreadPoolExecutor(1) as watcher:
                done = threading.Event()
                most = watcher.submit(highest, process, done)
                verdict(page, folder, LARGE)
                done.set()
            after = renderer(browser)[0]
        browser.close()
    print("| | MB |\n|---|---|")
    for what, value in (("before", before), ("at most", most.result()), ("afterwards", after)):
        print(f"| {what} | {value:.0f} |")


def highest(process: int, done: threading.Event) -> float:
    """The most memory in MB (PSS) that a process has until `done`."""
    most = 0.0
    while not done.wait(0.02):
        most = max(most, memory_of(process))
    return most


def opened(context, address: str) -> Page:
    """The app's page with the tab open and ready."""
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector("#tabs [role=tab]")
    page.get_by_role("tab", name="On your device", exact=True).click()
    page.wait_for_selector(".od-ready")
    return page


def visit(browser, address: str, folder: Path) -> tuple[float, float, list[float], float, float]:
    """(seconds to ready, MB transferred, ms of each verdict, MB of memory, ms of processor) of a fresh browser."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    received = [0.0]
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.goto(address)
    page.wait_for_selector("#tabs [role=tab]")
    start = time.perf_counter()
    page.get_by_role("tab", name="On your device", exact=True).click()
    page.wait_for_selector(".od-ready")
    seconds = time.perf_counter() - start
    told = re.search(r"([\d.]+) MB", page.locator(".od-ready").inner_text())
    loaded = float(told[1]) if told else 0.0  # by the worker
    verdict(page, folder)  # the first compiles
    before = renderer(browser)[1]
    verdicts = [verdict(page, folder) for _ in range(REPEATS)]
    memory, after, _ = renderer(browser)
    context.close()
    return seconds, sum(received) / 1e6 + loaded, verdicts, memory, (after - before) / REPEATS


def verdict(page: Page, folder: Path, size: tuple[int, int] = (SIDE, SIDE)) -> float:
    """Milliseconds from handing over two photos until the decision stands on the page."""
    files = []
    for name, encoded in drawn_photos(2):
        files.append(folder / f"{name}.jpg")
        photo = decode_photo(encoded, name).image.resize(size, Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        photo.save(buffer, "JPEG", quality=95)
        files[-1].write_bytes(buffer.getvalue())
    for button in page.locator(".od-side").get_by_role("button", name="Clear").all():
        button.click()
    page.wait_for_selector(".on-device .verdict.waiting")
    page.evaluate(VERDICT)
    for side, file in zip(page.locator(".od-side input[type=file]").all(), files, strict=True):
        side.set_input_files(file)
    page.wait_for_function("window.took !== null")
    return page.evaluate("window.took")


def renderer(browser) -> tuple[float, float, int]:
    """Of the largest renderer: its share of memory in MB, its processor time in ms so far, and its number (Linux)."""
    session = browser.new_browser_cdp_session()
    found = [(0.0, 0.0, 0)]
    for process in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        folder = Path(f"/proc/{process['id']}")
        if process["type"] == "renderer" and folder.exists():
            ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]  # utime, stime
            milliseconds = 1000 * sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            found.append((memory_of(process["id"]), milliseconds, process["id"]))
    session.detach()
    return max(found)


def memory_of(process: int) -> float:
    """Its share of memory in MB (PSS)."""
    memory = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), flags=re.M)
    return int(memory[1]) / 1024 if memory else 0.0


def equality(drawn: int, cfp: int) -> str:
    """The table of differences."""
    rows = {"drawn faces": drawn_photos(drawn), "awkward photos": awkward_photos()}
    if CFP.is_dir():
        rows["photos of CFP"] = cfp_photos(cfp)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with static_page(Path(name) / "page", cache_folder()) as address:
            page = browser.new_page()
            page.set_default_timeout(120_000)
            page.goto(address)
            page.evaluate(LOAD)
            found = {what: differences(page, photos) for what, photos in rows.items()}
        browser.close()
    return table(found)


def line(what: str, values: list[float] | tuple[float, ...], digits: int) -> None:
    """One row."""
    numbers = " | ".join(f"{each:.{digits}f}" for each in (statistics.median(values), min(values), max(values)))
    print(f"| {what} | {numbers} |")


if __name__ == "__main__":
    main()
