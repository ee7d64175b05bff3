"""The error map over yaw and pitch, and how far the worst people stand from chance, as figures of a report file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sfpn.evaluation.cells import Cell
from sfpn.evaluation.pose_map import PoseMap
from sfpn.reporting import svg
from sfpn.reporting.words import label_of

FULL_SCALE = 0.15
KINDS = ("genuine", "impostor")


def pose_map(found: PoseMap, rate: str, title: str) -> str:
    """`rate` (fmr or fnmr) per cell of yaw and pitch at the threshold of the EER; faces from above at the top."""
    table = found.at()
    columns, rows = len(found.yaw_edges) - 1, len(found.pitch_edges) - 1
    left, head, wide, high = 40, 20, 46, 24
    known = table[rate].dropna()
    top = max(FULL_SCALE, float(np.max(known))) if len(known) else 1.0
    lines = {(line["column"], line["row"]): line for line in table.to_dict("records")}
    parts = [svg.text(0, 12, title, font_weight="bold")]
    for row in range(rows):
        y = head + high * (rows - 1 - row)
        parts.append(svg.text(left - 5, y + 15, f"{_middle(found.pitch_edges, row):+.0f}°", "end", font_size=9))
        for column in range(columns):
            parts += _map_cell(left + wide * column, y, wide - 2, high - 2, lines.get((column, row)), rate, top)
    bottom = head + high * rows
    for column in range(columns):
        at = f"{_middle(found.yaw_edges, column):+.0f}°"
        parts.append(svg.text(left + wide * (column + 0.5) - 1, bottom + 11, at, "middle", font_size=9))
    parts.append(
        svg.text(left + wide * columns / 2, bottom + 24, "yaw across, pitch upwards", "middle", fill=svg.QUIET)
    )
    return svg.drawing(left + wide * columns, bottom + 28, parts, title)


def _middle(edges: Sequence[float], number: int) -> float:
    return round((edges[number] + edges[number + 1]) / 2) + 0.0


def _map_cell(x: float, y: float, width: float, height: float, line: dict | None, rate: str, top: float) -> list[str]:
    if line is None:
        return [svg.box(x, y, width, height, "#ffffff", stroke=svg.GRID)]
    middle, value = x + width / 2, line[rate]
    if pd.isna(value):
        few = svg.text(middle, y + 14, line["images"], "middle", fill=svg.QUIET, font_size=8)
        return [svg.box(x, y, width, height, "#f4f5f6"), few]
    fill, ink = svg.shade(value / top)
    number = f"{100 * value:.1f}" if value < 0.0995 else f"{100 * value:.0f}"
    return [svg.box(x, y, width, height, fill), svg.text(middle, y + 14.5, number, "middle", fill=ink)]


def concentration(cells: Sequence[Cell]) -> str:
    """Per pose pair the share of errors on the ten worst people (dot), and where 95 % of the shuffles lie (bar)."""
    shown = [cell for cell in cells if cell.who_fails is not None]
    if not shown:
        return ""
    left, head, wide, step, gap = 56, 36, 240, 20, 40
    parts = []
    for number, (kind, colour) in enumerate(zip(KINDS, (svg.GENUINE, svg.IMPOSTOR), strict=True)):
        x = left + number * (wide + gap)
        title = "false non-matches" if kind == "genuine" else "false matches"
        parts.append(svg.text(x, 12, f"{title} on the worst ten, %", font_weight="bold"))
        for tick in range(5):
            at = x + wide * tick / 4
            parts += [svg.line(at, head - 6, at, head + step * len(shown)), svg.text(at, head - 8, 25 * tick, "middle")]
        for row, cell in enumerate(shown):
            y = head + step * (row + 0.5)
            parts += _spread(cell, kind, colour, x, y, wide)
            if number == 0:
                parts.append(svg.text(left - 8, y + 3, label_of(cell.pose_pair or ""), "end"))
    width = left + 2 * wide + gap + 12
    return svg.drawing(width, head + step * len(shown) + 6, parts, "Share of the errors on the ten worst people")


def _spread(cell: Cell, kind: str, colour: str, x: float, y: float, wide: float) -> list[str]:
    spread = cell.who_fails.of(kind) if cell.who_fails else None
    if spread is None or spread.worst_share is None:
        return [svg.text(x + 4, y + 3, "no errors", fill=svg.QUIET, font_size=9)]
    low, high = (x + wide * float(end or 0) for end in (spread.chance_low, spread.chance_high))
    return [svg.box(low, y - 4, max(high - low, 2), 8, "#c3c9d0"), svg.dot(x + wide * spread.worst_share, y, colour, 4)]
