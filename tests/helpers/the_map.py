"""What the browser tests look up on the map of embeddings."""

from __future__ import annotations

import json

from helpers.clicks import drag, open_tab, place

MAP = "document.querySelector('#map .js-plotly-plot')"
# What the browser itself finds inside an outline that is drawn as it would fill it, of the traces that are shown
FILLED = f"""outline => {{
  const {{_fullData: traces, _fullLayout: {{xaxis, yaxis}}}} = {MAP}, path = new Path2D();
  for (const [x, y] of outline) path.lineTo(xaxis.d2p(x), yaxis.d2p(y));
  path.closePath();
  const drawing = document.createElement('canvas').getContext('2d');
  return traces.filter(t => t.visible === true).flatMap(t => [...t.meta.positions].filter(
    (_, i) => drawing.isPointInPath(path, xaxis.d2p(t.x[i]), yaxis.d2p(t.y[i]), 'evenodd'))); }}"""


def box_of_half(page) -> tuple[float, float, float, float]:
    """left, right, low, high in the map's units: a box inside the axes that holds the left half of the points."""
    return page.evaluate(
        """() => {
            const {_fullData: traces, _fullLayout: {xaxis, yaxis}} = document.querySelector('#map .js-plotly-plot');
            const x = traces.flatMap(t => [...t.x]).sort((a, b) => a - b), middle = Math.floor(x.length / 2);
            const inset = ([low, high]) => [low + .01 * (high - low), high - .01 * (high - low)];
            return [inset(xaxis.range)[0], (x[middle - 1] + x[middle]) / 2, ...inset(yaxis.range)];
        }"""
    )


def chosen(page) -> set[str]:
    """The row_ids of the thumbnails of the selection."""
    return {json.loads(tile.get_attribute("data-select"))[1] for tile in page.locator("#lasso-grid button").all()}


def draw_outline(page, tool: str, outline: list[tuple[float, float]]) -> None:
    """Around points, in the map's units; of a box its first and third corner are enough."""
    page.locator(f"#map .modebar-btn[data-val={tool}]").dispatch_event("click")
    places = [place(page, "#map", x, y) for x, y in outline]
    drag(page, places[0], *(places[2:3] if tool == "select" else [*places[1:], places[0]]))


def show_profiles(page) -> None:
    """Filter Explore to its 30 profiles and show these on the map."""
    open_tab(page, "Explore")
    page.get_by_label("profile (30)").check()
    page.wait_for_function("document.querySelector('#summary b')?.innerText === '30'")
    page.locator("#to-map").focus()
    page.keyboard.press("Enter")
