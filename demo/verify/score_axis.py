"""The score axis of the Verify tab: histograms, threshold, uncertain zone and score as a Plotly figure."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from demo.common.figures import GENUINE_FILL, GENUINE_LINE, IMPOSTOR_FILL, IMPOSTOR_LINE, NEUTRAL_LINE
from sfpn.network.card import ScoreHistogram

SHOWN_BINS = 100


def score_axis(histogram: ScoreHistogram, score: float, threshold: float, uncertain_from: float) -> go.Figure:
    """Genuine and impostor scores as shares, the score as a bold line, the threshold as a dashed one."""
    traces = [
        _outline(histogram, histogram.impostor, "different people", IMPOSTOR_LINE, IMPOSTOR_FILL),
        _outline(histogram, histogram.genuine, "same person", GENUINE_LINE, GENUINE_FILL),
    ]
    figure = go.Figure(traces, {"template": go.layout.Template()})  # PlotlyView brings the page's own colours
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1}
    figure.add_shape(**line, x0=threshold, x1=threshold, line={"dash": "dash", "width": 2, "color": NEUTRAL_LINE})
    figure.add_shape(**line, x0=score, x1=score, line={"width": 4, "color": "#009E73"})
    figure.add_shape(
        type="rect",
        yref="paper",
        y0=0,
        y1=1,
        x0=uncertain_from,
        x1=threshold,
        line_width=0,
        fillcolor="rgba(140, 107, 177, 0.22)",
        name="uncertain zone",
        showlegend=True,
        legendrank=2000,
    )
    _annotate(figure, score, threshold)
    low, high = _shown_range(histogram, score, threshold)
    figure.update_layout(
        margin={"l": 12, "r": 12, "t": 50, "b": 40},
        showlegend=True,
        dragmode=False,
        hovermode="x",
        legend={"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top"},
        xaxis={"title": {"text": "score (cosine)", "standoff": 6}, "range": [low, high], "fixedrange": True},
        yaxis={"visible": False, "fixedrange": True, "rangemode": "tozero"},
    )
    return figure


def _outline(histogram: ScoreHistogram, counts: tuple[int, ...], name: str, line: str, fill: str) -> go.Scatter:
    """A histogram with fewer bins, as a stepped outline of shares (0-1)."""
    merge = max(1, len(counts) // SHOWN_BINS)
    grouped = np.add.reduceat(np.array(counts, float), np.arange(0, len(counts), merge))
    edges = histogram.edges[:-1:merge]
    return go.Scatter(
        x=edges,
        y=grouped / max(1, grouped.sum()),
        name=name,
        mode="lines",
        fill="tozeroy",
        fillcolor=fill,
        line={"shape": "hv", "color": line, "width": 1.5},
        hovertemplate="%{y:.1%} of pairs<extra>" + name + "</extra>",
    )


def _annotate(figure: go.Figure, score: float, threshold: float) -> None:
    """Labels above the two lines, one higher than the other, so that they never lie on each other."""
    for x, text, lift in ((score, f"<b>score {score:.3f}</b>", 18), (threshold, f"threshold {threshold:.3f}", 0)):
        figure.add_annotation(
            x=x,
            y=1,
            yref="paper",
            yanchor="bottom",
            yshift=lift,
            text=text.replace("-", "−"),
            showarrow=False,
            xanchor="center",
        )


def _shown_range(histogram: ScoreHistogram, score: float, threshold: float) -> tuple[float, float]:
    filled = histogram.edges[:-1][(np.array(histogram.genuine) + np.array(histogram.impostor)) > 0]
    ends = [score, threshold, *filled[[0, -1]]] if len(filled) else [score, threshold]
    margin = 0.08 * (max(ends) - min(ends))
    return min(ends) - margin, max(ends) + margin
