"""What all figures share: colours that the colour-blind tell apart (Okabe and Ito), margins, and the table behind a figure."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

GENUINE_FILL, GENUINE_LINE = "rgba(0, 114, 178, 0.35)", "#0072B2"
IMPOSTOR_FILL, IMPOSTOR_LINE = "rgba(213, 94, 0, 0.35)", "#D55E00"
FIRST_MODEL, SECOND_MODEL = "#0072B2", "#E69F00"
POSE_COLOURS = {"frontal": "#0072B2", "three_quarter": "#E69F00", "profile": "#CC79A7", "unknown": "#999999"}
QUALITATIVE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
SEQUENTIAL = (
    (0.0, "#eef4f9"),
    (0.5, "#7fb2d6"),
    (1.0, "#08447e"),
)  # light = low; one hue, so that only lightness matters
NEUTRAL_LINE = "#808890"  # seen on white and on black


def finish(
    figure: go.Figure, name: str, table: pd.DataFrame | None = None, drag: bool = False, **layout: Any
) -> go.Figure:
    """Common margins and legend; `name` and `table` are what the figure is saved as (PNG, SVG, CSV); `drag`: shape 0 can be dragged."""
    csv = "" if table is None else table.to_csv(index=False, float_format="%.6g")
    figure.update_layout(
        margin={"l": 56, "r": 16, "t": 24, "b": 48},
        uirevision=name,
        meta={"name": name, "csv": csv, "drag": drag},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
    )
    return figure.update_layout(**layout)


def message(text: str) -> go.Figure:
    """An empty figure that says why it is empty."""
    figure = go.Figure()
    figure.add_annotation(text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    return figure.update_layout(
        xaxis={"visible": False}, yaxis={"visible": False}, margin={"l": 8, "r": 8, "t": 8, "b": 8}
    )


def percent(rate: float | None, digits: int = 2) -> str:
    """A rate (0-1) in per cent, or a dash."""
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def interval(low: float | None, high: float | None) -> str:
    """An interval of rates (0-1) in per cent, '' where there is none."""
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def degrees(yaw: float) -> str:
    """' +42°' to stand behind a pose; '' where the yaw is unknown."""
    return "" if pd.isna(yaw) else f" {round(yaw) or 0:+d}°"  # `or 0`: no minus before zero
