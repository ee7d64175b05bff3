"""The explorer's click paths in a real browser, at two window sizes: nothing fails, nothing leaves the machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, wait_for
from drawn_people import SYNTHETIC
from small_models import center_on, save_random_model

IDENTITIES = 3
SIZES = {"desk": {"width": 1400, "height": 1000}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def explorer(browser, tmp_path_factory) -> str:
    """The address of the app with three drawn people, two random networks, their embeddings and reports."""
    folder = tmp_path_factory.mktemp("explorer")
    models = [str(folder / f"{name}.safetensors") for name in ("one", "two")]
    _few_people(folder / "people")
    for seed, path in enumerate(models):
        save_random_model(folder / path, seed=seed)
        center_on(folder / path, folder / "people")
    run = [sys.executable, "-m", "sfpn", "evaluate", str(folder / "people"), "--protocol", "vggface2-pose", "--rounds", "20"]
    subprocess.run([*run, "--model", *models, "--out", str(folder / "reports")], cwd=ROOT, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    reports = [str(folder / "reports" / name) for name in ("one", "two")]
    command = [sys.executable, "app.py", "--model", *models, "--dataset", str(folder / "people"), "--report", *reports, "--port", str(port)]
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"GRADIO_TEMP_DIR": str(folder / "uploads")})
    try:
        wait_for(f"http://127.0.0.1:{port}/", app, folder / "log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        app.terminate()
        app.wait(timeout=30)


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
    context = browser.new_context(viewport=SIZES[request.param])
    context.set_default_timeout(60_000)
    outside, failures = [], []

    def visit(query: str = ""):
        page = context.new_page()
        page.on("request", lambda r: None if r.url.startswith((explorer, "data:", "blob:")) else outside.append(r.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
        page.goto(explorer + query)
        page.wait_for_selector("#tabs [role=tab]")
        return page

    yield visit
    found = list(failures)  # closing aborts what is under way
    context.close()
    assert outside == [] and found == []


def open_tab(page, name: str) -> None:
    """Select a tab, through the menu where the window is too narrow for all of them."""
    page.wait_for_timeout(500)  # the bar of tabs is laid out after it appears
    tab = page.locator("#tabs").get_by_role("tab", name=name, exact=True)
    if tab.count() == 0 or not tab.first.is_visible():
        page.locator("#tabs .overflow-menu > button").first.click()
        tab = page.locator("#tabs .overflow-dropdown button", has_text=name)
    tab.first.click()


def click_heat_map(page, selector: str, column: int, row: int, columns: int, rows: int) -> None:
    """Click a cell of a Plotly heat map."""
    area = page.locator(f"{selector} .nsewdrag").first
    area.wait_for()
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    x, y = box["x"] + box["width"] * (column + 0.5) / columns, box["y"] + box["height"] * (row + 0.5) / rows
    page.mouse.move(x - 2, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)


def test_from_a_bad_cell_to_its_pair_and_its_neighbours(visit):
    """Pose errors -> F-P cell -> hardest genuine pair -> Verify -> the sample's neighbours."""
    page = visit()
    open_tab(page, "Pose errors")
    page.wait_for_selector("#matrix .heatmaplayer image", state="attached")
    click_heat_map(page, "#matrix", 2, 1, 3, 3)
    page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('3/4-P')")
    click_heat_map(page, "#matrix", 2, 0, 3, 3)
    page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('F-P')")
    page.wait_for_function("location.search.includes('cell=frontal,profile')")
    button = page.locator('#hardest-genuine button[data-select*="-frontal-"]').first
    pair = json.loads(button.get_attribute("data-select"))
    button.click()
    page.wait_for_selector("#input-a, #photos-a svg", state="attached")
    page.wait_for_function("location.search.includes('pair=')")
    assert unquote(page.url).endswith("?pair=" + ",".join(pair))
    page = visit(f"?sample={pair[0]}")
    page.wait_for_selector("#neighbours button.compare")
    assert page.locator("#neighbours .tile").count() == 12


