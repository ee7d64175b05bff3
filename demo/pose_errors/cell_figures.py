"""One cell of a report as figures: DET curve, score histograms with a threshold, and EER against |yaw difference|."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.special import ndtri

from demo.common.figures import (
    FIRST_MODEL,
    GENUINE_FILL,
    GENUINE_LINE,
    IMPOSTOR_FILL,
    IMPOSTOR_LINE,
    NEUTRAL_LINE,
    SECOND_MODEL,
    finish,
    in_figure,
    message,
)
from demo.common.words import percent
from sfpn.evaluation.cells import Cell
from sfpn.reporting.views import yaw_table

AXES = ("probit", "log")  # normal deviates, as DET curves are drawn since Martin et al. 1997; or decades
TICKS = np.array([0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95])
WIDEST = 0.97  # rates beyond are not drawn
SHOWN_BINS = 120
MODEL_COLOURS = (FIRST_MODEL, SECOND_MODEL)


def det_figure(cells: dict[str, Cell], treatment: str, axes: str = "probit") -> go.Figure:
    """FNMR against FMR, one curve per named cell. Rates of zero cannot be drawn on these axes and are left out."""
    curves = {name: cell.det(treatment) for name, cell in cells.items()}
    drawn = {name: curve[(curve["fmr"] > 0) & (curve["fnmr"] > 0)] for name, curve in curves.items()}
    if all(curve.empty for curve in drawn.values()):
        return message("No errors at any threshold: there is no curve to draw.")
    scale = ndtri if axes == "probit" else np.log10
    figure = go.Figure(
        [
            go.Scatter(
                x=scale(curve["fmr"]),
                y=scale(curve["fnmr"]),
                name=in_figure(name),
                mode="lines",
                line={"color": colour, "width": 2.5},
                customdata=curve[["threshold", "fmr", "fnmr"]],
                hovertemplate="FMR %{customdata[1]:.3%}<br>FNMR %{customdata[2]:.2%}<br>"
                "threshold %{customdata[0]:.3f}<extra></extra>",
            )
            for (name, curve), colour in zip(drawn.items(), MODEL_COLOURS, strict=False)
        ]
    )
    lowest = max(min(float(curve[["fmr", "fnmr"]].min().min()) for curve in drawn.values() if len(curve)), 1e-6)
    ticks = TICKS[TICKS >= lowest / 2]
    span = [float(scale(lowest * 0.8)), float(scale(WIDEST))]
    figure.add_shape(
        type="line",
        x0=span[0],
        y0=span[0],
        x1=span[1],
        y1=span[1],
        line={"color": NEUTRAL_LINE, "dash": "dot", "width": 1},
    )
    tick_text = [f"{100 * tick:g}" for tick in ticks]
    figure.update_xaxes(
        title="FMR: strangers accepted (%)", tickvals=scale(ticks), ticktext=tick_text, range=span, zeroline=False
    )
    figure.update_yaxes(
        title="FNMR: same person rejected (%)", tickvals=scale(ticks), ticktext=tick_text, range=span, zeroline=False
    )
    table = pd.concat([curve.assign(model=name) for name, curve in curves.items()])
    return finish(figure, "det", table, uirevision=axes, showlegend=len(cells) > 1)


def histogram_figure(cell: Cell, threshold: float) -> go.Figure:
    """Genuine and impostor scores as shares; shape 0 is the threshold, which can be dragged."""
    table = cell.tables["histogram"]
    figure = go.Figure(
        [
            _outline(table, "impostor", "impostor", IMPOSTOR_LINE, IMPOSTOR_FILL),
            _outline(table, "genuine", "genuine", GENUINE_LINE, GENUINE_FILL),
        ]
    )
    figure.add_shape(
        type="line",
        x0=threshold,
        x1=threshold,
        y0=0,
        y1=1,
        yref="paper",
        line={"dash": "dash", "width": 3, "color": NEUTRAL_LINE},
    )
    figure.update_xaxes(title="score (cosine); press or drag to move the threshold", fixedrange=True)
    figure.update_yaxes(title="share of comparisons", tickformat=".1%", rangemode="tozero", fixedrange=True)
    return finish(figure, "scores", table, drag=True, dragmode=False, hovermode="x")


def _outline(table: pd.DataFrame, kind: str, name: str, line: str, fill: str) -> go.Scatter:
    """Coarser bins than the report keeps, found faces and failures together."""
    edges = table["lower_edge"].to_numpy()
    counts = (table[kind] + table[f"failed_{kind}"]).to_numpy(float)
    width = max((edges[-1] - edges[0]) / SHOWN_BINS, 2.0**-10) if len(edges) else 1.0
    bins = np.floor(edges / width).astype(int) if len(edges) else np.zeros(0, int)
    low = bins.min(initial=0)
    shares = np.bincount(bins - low, counts) if len(bins) else np.zeros(1)
    return go.Scatter(
        x=(np.arange(len(shares) + 1) + low) * width,
        y=np.append(shares / max(1.0, counts.sum()), 0),
        name=name,
        mode="lines",
        fill="tozeroy",
        fillcolor=fill,
        line={"shape": "hv", "color": line, "width": 1.5},
        hovertemplate="%{y:.1%} of pairs<extra>" + name + "</extra>",
    )


def yaw_figure(cells: Mapping[str, Sequence[Cell]], treatment: str) -> go.Figure:
    """EER with its 95 % interval against |yaw difference|, one line per named series of cells."""
    figure, tables, drawn = go.Figure(), [], set()
    for (name, series), colour in zip(cells.items(), MODEL_COLOURS, strict=False):
        table = yaw_table(series, treatment)
        tables.append(table.assign(model=name))
        known = table.dropna(subset=["eer"])
        drawn.update(known["band"])
        figure.add_scatter(
            x=known["band"],
            y=100 * known["eer"],
            name=in_figure(name),
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 9},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": 100 * (known["high"] - known["eer"]),
                "arrayminus": 100 * (known["eer"] - known["low"]),
                "color": colour,
                "thickness": 1.2,
            },
            customdata=known[["genuine", "impostor"]],
            hovertemplate="%{x}: EER %{y:.2f} %<br>%{customdata[0]:,} genuine, %{customdata[1]:,} impostor<extra>"
            + in_figure(name)
            + "</extra>",
        )
    if not drawn:
        return message("This report has no yaw angles.")
    bands = [band for band in tables[0]["band"] if band in drawn]
    figure.update_xaxes(
        title="|yaw difference| of the two faces",
        type="category",
        categoryorder="array",
        categoryarray=bands,
        fixedrange=True,
    )
    figure.update_yaxes(title="EER (%)", rangemode="tozero", fixedrange=True)
    return finish(figure, "eer-by-yaw-difference", pd.concat(tables), showlegend=len(cells) > 1, dragmode=False)


def rate_summary(cell: Cell, threshold: float, treatment: str) -> str:
    """FMR and FNMR at a threshold with their counts, as one line of HTML."""
    point = cell.rates_at(threshold, treatment)
    return (
        f'<p class="quiet">At the threshold {threshold:.4f}:</p><div class="rates">'
        f"<span><b>{percent(point.fmr, 3)}</b> FMR <small>{point.false_matches:,} of {point.impostor:,} "
        f"impostor comparisons accepted</small></span>"
        f"<span><b>{percent(point.fnmr)}</b> FNMR <small>{point.false_non_matches:,} of {point.genuine:,} "
        f"genuine comparisons rejected</small></span></div>"
    )
