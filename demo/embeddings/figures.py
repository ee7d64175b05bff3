"""Figures of embeddings: the map, the similarity heat map, and similarity within and between identities by pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from demo.common.figures import GENUINE_LINE, IMPOSTOR_LINE, POSE_COLOURS, QUALITATIVE, SEQUENTIAL, finish, in_figure
from demo.common.words import pose_label

MAP_NAME = "embedding-map"
MANY, VERY_MANY = 3000, 30_000  # points above which WebGL draws them, and above which they are smaller
SYMBOLS = 5  # of identities, each in all colours
WIDEST = 10  # a group narrower than a tenth of the heat map has no room for its name
COLOURS = ("pose", "identity", "yaw", "pitch", "error")
ERROR_WORDS = {False: "nearest image: same identity", True: "nearest image: another identity"}


def map_figure(
    rows: pd.DataFrame, coordinates: np.ndarray, colour: str, points: dict[str, Any], wrong: np.ndarray
) -> go.Figure:
    """Points (N, 2) of the rows; customdata is the position of the row. `points` as demo.common.points gives it.

    `wrong` (N,): whether the nearest image is of another identity.
    """
    many = len(rows) > MANY
    kind = go.Scattergl if many else go.Scatter
    size = 7 if not many else 4 if len(rows) <= VERY_MANY else 3
    figure = go.Figure()
    for name, positions, marker in _groups(rows, colour, wrong):
        figure.add_trace(
            kind(
                x=coordinates[positions, 0],
                y=coordinates[positions, 1],
                mode="markers",
                name=name,
                customdata=positions.astype(np.int32),
                marker={"size": size, "opacity": 0.85, "line": {"width": 0}} | marker,
                hoverinfo="none",  # the page says what is hovered, with its picture
            )
        )
    figure.update_xaxes(showticklabels=False, zeroline=False, title="")
    figure.update_yaxes(showticklabels=False, zeroline=False, title="", scaleanchor="x", scaleratio=1)
    finish(
        figure,
        MAP_NAME,
        dragmode="pan",
        showlegend=colour in ("pose", "error"),
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top"},  # above, a narrow window's bar lies on it
    )
    return figure.update_layout(meta={"name": MAP_NAME, "points": points})


def add_own_photo(figure: go.Figure, point: Sequence[float] | np.ndarray) -> go.Figure:
    """The figure with a star where a photo of the user's own lies."""
    return figure.add_scatter(
        x=[point[0]],
        y=[point[1]],
        mode="markers+text",
        name="your photo",
        text=["your photo"],
        textposition="top center",
        marker={"symbol": "star", "size": 20, "color": "#D55E00", "line": {"width": 1.5, "color": "white"}},
        hovertemplate="your photo<extra></extra>",
    )


