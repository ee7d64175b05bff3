"""What the browser tests look up on the map of embeddings."""

from __future__ import annotations

import json


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
