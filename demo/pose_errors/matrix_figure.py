"""The pose x pose matrix of a report, and the paired difference of two reports, as Plotly figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from demo.common.figures import FIRST_MODEL, NEUTRAL_LINE, SECOND_MODEL, SEQUENTIAL, finish, in_figure, message
from demo.common.words import interval, pair_names, percent
from sfpn.schema import POSE_LABELS, POSES, pair_from_key, pair_key, pose_pair

FULL_SCALE = 0.15  # rates from here on get the darkest colour


def matrix_figure(table: pd.DataFrame, metric_title: str) -> go.Figure:
    """Rates with intervals and counts; customdata is the pose pair key. `table` is that of reporting.views.table_of."""
    if table.empty:
        return message("This report has no cell for this choice.")
    lines = table.set_index("pose_pair").to_dict("index")
    poses = [pose for pose in POSES if any(pose in pair_from_key(key) for key in lines)]
    axis = [POSE_LABELS[pose] for pose in poses]
    keys = [[pair_key(pose_pair(down, across)) for across in poses] for down in poses]
    rates = np.array([[_rate(lines.get(key)) for key in row] for row in keys])
    known = rates[np.isfinite(rates)]
    top = max(FULL_SCALE, float(known.max())) if len(known) else 1.0
    heatmap = go.Heatmap(
        x=axis,
        y=axis,
        z=rates,
        customdata=keys,
        text=[[_text(lines.get(key)) for key in row] for row in keys],
        hovertext=[[_hover(key, lines.get(key), metric_title) for key in row] for row in keys],
        hoverinfo="text",
        texttemplate="%{text}",
        colorscale=SEQUENTIAL,
        zmin=0,
        zmax=top,
        xgap=4,
        ygap=4,
        hoverongaps=False,
        showscale=False,
    )
    figure = go.Figure(heatmap)
    figure.update_xaxes(side="top", fixedrange=True, showgrid=False, ticks="")
    figure.update_yaxes(autorange="reversed", fixedrange=True, showgrid=False, ticks="", tickangle=-90)
    return finish(figure, "pose-matrix", table, margin={"l": 32, "r": 8, "t": 32, "b": 8}, dragmode=False)


def _rate(line: dict | None) -> float:
    return np.nan if line is None or line["rate"] is None else line["rate"]


def _text(line: dict | None) -> str:
    if line is None:
        return "not in<br>this report"
    if pd.isna(line["rate"]):
        return "too few<br>pairs"
    counts = f"{_short(line['genuine'])} / {_short(line['impostor'])}"
    return f"<b>{percent(line['rate'])}</b><br>{interval(line['low'], line['high'])}<br>{counts}"


def _short(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1000:,.0f}k" if count < 10_000_000 else f"{count / 1e6:,.0f}M"


def _hover(key: str, line: dict | None, metric_title: str) -> str:
    names = pair_names(key)
    if line is None:
        return f"{names}: not in this report"
    value = (
        "too few impostor comparisons for this FMR"
        if pd.isna(line["rate"])
        else f"{percent(line['rate'])} {interval(line['low'], line['high'])}"
    )
    return (
        f"<b>{names}</b><br>{metric_title}: {value}<br>"
        f"{line['genuine']:,} genuine and {line['impostor']:,} impostor comparisons of {line['subjects']} subjects<br>"
        f"{line['failures']} images without a found face<br><i>click for its curves and hardest pairs</i>"
    )


def difference_figure(table: pd.DataFrame, first: str, second: str, metric_title: str) -> go.Figure:
    """Second minus first model per pose pair, in percentage points, with the paired 95 % interval."""
    shown = table.dropna(subset=["difference"])
    if shown.empty:
        return message("Too few comparisons for a difference.")
    points = 100 * shown[["difference", "low", "high"]]
    colours = [
        NEUTRAL_LINE if not differs else SECOND_MODEL if d < 0 else FIRST_MODEL
        for differs, d in zip(shown["differs"], shown["difference"], strict=True)
    ]
    figure = go.Figure(
        go.Scatter(
            x=points["difference"],
            y=shown["label"],
            mode="markers",
            customdata=shown["pose_pair"],
            marker={"size": 11, "color": colours, "line": {"width": 1, "color": NEUTRAL_LINE}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": points["high"] - points["difference"],
                "arrayminus": points["difference"] - points["low"],
                "color": NEUTRAL_LINE,
                "thickness": 1.5,
            },
            text=[f"{percent(a)} → {percent(b)}" for a, b in zip(shown["a"], shown["b"], strict=True)],
            hovertemplate="%{y}: %{text}, difference %{x:+.2f} points<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": NEUTRAL_LINE, "dash": "dot", "width": 1})
    figure.update_xaxes(
        title=f"{metric_title}, {in_figure(second)} minus {in_figure(first)} (percentage points)", fixedrange=True
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True, type="category")
    return finish(figure, "paired-difference", table, showlegend=False, dragmode=False)
