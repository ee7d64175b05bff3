"""What all figures share: colours that the colour-blind tell apart (Okabe and Ito), margins, the table behind each."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go

GENUINE_FILL, GENUINE_LINE = "rgba(0, 114, 178, 0.35)", "#0072B2"
IMPOSTOR_FILL, IMPOSTOR_LINE = "rgba(213, 94, 0, 0.35)", "#D55E00"
FIRST_MODEL, SECOND_MODEL = "#0072B2", "#E69F00"
POSE_COLOURS = {"frontal": "#0072B2", "three_quarter": "#E69F00", "profile": "#CC79A7", "unknown": "#999999"}
QUALITATIVE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
SEQUENTIAL = ((0.0, "#eef4f9"), (0.5, "#7fb2d6"), (1.0, "#08447e"))  # light = low; one hue: only lightness matters
NEUTRAL_LINE = "#808890"  # seen on white and on black
NEUTRAL_FILL = "rgba(128, 136, 144, 0.25)"


def finish(
    figure: go.Figure, name: str, table: pd.DataFrame | None = None, drag: bool = False, **layout: Any
) -> go.Figure:
    """Common margins and legend. `name` and `table` are what it is saved as (PNG, SVG, CSV); `drag`: shape 0 moves."""
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


def in_figure(text: object) -> str:
    """Text as it reads: Plotly takes tags such as <b> and <a> in labels for markup."""
    return escape(str(text), quote=False)
