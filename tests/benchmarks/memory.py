"""What memory the app holds from its start through the use of every tab, and what it computes when nobody asks.

    PYTHONPATH=. python tests/benchmarks/memory.py              # about six minutes
    PYTHONPATH=. python tests/benchmarks/memory.py --imports    # what each library takes, in a process of its own

A visitor in Chromium uses one page: two phone photos of 12 megapixels under each model, filters and a sample, both maps
and neighbours, a cell with its pairs, cards, the tab On your device. Nothing is kept from earlier runs: maps and the
browser's networks are made anew. Resident memory of the app's process (Linux): what is its own, and pages of files,
libraries most of all, which other processes may share. Maps by t-SNE and the export of networks have processes of
their own, which are not counted. Further options are the app's. Start it on an idle computer.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]
from helpers.browsing import FLAGS, chromium  # noqa: E402
from helpers.clicks import click_heat_map, drawn, open_tab, place  # noqa: E402
from in_browser import served  # noqa: E402
from load import processor_seconds  # noqa: E402

from demo.examples import load_examples  # noqa: E402
from demo.on_device.runtime import cache_folder, is_fetched, runtime_folder  # noqa: E402

PHONE = (3000, 4000)  # px
SETTLE_MS = 6000  # the app gives memory back every five seconds
LOOK_MS = 2000  # that the visitor looks at an answer
REST_SECONDS, IDLE_SECONDS = 180, 60
FIELDS = ("VmRSS", "RssAnon", "RssFile", "VmHWM")
IMPORTS = (
    *("numpy", "PIL.Image", "pandas", "pyarrow.parquet", "torch", "onnxruntime", "safetensors.torch", "gradio"),
    *("plotly.graph_objects", "scipy.special", "scipy.ndimage", "sklearn.manifold", "onnx", "app"),
)
COUNT = """import importlib, re, sys
def held(): return [int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
    for name in ("VmRSS", "RssAnon")]
before = held()
print(f"| Python | {before[0]} | | |")
for name in sys.argv[1:]:
    importlib.import_module(name)
    now = held()
    print(f"| {name} | {now[0]} | {now[0] - before[0]:+} | {now[1] - before[1]:+} |", flush=True)
    before = now"""


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", action="store_true", help="only what each library takes when it is imported")
    parser.add_argument("--rest", type=int, default=REST_SECONDS, help="seconds of rest at the end (default: 180)")
    parser.add_argument("--only", nargs="+", default=[""], help="only the steps in whose names one of these words is")
    args, options = parser.parse_known_args()
    if args.imports:
        print(
            "| imported, one after the other | resident MB | more by | of it its own |\n|---|---|---|---|", flush=True
        )
        subprocess.run([sys.executable, "-c", COUNT, *IMPORTS], cwd=ROOT, check=True)
        return
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        photos = prepare(Path(name))
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with served(options) as (address, process, seconds):
            print("| after | resident MB | its own | of files | highest meanwhile | processor s, all in all |")
            print("|---|---|---|---|---|---|", flush=True)
            tell(f"the start ({seconds:.0f} s)", process.pid)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(address)
            use(page, photos, process.pid, args.only)
            rest(process.pid, args.rest)
        browser.close()


def prepare(folder: Path) -> list[Path]:
    """Two photos as of a phone; temporary and cache folders of this run alone, with the fetched runtime."""
    if is_fetched(cache_folder()):
        shutil.copytree(runtime_folder(cache_folder()), runtime_folder(folder / "cache" / cache_folder().name))
    else:
        print("the tab On your device stays empty: run python -m demo.on_device fetch\n")
    (folder / "tmp").mkdir()
    os.environ |= {"TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder / "cache")}
    photos = [folder / "a.jpg", folder / "b.jpg"]
    example = load_examples()[0]
    for photo, picture in zip(photos, (example.first[0], example.second[0]), strict=True):
        picture.decode().resize(PHONE, Image.Resampling.BICUBIC).save(photo, quality=92)
    return photos


def use(page: Page, photos: list[Path], process: int, only: list[str]) -> None:
    """Use every tab, and tell what the app holds after each."""
    page.set_default_timeout(600_000)
    page.wait_for_function("document.querySelector('#examples img')?.naturalWidth > 0")
    steps: dict[str, Callable[[], None]] = {
        "the first page, an example compared": lambda: compare_example(page),
        "Verify: two phone photos, each model": lambda: compare_photos(page, photos),
        "Verify: why, and a turned face": lambda: explain(page),
        "Explore: filters, samples": lambda: explore(page),
        "Embeddings: PCA, neighbours, a photo of one's own": lambda: see_map(page, photos[0]),
        "Embeddings: t-SNE, each model": lambda: see_slow_map(page),
        "Pose errors: cells, hardest pairs, error map, two reports": lambda: see_errors(page),
        "Model: cards, speed": lambda: see_model(page),
        "On your device": lambda: see_on_device(page),
    }
    for words, step in steps.items():
        if not any(word in words for word in only):
            continue
        step()
        page.wait_for_timeout(SETTLE_MS)
        tell(words, process)


def rest(process: int, seconds: int) -> None:
    """What is held after so long without a click, and what is computed meanwhile."""
    time.sleep(seconds)
    tell(f"{seconds} s of rest, the page still open", process)
    before = processor_seconds(process)
    time.sleep(IDLE_SECONDS)
    print(f"\n{processor_seconds(process) - before:.2f} s of processor in {IDLE_SECONDS} s of rest")


def compare_example(page: Page) -> None:
    """The first example pair."""
    page.click("#examples button >> nth=0")
    page.wait_for_selector("#verdict h2")


def compare_photos(page: Page, photos: list[Path]) -> None:
    """Two photos in place of the example, under each model."""
    for side, photo in zip("ab", photos, strict=True):
        if page.locator(f"#photos-{side} svg").count():
            page.click(f"#clear-{side}")
            page.wait_for_selector(f"#photos-{side} svg", state="detached")
        page.set_input_files(f"#input-{side} input[type=file]", photo)
        page.wait_for_selector(f"#photos-{side} svg .face")
    page.wait_for_selector("#verdict h2")
    for number in (1, 0):
        choose(page, "#model", number)
        page.wait_for_timeout(LOOK_MS)


def choose(page: Page, selector: str, number: int) -> None:
    """The n-th entry of a list."""
    page.locator(f"{selector} input").click()
    page.get_by_role("option").nth(number).click()


def explain(page: Page) -> None:
    """Both fold-outs below the verdict."""
    for name in ("why", "lost"):
        page.locator(f"#{name} button").first.click()
        page.click(f"#{name}-start")
        page.wait_for_selector(f"#{name}-faces img")


def explore(page: Page) -> None:
    """Poses ticked and unticked, a page of thumbnails, samples."""
    open_tab(page, "Explore")
    page.wait_for_selector("#grid img")
    for number in (0, 1, 2, 0, 1, 2):
        page.locator("#facet-pose input").nth(number).click()
        page.wait_for_timeout(500)
    for number in range(3):
        page.click("#next")
        page.wait_for_timeout(500)
        page.locator("#grid button").nth(number).click()
        page.wait_for_selector("#sample svg")
        page.wait_for_timeout(500)


def see_map(page: Page, photo: Path) -> None:
    """Colours, a photo of one's own, and a point that opens its sample with its neighbours."""
    open_tab(page, "Embeddings")
    drawn(page, "#map")
    for colour in ("identity", "error", "pose"):
        page.locator("#map-colour label", has_text=colour).locator("input").click()
        page.wait_for_timeout(LOOK_MS)
    page.set_input_files("#own-photo input[type=file]", photo)
    page.wait_for_selector("#own-neighbours .tile, #own-neighbours button")
    x, y = page.evaluate("(({x, y}) => [x[0], y[0]])(document.querySelector('#map .js-plotly-plot')._fullData[0])")
    spot = place(page, "#map", x, y)
    page.mouse.move(spot[0] - 1, spot[1])
    page.mouse.move(*spot)
    page.mouse.click(*spot)
    page.wait_for_selector("#neighbours button.compare")


