"""The error map of a report over yaw and pitch, as a Plotly figure, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from demo.common.figures import NEUTRAL_FILL, SEQUENTIAL, finish, message
from demo.common.words import interval, percent
from sfpn.evaluation.pose_map import PoseMap

RATES = {"fnmr": "FNMR: same person rejected", "fmr": "FMR: strangers accepted"}
LEAST_FULL_SCALE = {"fnmr": 0.15, "fmr": 0.0001}  # rates from here on may get the darkest colour
WITHOUT = (
    "This report has no error map over yaw and pitch: it was made by an older version, its protocol does not compare "
    "every two images, or their pitch is not known."
)


@dataclass(frozen=True)
class Shown:
    """What is drawn: `rate` fnmr or fmr, at the threshold for target_fmr (None: of the equal error rate)."""

    rate: str = "fnmr"
    target_fmr: float | None = None
    treatment: str = "whole_image"


def pose_map_figure(pose_map: PoseMap, shown: Shown) -> go.Figure:
    """Heat map of the cells that have images; customdata is [column, row] of the cell, from 0."""
    table: Any = pose_map.at(shown.target_fmr, shown.treatment)
    if table.empty:
        return message("No image has a place on the map.")
    columns = range(int(table["column"].min()), int(table["column"].max()) + 1)
    rows = range(int(table["row"].min()), int(table["row"].max()) + 1)
    lines = {(line["column"], line["row"]): line for line in table.to_dict("records")}
    grid = [[lines.get((column, row)) for column in columns] for row in rows]
    rates = np.array([[np.nan if line is None else line[shown.rate] for line in row] for row in grid], float)
    few = [[None if line is None or np.isfinite(line[shown.rate]) else 0 for line in row] for row in grid]
    known = rates[np.isfinite(rates)]
    shared: dict[str, Any] = {
        "x": [_centre(pose_map.yaw_edges, column) for column in columns],
        "y": [_centre(pose_map.pitch_edges, row) for row in rows],
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
        "customdata": [[[column, row] for column in columns] for row in rows],
        "hovertext": [[_hover(pose_map, column, row, lines.get((column, row))) for column in columns] for row in rows],
        "hoverinfo": "text",
        "hoverongaps": False,  # a cell that holds images is a gap of one of the two
    }
    heatmap = go.Heatmap(
        z=rates,
        text=[[_text(value) for value in row] for row in rates.tolist()],
        texttemplate="%{text}",
        colorscale=SEQUENTIAL,
        zmin=0,
        zmax=max(LEAST_FULL_SCALE[shown.rate], float(known.max()) if len(known) else 0),
        **shared,
    )
    grey = go.Heatmap(z=few, colorscale=[[0, NEUTRAL_FILL], [1, NEUTRAL_FILL]], **shared)
    figure = go.Figure([grey, heatmap])
    _name_axes(figure)
    margin = {"l": 56, "r": 8, "t": 8, "b": 44}
    return finish(figure, "error-map", map_table(pose_map, table), dragmode=False, margin=margin)


def _name_axes(figure: go.Figure) -> None:
    figure.update_xaxes(
        title="yaw (°; + = turned to the image's right)",
        tickvals=list(range(-90, 91, 45)),
        ticktext=["−90", "−45", "0", "+45", "+90"],
        fixedrange=True,
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        title="pitch (°; + = lifted)",
        tickvals=list(range(-45, 46, 15)),
        ticktext=["−45", "−30", "−15", "0", "+15", "+30", "+45"],
        fixedrange=True,
        showgrid=False,
        zeroline=False,
    )


def map_table(pose_map: PoseMap, table: pd.DataFrame) -> pd.DataFrame:
    """Lines of the map as they are saved: the angles of the cell in place of its numbers."""
    angles = {}
    for name, edges, number in (("yaw", pose_map.yaw_edges, "column"), ("pitch", pose_map.pitch_edges, "row")):
        angles[f"{name}_low"] = [edges[place] for place in table[number]]
        angles[f"{name}_high"] = [edges[place + 1] for place in table[number]]
    return pd.concat([pd.DataFrame(angles), table.drop(columns=["column", "row", "treatment"])], axis=1)


def read_map(pose_map: PoseMap, shown: Shown) -> str:
    """What the map compares, at which threshold, the worst cell, and what is blank, as plain sentences."""
    point = pose_map.point(shown.target_fmr, shown.treatment)
    what = (
        f"Single images of each yaw and pitch against the {pose_map.references:,} that look into the camera "
        f"(|yaw| below {pose_map.reference_yaw_degrees:g}°, |pitch| below {pose_map.reference_pitch_degrees:g}°)"
    )
    if not point.supported:
        return f"{what}: all of them together are too few impostor comparisons for this FMR."
    where = "the equal error rate" if shown.target_fmr is None else f"an FMR of {100 * shown.target_fmr:g} %"
    sentences = [f"{what}, all at the threshold {point.threshold:.3f}, which gives all cells together {where}."]
    table: Any = pose_map.at(shown.target_fmr, shown.treatment)
    known = table[table[shown.rate].notna()]
    if len(known):
        worst = known.loc[known[shown.rate].idxmax()]
        sentences.append(
            f"The highest {shown.rate.upper()} is at {cell_words(pose_map, worst['column'], worst['row'])}: "
            f"{percent(worst[shown.rate])} {interval(*worst[[f'{shown.rate}_low', f'{shown.rate}_high']])}."
        )
    few = len(table) - len(known)
    if few:
        sentences.append(f"Grey: {few} cells with too few comparisons.")
    sentences += [f"{count:,} {reason} are in no cell." for reason, count in pose_map.left_out.items() if count]
    return " ".join(sentences)


def cell_words(pose_map: PoseMap, column: int, row: int) -> str:
    """'yaw +45°, pitch −15°', the middle of a cell."""
    yaw, pitch = _centre(pose_map.yaw_edges, int(column)), _centre(pose_map.pitch_edges, int(row))
    return f"yaw {_signed(yaw)}°, pitch {_signed(pitch)}°"


def _hover(pose_map: PoseMap, column: int, row: int, line: dict | None) -> str:
    yaw, pitch = pose_map.yaw_edges[column : column + 2], pose_map.pitch_edges[row : row + 2]
    title = f"<b>yaw {_range(yaw)}, pitch {_range(pitch)}</b><br>"
    if line is None:
        return ""
    return (
        f"{title}{_rate_words(line, 'fnmr', 'false_non_matches', 'genuine')}<br>"
        f"{_rate_words(line, 'fmr', 'false_matches', 'impostor')}<br>"
        f"{line['images']:,} images of {line['subjects']:,} subjects, {line['failures']:,} without a found face<br>"
        "<i>click for its hardest pairs</i>"
    )


def _rate_words(line: dict, rate: str, errors: str, kind: str) -> str:
    if pd.isna(line[rate]):
        return f"{rate.upper()}: too few comparisons ({line[kind]:,} {kind})"
    limits = interval(line[f"{rate}_low"], line[f"{rate}_high"])
    return f"{rate.upper()} {percent(line[rate])} {limits}: {line[errors]:,.0f} of {line[kind]:,} {kind}"


def _text(rate: float) -> str:
    """Per cent in the fewest digits that tell cells apart."""
    if not np.isfinite(rate):
        return ""
    return f"{100 * rate:.0f}" if rate >= 0.0995 else f"{100 * rate:.2g}"


def _centre(edges: Sequence[float], number: int) -> float:
    return (edges[number] + edges[number + 1]) / 2


def _range(edges: Sequence[float]) -> str:
    return f"{_signed(edges[0])}° to {_signed(edges[1])}°"


def _signed(degrees: float) -> str:
    return f"{degrees:+g}".replace("-", "−") if degrees else "0"
