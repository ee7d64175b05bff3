"""Figures of embeddings: the map, the similarity heat map, and similarity within and between identities by pose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from demo.common.figures import GENUINE_LINE, IMPOSTOR_LINE, POSE_COLOURS, QUALITATIVE, SEQUENTIAL, finish, in_figure
from demo.common.words import angles, pose_label

MANY = 3000  # points from which on WebGL draws them
WIDEST = 10  # a group narrower than a tenth of the heat map has no room for its name
COLOURS = ("pose", "identity", "yaw", "pitch", "error")
ERROR_WORDS = {False: "nearest image: same identity", True: "nearest image: another identity"}


def map_figure(
    rows: pd.DataFrame, coordinates: np.ndarray, colour: str, thumbnails: dict[str, str] | None, wrong: np.ndarray
) -> go.Figure:
    """Points (N, 2) of the rows; customdata is the row_id.

    `thumbnails`: {"address": ".../{}.jpg", row_id: name, ...} or None.
    `wrong` (N,): whether the nearest image is of another identity.
    """
    kind = go.Scattergl if len(rows) > MANY else go.Scatter
    figure = go.Figure()
    for name, mask, marker in _groups(rows, colour, wrong):
        chosen = rows[mask]
        pictures = (
            {}
            if thumbnails is None
            else {
                "ids": [thumbnails[str(row_id)] for row_id in chosen.index],
                "meta": {"thumbnail": thumbnails["address"]},
            }
        )
        known = (chosen[name] for name in ("identity", "pose", "yaw_degrees", "pitch_degrees"))
        text = [
            in_figure(f"{identity}, {pose_label(pose)}{angles(yaw, pitch)}")
            for identity, pose, yaw, pitch in zip(*known, strict=True)
        ]
        figure.add_trace(
            kind(
                x=coordinates[mask, 0],
                y=coordinates[mask, 1],
                mode="markers",
                name=name,
                customdata=chosen.index,
                text=text,
                **pictures,
                marker={"size": 7 if len(rows) <= MANY else 4, "opacity": 0.85, "line": {"width": 0}} | marker,
                hovertemplate="%{text}<extra></extra>",
            )
        )
    figure.update_xaxes(showticklabels=False, zeroline=False, title="")
    figure.update_yaxes(showticklabels=False, zeroline=False, title="", scaleanchor="x", scaleratio=1)
    table = pd.DataFrame({"row_id": rows.index, "x": coordinates[:, 0], "y": coordinates[:, 1]})
    return finish(
        figure,
        "embedding-map",
        table,
        dragmode="pan",
        showlegend=colour in ("pose", "error"),
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
    )


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
    """(name, mask (N,), marker) of the traces."""
    everything = np.ones(len(rows), bool)
    if colour == "pose":
        poses = rows["pose"].astype(str).to_numpy()
        return [
            (pose_label(pose), poses == pose, {"color": value})
            for pose, value in POSE_COLOURS.items()
            if (poses == pose).any()
        ]
    if colour == "error":
        return [
            (ERROR_WORDS[state], wrong == state, {"color": IMPOSTOR_LINE if state else "#8FB9D6"})
            for state in (False, True)
            if (wrong == state).any()
        ]
    if colour == "identity":
        codes = rows["identity"].cat.codes.to_numpy()
        return [
            (
                "identity",
                everything,
                {
                    "color": [QUALITATIVE[code % len(QUALITATIVE)] for code in codes],
                    "symbol": codes // len(QUALITATIVE) % 5,
                },
            )
        ]
    bar = {"title": {"text": f"{colour} (°)"}, "thickness": 12}  # yaw or pitch
    values = rows[f"{colour}_degrees"].to_numpy(float)
    return [(colour, everything, {"color": values, "colorscale": "Cividis", "cmid": 0, "colorbar": bar})]


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
    for edge in starts[1:-1]:
        figure.add_hline(y=edge - 0.5, line={"width": 1.5, "color": IMPOSTOR_LINE})
        figure.add_vline(x=edge - 0.5, line={"width": 1.5, "color": IMPOSTOR_LINE})
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