def _groups(rows: pd.DataFrame, colour: str, wrong: np.ndarray) -> list[tuple[str, np.ndarray, dict]]:
    """(name, positions (n,), marker) of the traces; a trace of one look is drawn faster than one of many."""
    if colour == "pose":
        poses = rows["pose"].cat
        codes = dict(zip(poses.categories, range(len(poses.categories)), strict=True))
        found = [
            (pose_label(pose), np.flatnonzero(poses.codes.to_numpy() == codes[pose]), {"color": value})
            for pose, value in POSE_COLOURS.items()
            if pose in codes
        ]
    elif colour == "error":
        colours = {False: "#8FB9D6", True: IMPOSTOR_LINE}
        found = [(ERROR_WORDS[state], np.flatnonzero(wrong == state), {"color": colours[state]}) for state in colours]
    elif colour == "identity":
        looks = rows["identity"].cat.codes.to_numpy() % (len(QUALITATIVE) * SYMBOLS)
        found = [
            (
                "identity",
                np.flatnonzero(looks == look),
                {"color": QUALITATIVE[look % len(QUALITATIVE)], "symbol": look // len(QUALITATIVE)},
            )
            for look in np.unique(looks).tolist()
        ]
    else:
        bar = {"title": {"text": f"{colour} (°)"}, "thickness": 12}  # yaw or pitch
        values = rows[f"{colour}_degrees"].to_numpy(np.float32)
        found = [(colour, np.arange(len(rows)), {"color": values, "colorscale": "Cividis", "cmid": 0, "colorbar": bar})]
    return [group for group in found if len(group[1])]


def heat_map(rows: pd.DataFrame, scores: np.ndarray) -> go.Figure:
    """Cosines (n, n) of n rows grouped by identity and pose; customdata is the pair [row_id, row_id]."""
    ids, n = list(rows.index), len(rows)
    names = [
        in_figure(f"{identity}, {pose_label(pose)}")
        for identity, pose in zip(rows["identity"], rows["pose"], strict=True)
    ]
    shown = scores.astype(float).copy()
    np.fill_diagonal(shown, np.nan)
    heatmap = go.Heatmap(
        z=shown,
        customdata=[[[a, b] for b in ids] for a in ids],
        text=[[f"{a} – {b}" for b in names] for a in names],
        colorscale=SEQUENTIAL,
        hoverongaps=False,
        hovertemplate="%{text}<br>score %{z:.3f}<br><i>click to compare in Verify</i><extra></extra>",
        colorbar={"title": {"text": "score"}, "thickness": 12},
    )
    figure = go.Figure(heatmap)
    identities = rows["identity"].astype(str).to_numpy()
    starts = [0, *(np.flatnonzero(identities[1:] != identities[:-1]) + 1), n]
    figure.update_layout(shapes=[line for edge in starts[1:-1] for line in _cross(edge - 0.5)])
    groups = [
        (first, last) for first, last in zip(starts[:-1], starts[1:], strict=True) if (last - first) * WIDEST >= n
    ]
    ticks = {
        "tickvals": [(first + last - 1) / 2 for first, last in groups],
        "ticktext": [in_figure(identities[first]) for first, _ in groups],
        "showgrid": False,
        "fixedrange": True,
        "ticks": "",
    }
    figure.update_xaxes(**ticks, automargin=True)  # turned where there is little room
    figure.update_yaxes(**ticks, autorange="reversed", tickangle=-90)
    table = pd.DataFrame(scores, columns=ids).assign(row_id=ids)
    return finish(figure, "similarity", table, dragmode=False, margin={"l": 36, "r": 8, "t": 12, "b": 32})


def _cross(place: float) -> list[dict]:
    """Lines across and down at a place of both axes; add_hline would take a second for sixty of them."""
    line = {"type": "line", "line": {"width": 1.5, "color": IMPOSTOR_LINE}}
    across = {"xref": "x domain", "x0": 0, "x1": 1, "y0": place, "y1": place}
    down = {"yref": "y domain", "y0": 0, "y1": 1, "x0": place, "x1": place}
    return [line | across, line | down]


def spread_figure(table: pd.DataFrame) -> go.Figure:
    """Mean cosine and its 5-95 % range within (genuine) and between (impostor) identities, per pose pair."""
    figure = go.Figure()
    for kind, words, colour in (
        ("genuine", "within identities (genuine)", GENUINE_LINE),
        ("impostor", "between identities (impostor)", IMPOSTOR_LINE),
    ):
        own = table[table["kind"] == kind]
        figure.add_scatter(
            x=own["label"],
            y=own["mean"],
            name=words,
            mode="markers",
            marker={"size": 11, "color": colour},
            customdata=own[["low", "high", "pairs"]],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": own["high"] - own["mean"],
                "arrayminus": own["mean"] - own["low"],
                "color": colour,
            },
            hovertemplate="%{x}: mean %{y:.3f}<br>5–95 %: %{customdata[0]:.2f} to %{customdata[1]:.2f}"
            "<br>%{customdata[2]:,} pairs<extra></extra>",
        )
    figure.update_xaxes(
        title="pose pair",
        type="category",
        categoryorder="array",
        categoryarray=list(dict.fromkeys(table["label"])),
        fixedrange=True,
    )
    figure.update_yaxes(title="score (cosine)", fixedrange=True)
    return finish(figure, "within-between", table, dragmode=False, scattermode="group")