def test_a_cell_and_the_threshold_by_keyboard(visit):
    page = visit("?cell=profile,profile&model=two")
    page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('P-P')")
    assert "two" in page.input_value("#report input")
    page.wait_for_selector("#cell-rates b")
    before = page.inner_text("#cell-rates")
    page.locator("#cell-threshold input[type=range]").focus()
    page.keyboard.press("Home")
    page.wait_for_function("before => document.querySelector('#cell-rates').innerText !== before", arg=before)


def test_two_reports_side_by_side(visit):
    page = visit()
    open_tab(page, "Pose errors")
    page.locator("#other-report input").click()
    page.get_by_role("option", name="two", exact=False).first.click()
    page.wait_for_selector("#difference .scatterlayer path", state="attached")
    assert "paired" in page.inner_text("#difference-reading")


def test_filter_page_and_sample(visit):
    page = visit()
    open_tab(page, "Explore")
    page.wait_for_selector("#grid img")
    page.get_by_label("profile (30)").check()
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '30'")
    tile = page.locator("#grid button").nth(4)
    _, row_id = json.loads(tile.get_attribute("data-select"))
    assert "profile" in row_id
    tile.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#sample svg")
    assert page.locator("#sample td").first.inner_text() == row_id
    page.wait_for_function("location.search.includes('sample=')")
    page.click("#clear")
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '90'")
    page.click("#next")
    page.wait_for_function("document.querySelector('#page')?.innerText.includes('page 2')")


def test_yaw_bar_and_identity_cell_filter(visit):
    page = visit()
    open_tab(page, "Explore")
    page.wait_for_selector("#identity-table .heatmaplayer image", state="attached")
    click_heat_map(page, "#identity-table", 1, 2, IDENTITIES, 3)
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '10'")
    page.click("#clear")
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '90'")
    page.locator("#yaw-histogram .bars path").first.scroll_into_view_if_needed()
    box = page.locator("#yaw-histogram .bars path").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 - 1)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("+document.querySelector('#summary b')?.innerText < 90")


def test_export_saves_the_selection(visit):
    page = visit()
    open_tab(page, "Explore")
    page.wait_for_selector("#grid img")
    with page.expect_download() as saved:
        page.click("#export")
    text = saved.value.path().read_text()
    assert text.startswith("row_id,identity,pose") and text.count("\n") == 91


def test_map_point_opens_its_sample_and_a_cell_its_pair(visit):
    page = visit()
    open_tab(page, "Embeddings")
    page.wait_for_selector("#map .points path", state="attached")
    page.locator("#map").scroll_into_view_if_needed()
    spot = page.evaluate(
        """() => { const g = document.querySelector('#map .js-plotly-plot'), l = g._fullLayout, t = g._fullData[2], r = g.getBoundingClientRect();
        const i = t.y.indexOf(Math.max(...t.y)); return {id: t.customdata[i], x: r.left + l.xaxis._offset + l.xaxis.d2p(t.x[i]), y: r.top + l.yaxis._offset + l.yaxis.d2p(t.y[i])}; }"""
    )
    page.mouse.move(spot["x"] - 1, spot["y"])
    page.mouse.move(spot["x"], spot["y"])
    page.mouse.click(spot["x"], spot["y"])
    page.wait_for_selector("#sample td")
    assert "profile" in page.locator("#sample td").first.inner_text()
    open_tab(page, "Embeddings")
    page.wait_for_selector("#similarity .heatmaplayer image", state="attached")
    click_heat_map(page, "#similarity", 3, 20, 36, 36)
    page.wait_for_function("location.search.includes('pair=')")


@pytest.mark.parametrize("kind", ["png", "svg", "csv"])
def test_every_figure_can_be_saved(visit, kind):
    page = visit()
    open_tab(page, "Pose errors")
    page.wait_for_selector("#matrix .heatmaplayer image", state="attached")
    with page.expect_download() as saved:
        page.locator(f"#matrix .plotly-view-{kind}").click()
    assert saved.value.suggested_filename == f"pose-matrix.{kind}" and saved.value.path().stat().st_size > 300


def test_model_card_and_speed(visit):
    page = visit()
    open_tab(page, "Model")
    page.wait_for_selector("#card-layers tbody tr")
    assert "694,056" in page.inner_text("#card-layers")
    page.click("#measure")
    page.wait_for_selector("#speed b")
    assert "ms" in page.inner_text("#speed")
