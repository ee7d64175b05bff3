"""The score axis of the Verify tab: histograms, threshold, uncertain zone and score as a Plotly figure.

As plain values: Plotly's own classes check each of them, which took longer than the comparison.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from demo.common.figures import GENUINE_FILL, GENUINE_LINE, IMPOSTOR_FILL, IMPOSTOR_LINE, NEUTRAL_LINE
from sfpn.network.card import ScoreHistogram

SHOWN_BINS = 100


def score_axis(histogram: ScoreHistogram, score: float, threshold: float, uncertain_from: float) -> dict[str, Any]:
    """Genuine and impostor scores as shares, the score as a bold line, the threshold as a dashed one.

    The figure's data and layout, as plotly.graph_objects.Figure would take them.
    """
    upright = {"type": "line", "yref": "paper", "y0": 0, "y1": 1}
    zone = upright | {"type": "rect", "x0": uncertain_from, "x1": threshold, "line": {"width": 0}}
    layout = {
        "shapes": [
            upright | {"x0": threshold, "x1": threshold, "line": {"dash": "dash", "width": 2, "color": NEUTRAL_LINE}},
            upright | {"x0": score, "x1": score, "line": {"width": 4, "color": "#009E73"}},
            zone
            | {"fillcolor": "rgba(140, 107, 177, 0.22)", "name": "uncertain zone", "showlegend": True}
            | {"legendrank": 2000},
        ],
        "annotations": _annotations(score, threshold),
        "margin": {"l": 12, "r": 12, "t": 50, "b": 40},
        "showlegend": True,
        "dragmode": False,
        "hovermode": "x",
        "legend": {"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top"},
        "xaxis": {
            "title": {"text": "score (cosine)", "standoff": 6},
            "range": _shown_range(histogram, score, threshold),
            "fixedrange": True,
        },
        "yaxis": {"visible": False, "fixedrange": True, "rangemode": "tozero"},
    }
    data = [
        _outline(histogram, histogram.impostor, "different people", IMPOSTOR_LINE, IMPOSTOR_FILL),
        _outline(histogram, histogram.genuine, "same person", GENUINE_LINE, GENUINE_FILL),
    ]
    return {"data": data, "layout": layout}


def _outline(histogram: ScoreHistogram, counts: tuple[int, ...], name: str, line: str, fill: str) -> dict[str, Any]:
    """A histogram with fewer bins, as a stepped outline of shares (0-1)."""
    merge = max(1, len(counts) // SHOWN_BINS)
    grouped = np.add.reduceat(np.array(counts, float), np.arange(0, len(counts), merge))
    return {
        "type": "scatter",
        "x": histogram.edges[:-1:merge].tolist(),
        "y": (grouped / max(1, grouped.sum())).tolist(),
        "name": name,
        "mode": "lines",
        "fill": "tozeroy",
        "fillcolor": fill,
        "line": {"shape": "hv", "color": line, "width": 1.5},
        "hovertemplate": "%{y:.1%} of pairs<extra>" + name + "</extra>",
    }


def _annotations(score: float, threshold: float) -> list[dict[str, Any]]:
    """Labels above the two lines, one higher than the other, so that they never lie on each other."""
    common = {"y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "xanchor": "center"}
    labels = ((score, f"<b>score {score:.3f}</b>", 18), (threshold, f"threshold {threshold:.3f}", 0))
    return [common | {"x": x, "text": text.replace("-", "−"), "yshift": lift} for x, text, lift in labels]


def _shown_range(histogram: ScoreHistogram, score: float, threshold: float) -> list[float]:
    """The filled part of the axis with both lines, and a margin."""
    filled = histogram.edges[:-1][(np.array(histogram.genuine) + np.array(histogram.impostor)) > 0]
    ends = [score, threshold, *filled[[0, -1]]] if len(filled) else [score, threshold]
    margin = 0.08 * (max(ends) - min(ends))
    return [float(min(ends) - margin), float(max(ends) + margin)]
