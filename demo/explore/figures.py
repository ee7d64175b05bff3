"""Figures of a dataset's rows: histograms of yaw and pitch, and identity x pose table; a click on one filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from demo.common.figures import POSE_COLOURS, SEQUENTIAL, finish, in_figure, message
from demo.common.words import pose_label
from sfpn.schema import POSE_LABELS, POSES

BIN_DEGREES = 10
AXES = {  # end of the axis in degrees, distance of its ticks, title
    "yaw": (90, 30, "yaw (°; + = to the image's right)"),
    "pitch": (60, 20, "pitch (°; + = lifted)"),
}
SHOWN_IDENTITIES = 400  # columns of the identity x pose table


def angle_histogram(rows: pd.DataFrame, angle: str) -> go.Figure:
    """Images by 'yaw' or 'pitch', stacked by pose; customdata is the bin's [low, high] in degrees.

    The first and the last bin also hold what lies beyond the axis, up to 90 degrees.
    """
    known = rows.loc[rows[f"{angle}_degrees"].notna()]
    if not len(known):
        return message(f"No {angle} is known for these images.")
    end, ticks, title = AXES[angle]
    edges = np.arange(-end, end + 1, BIN_DEGREES)
    bins = np.clip(np.digitize(known[f"{angle}_degrees"], edges) - 1, 0, len(edges) - 2)
    centres, ranges = edges[:-1] + BIN_DEGREES / 2, np.stack([edges[:-1], edges[1:]], axis=1)
    ranges[0, 0], ranges[-1, 1] = -90, 90
    figure, table = go.Figure(), pd.DataFrame({f"{angle}_low": ranges[:, 0], f"{angle}_high": ranges[:, 1]})
    for pose in POSES:
        images = np.bincount(bins[(known["pose"] == pose).to_numpy()], minlength=len(centres))
        table[pose] = images
        if images.any():
            figure.add_bar(
                x=centres,
                y=images,
                name=POSE_LABELS[pose],
                customdata=ranges.tolist(),  # an array would come back from a click as an object, not as a list
                marker={"color": POSE_COLOURS[pose], "line": {"width": 0}},
                hovertemplate=angle
                + " %{customdata[0]}° to %{customdata[1]}°<br>%{y:,} images<extra>"
                + POSE_LABELS[pose]
                + "</extra>",
            )
    figure.update_xaxes(title=title, range=[-end, end], dtick=ticks, fixedrange=True)
    figure.update_yaxes(title="images", fixedrange=True)
    return finish(
        figure,
        f"{angle}-histogram",
        table,
        barmode="stack",
        bargap=0.06,
        legend_traceorder="normal",
        dragmode=False,
        margin={"l": 52, "r": 8, "t": 28, "b": 44},
    )


def identity_table(rows: pd.DataFrame) -> go.Figure:
    """Images per identity and pose, for the first identities; customdata is [identity, pose]."""
    if rows.empty:
        return message("No image is chosen.")
    counted: Any = rows.groupby(["identity", "pose"], observed=True).size().unstack(fill_value=0)
    poses = [pose for pose in [*POSES, "unknown"] if pose in counted]
    counted = counted[poses].sort_index()
    shown = counted.iloc[:SHOWN_IDENTITIES]
    values = shown.to_numpy().T
    figure = go.Figure(
        go.Heatmap(
            x=[in_figure(identity) for identity in shown.index],
            y=[in_figure(pose_label(pose)) for pose in poses],
            z=values,
            customdata=[[[identity, pose] for identity in shown.index] for pose in poses],
            colorscale=SEQUENTIAL,
            zmin=0,
            zmax=max(1, int(values.max())),
            showscale=False,
            xgap=1 if len(shown) < 80 else 0,
            ygap=2,
            texttemplate="%{z}" if len(shown) <= 30 else None,
            hovertemplate="%{x}, %{y}: %{z} images<extra></extra>",
        )
    )
    left_out = f" (the first {SHOWN_IDENTITIES} of {len(counted):,})" if len(counted) > SHOWN_IDENTITIES else ""
    figure.update_xaxes(
        title=f"{len(counted):,} identities{left_out}",
        type="category",
        showticklabels=False,
        fixedrange=True,
        showgrid=False,
        ticks="",
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True, showgrid=False, ticks="")
    return finish(
        figure, "identity-by-pose", counted.reset_index(), dragmode=False, margin={"l": 88, "r": 8, "t": 12, "b": 40}
    )
