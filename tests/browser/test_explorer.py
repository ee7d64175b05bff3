"""The explorer's click paths in a real browser, at two window sizes: nothing fails, nothing leaves the machine."""

from __future__ import annotations

import json
from urllib.parse import unquote

from helpers.browsing import IDENTITIES
from helpers.clicks import click_heat_map, drawn, open_tab, place


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
    highest = page.evaluate(
        """() => {
            const {x, y} = document.querySelector('#map .js-plotly-plot')._fullData[2], i = y.indexOf(Math.max(...y));
            return [x[i], y[i]];
        }"""
    )
    x, y = place(page, "#map", *highest)
    page.mouse.move(x - 1, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    page.wait_for_selector("#sample td")
    assert "profile" in page.locator("#sample td").first.inner_text()
    open_tab(page, "Embeddings")
    page.wait_for_selector("#similarity .heatmaplayer image", state="attached")
    click_heat_map(page, "#similarity", 3, 20, 36, 36)
    page.wait_for_function("location.search.includes('pair=')")


def test_model_card_and_speed(visit):
    page = visit()
    open_tab(page, "Model")
    page.wait_for_selector("#card-layers tbody tr")
    assert "694,056" in page.inner_text("#card-layers")
    page.click("#measure")
    page.wait_for_selector("#speed b")
    assert "ms" in page.inner_text("#speed")


def test_no_tab_is_wider_than_the_window_and_terms_are_explained(visit):
    page = visit()
    ready = {"Explore": "#grid img", "Embeddings": "#map svg", "Pose errors": "#matrix svg", "Model": "#card-points td"}
    for tab, selector in ready.items():
        open_tab(page, tab)
        page.wait_for_selector(selector, state="attached")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), tab
    open_tab(page, "Pose errors")
    page.wait_for_function("document.querySelector('#metric [data-testid=block-info]').title.length > 0")
    assert "strangers" in page.locator("#metric label", has_text="EER").locator("span").get_attribute("title")


def test_many_templates_are_searched_while_typing(page):
    open_tab(page, "Explore")
    page.wait_for_selector("#grid img")
    box = page.locator("#facet-template input")
    box.click()
    box.press_sequentially("0007-pro", delay=60)
    page.wait_for_function("document.querySelectorAll('[role=option]').length === 2")
    assert page.locator("[role=option]").all_inner_texts() == ["syn-0007-profile-a (5)", "syn-0007-profile-b (5)"]
    page.locator("[role=option]").first.click()
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '5'")
    assert page.failures == []


def test_the_pitch_facet_filters(visit):
    page = visit()
    open_tab(page, "Explore")
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '90'")
    drawn(page, "#pitch-histogram")
    box = page.locator("#facet-pitch-low input[type=number]")
    box.fill("3")
    box.press("Enter")
    page.wait_for_function("+document.querySelector('#summary b')?.innerText < 90")
    page.wait_for_function("[...document.querySelectorAll('#grid span')].every(tile => tile.innerText.includes('↑'))")
    page.click("#clear")
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '90'")
