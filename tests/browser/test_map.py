"""The map of embeddings in a real browser: lasso, selections from Explore, and a photo of one's own."""

from __future__ import annotations

import json

import pandas as pd
from helpers.clicks import data_uri_png, drag, drawn, place
from helpers.drawn_people import save_drawn
from helpers.the_map import box_of_half, chosen, show_profiles

INSIDE = """([left, right, low, high]) => document.querySelector('#map .js-plotly-plot')._fullData.flatMap(t =>
  [...t.meta.positions].filter((_, i) => t.x[i] > left && t.x[i] < right && t.y[i] > low && t.y[i] < high))"""
FOURTH = "(({x, y}) => [x[3], y[3]])(document.querySelector('#map .js-plotly-plot')._fullData[1])"
FIRST = "document.querySelector('#map .js-plotly-plot')?._fullData?.[0]?.x?.[0]"
DROP = """async picture => { const transfer = new DataTransfer(), blob = await (await fetch(picture)).blob();
  transfer.items.add(new File([blob], 'me.png', {type: 'image/png'})); return transfer; }"""


def test_a_hovered_point_is_named_and_shows_its_face(the_map, row_ids):
    page = the_map
    page.wait_for_timeout(1000)  # until what is below the map has come, and moves it no more
    x, y = place(page, "#map", *page.evaluate(FOURTH))
    page.mouse.move(x - 1, y)
    page.mouse.move(x, y)
    page.wait_for_function("document.querySelector('#map .plotly-view-hint img')?.naturalWidth > 0")
    hint = page.locator("#map .plotly-view-hint")
    shown = page.evaluate(
        "(p => p.data.meta.positions[p.pointNumber])(document.querySelector('#map .js-plotly-plot')._hoverdata[0])"
    )
    assert hint.is_visible() and hint.inner_text().startswith("-".join(row_ids[shown].split("-")[:2]))
    assert hint.locator("img").get_attribute("src").endswith(f"-{shown}.jpg")
    page.mouse.move(1, 1)
    hint.wait_for(state="hidden")


def test_the_map_is_saved_with_the_names_of_its_rows(the_map, row_ids):
    with the_map.expect_download() as saved:
        the_map.locator("#map .plotly-view-csv").dispatch_event("click")
    assert saved.value.suggested_filename == "embedding-map.csv"
    assert pd.read_csv(saved.value.path())["row_id"].tolist() == row_ids


def test_lasso_makes_a_selection_with_thumbnails_heat_map_and_csv(the_map, row_ids):
    page = the_map
    left, right, low, high = box_of_half(page)
    inside = {row_ids[position] for position in page.evaluate(INSIDE, [left, right, low, high])}
    assert 10 < len(inside) < 80
    page.locator("#map .modebar-btn[data-val=lasso]").dispatch_event("click")
    corners = [
        place(page, "#map", x, y) for x, y in ((left, low), (right, low), (right, high), (left, high), (left, low))
    ]
    drag(page, corners[0], *corners[1:])
    page.wait_for_function("n => document.querySelector('#lasso-words b')?.innerText === String(n)", arg=len(inside))
    page.wait_for_function("n => document.querySelectorAll('#lasso-grid button').length === n", arg=len(inside))
    assert chosen(page) == inside
    cells = min(len(inside), 60)
    page.wait_for_function(
        "n => document.querySelector('#similarity .js-plotly-plot')?._fullData?.[0]?.z.length === n", arg=cells
    )
    with page.expect_download() as saved:
        page.click("#lasso-csv")
    assert set(pd.read_csv(saved.value.path())["row_id"]) == inside
    page.click("#lasso-clear")
    page.wait_for_selector("#lasso-grid button", state="detached")


def test_embeddings_are_computed_on_request_and_drawn(the_map):
    """The third model has none at first; the desk's visitor computes them, and the phone's, who is later, has them."""
    page = the_map
    before = page.evaluate(FIRST)
    page.locator("#map-model input").click()
    page.get_by_role("option", name="three").click()
    page.wait_for_function(
        f"before => document.querySelector('#compute')?.offsetParent || {FIRST} !== before", arg=before
    )
    if page.locator("#compute").is_visible():
        page.click("#compute")
    page.wait_for_function(f"before => ![null, undefined, before].includes({FIRST})", arg=before)
    page.wait_for_selector("#compute", state="hidden")
    assert (
        page.evaluate("document.querySelector('#map .js-plotly-plot')._fullData.reduce((n, t) => n + t.x.length, 0)")
        == 90
    )
    assert page.locator("#map-status").inner_text().strip() == ""


def test_filtered_rows_of_explore_are_shown_on_the_map(visit):
    page = visit()
    show_profiles(page)
    page.wait_for_function("document.querySelectorAll('#lasso-grid button').length === 30")
    assert all("-profile-" in row_id for row_id in chosen(page))
    drawn(page, "#map")
    page.wait_for_function("document.querySelector('#similarity .js-plotly-plot')?._fullData?.[0]?.z.length === 30")
    page.wait_for_function(
        """document.querySelector('#map .js-plotly-plot')._fullData.every(
            t => t.selectedpoints?.length === (t.name === 'profile' ? 30 : 0)
        )"""
    )


def test_own_photo_dropped_on_the_map_lands_with_its_neighbours(the_map, uploads, tmp_path):
    page, picture = the_map, save_drawn(tmp_path / "me.png", "frontal")
    transfer = page.evaluate_handle(DROP, data_uri_png(picture))
    page.locator("#own-photo button", has_text="Drop a photo").dispatch_event("drop", {"dataTransfer": transfer})
    page.wait_for_function("document.querySelectorAll('#own-neighbours .tile').length === 12")
    page.wait_for_function(
        "document.querySelector('#map .js-plotly-plot')._fullData.some(t => t.name === 'your photo')"
    )
    assert "frontal" in page.inner_text("#own-notice") and not [
        file for file in uploads.rglob("*") if file.is_file() and file.suffix != ".lock"
    ]
    target = json.loads(page.locator("#own-neighbours button").first.get_attribute("data-select"))[1]
    page.locator("#own-neighbours button").first.click()
    page.wait_for_selector("#sample td")
    assert page.locator("#sample td").first.inner_text() == target