def see_slow_map(page: Page) -> None:
    """t-SNE, of each model."""
    open_tab(page, "Embeddings")
    page.locator("#map-method label", has_text="t-SNE").locator("input").click()
    for number in (1, 0):
        page.wait_for_timeout(LOOK_MS)
        page.wait_for_function("!document.querySelector('#map-status progress')")
        choose(page, "#map-model", number)
    page.wait_for_timeout(LOOK_MS)
    page.wait_for_function("!document.querySelector('#map-status progress')")


def see_errors(page: Page) -> None:
    """Cells, both kinds of hardest pairs with why, a cell of the error map, another report beside it."""
    open_tab(page, "Pose errors")
    drawn(page, "#matrix")
    for column, row in ((2, 1), (2, 0)):
        click_heat_map(page, "#matrix", column, row, 3, 3)
        page.wait_for_timeout(LOOK_MS)
    page.locator("#hardest-genuine .why").first.click()
    page.wait_for_selector("#hardest-genuine-why .why-scale")
    drawn(page, "#error-map")
    for number in (1, 0):
        choose(page, "#report", number)
        page.wait_for_timeout(LOOK_MS)
    spot = place(page, "#error-map", 0, 0)
    page.mouse.move(spot[0] - 2, spot[1])
    page.mouse.click(*spot)
    page.wait_for_timeout(LOOK_MS)
    choose(page, "#other-report", 1)


def see_model(page: Page) -> None:
    """The card and the speed of each model."""
    open_tab(page, "Model")
    for number in (1, 0):
        choose(page, "#card-model", number)
        page.wait_for_timeout(LOOK_MS)
        page.click("#measure")
        page.wait_for_selector("#speed b")


def see_on_device(page: Page) -> None:
    """Until the browser can verify by itself, where its runtime was fetched."""
    open_tab(page, "On your device")
    ready = ".on-device .examples button" if is_fetched(cache_folder()) else ".on-device code"
    page.wait_for_selector(ready)


def tell(words: str, process: int) -> None:
    """One line of the table."""
    status = Path(f"/proc/{process}/status").read_text()
    found = {name: re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE) for name in FIELDS}
    numbers = " | ".join(f"{int(kilobytes[1]) / 1024:.0f}" for kilobytes in found.values() if kilobytes)
    print(f"| {words} | {numbers} | {processor_seconds(process):.1f} |", flush=True)
    Path(f"/proc/{process}/clear_refs").write_text("5")  # the highest counts from here on


if __name__ == "__main__":
    main()
