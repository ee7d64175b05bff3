"""What the browser tests do with a page: open a tab, find a place in a figure, click and drag it."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright")


def open_tab(page, name: str) -> None:
    """Select a tab, through the menu where the window is too narrow for all; tried again while the bar is laid out."""
    selected = page.locator("#tabs [role=tab][aria-selected=true]", has_text=name)
    for _ in range(60):
        tab, menu = (
            page.locator("#tabs").get_by_role("tab", name=name, exact=True),
            page.locator("#tabs .overflow-menu > button"),
        )
        with contextlib.suppress(playwright.TimeoutError):
            if tab.count() and tab.first.is_visible():
                tab.first.click(timeout=1000)
            else:
                menu.first.click(timeout=1000)
                page.locator("#tabs .overflow-dropdown button", has_text=name).first.click(timeout=1000)
            selected.first.wait_for(timeout=1000)
            return
    raise AssertionError(f"the tab {name} does not open")


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


def drag(page, start: tuple[float, float], *stops: tuple[float, float]) -> None:
    """Press the mouse, move it over the stops, and let go."""
    page.mouse.move(*start)
    page.mouse.down()
    for stop in stops:
        page.mouse.move(*stop, steps=8)
    page.mouse.up()


def place(page, selector: str, x: float, y: float) -> tuple[float, float]:
    """Where a point of a figure's axes lies in the window."""
    page.locator(selector).scroll_into_view_if_needed()
    found = page.evaluate(
        """([selector, x, y]) => {
            const figure = document.querySelector(`${selector} .js-plotly-plot`), {xaxis, yaxis} = figure._fullLayout;
            const {left, top} = figure.getBoundingClientRect();
            return [left + xaxis._offset + xaxis.d2p(x), top + yaxis._offset + yaxis.d2p(y)];
        }""",
        [selector, x, y],
    )
    return tuple(found)


def drawn(page, selector: str) -> None:
    """Wait until a figure has traces."""
    page.wait_for_function(
        "selector => document.querySelector(`${selector} .js-plotly-plot`)?._fullData?.length > 0", arg=selector
    )


def data_uri_png(path: Path) -> str:
    """A PNG file as an address."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def settled(page, selector: str) -> str:
    """The text of a part once it has been the same for a second: what an address names is opened in several steps."""
    page.evaluate("window.__settled = {}")
    page.wait_for_function(
        """selector => { const now = document.querySelector(selector)?.innerText, seen = window.__settled;
        if (now !== seen.text) Object.assign(seen, {text: now, since: performance.now()});
        return now && performance.now() - seen.since > 1000; }""",
        arg=selector,
    )
    return page.inner_text(selector)
