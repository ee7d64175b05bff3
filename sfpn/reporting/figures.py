"""Figures of a report file: pose matrix, DET curves, scores, error by yaw and pitch, differences. Computes no rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sfpn.evaluation.cells import Cell
from sfpn.reporting import svg
from sfpn.reporting.views import yaw_table
from sfpn.reporting.words import interval, percent
from sfpn.schema import POSE_LABELS, POSES, pair_from_key, pair_key, pose_pair

FULL_SCALE = 0.15  # rates from here on get the darkest colour, as in the app
TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.4, 0.8)
LOWEST, WIDEST = 0.0002, 0.9  # rates beyond are not drawn
SHOWN_BINS = 90


def matrix(table: pd.DataFrame, title: str) -> str:
    """The pose matrix of one metric; `table` as views.table_of gives it."""
    lines = table.set_index("pose_pair").to_dict("index")
    poses = [pose for pose in POSES if any(pose in pair_from_key(key) for key in lines)]
    rates = table["rate"].dropna()
    top = max(FULL_SCALE, float(np.max(rates))) if len(rates) else 1.0
    left, head, wide, high = 74, 34, 88, 48
    parts = [svg.text(0, 11, title, font_weight="bold")]
    for i, down in enumerate(poses):
        parts.append(svg.text(left + wide * (i + 0.5), head - 7, POSE_LABELS[down], "middle", fill=svg.QUIET))
        parts.append(svg.text(left - 6, head + high * (i + 0.55), POSE_LABELS[down], "end", fill=svg.QUIET))
        for j, across in enumerate(poses):
            line = lines.get(pair_key(pose_pair(down, across)))
            if j >= i:
                parts += _matrix_cell(left + wide * j, head + high * i, wide - 3, high - 3, line, top)
    return svg.drawing(left + wide * len(poses), head + high * len(poses), parts, title)


def _matrix_cell(x: float, y: float, width: float, height: float, line: dict | None, top: float) -> list[str]:
    middle = x + width / 2
    if line is None or pd.isna(line["rate"]):
        words = "not in this report" if line is None else "too few pairs"
        empty = svg.box(x, y, width, height, "#ffffff", stroke=svg.GRID)
        return [empty, svg.text(middle, y + height / 2 + 3, words, "middle", fill=svg.QUIET, font_size=9)]
    fill, ink = svg.shade(line["rate"] / top)
    counts = f"{short(line['genuine'])} / {short(line['impostor'])}"
    return [
        svg.box(x, y, width, height, fill),
        svg.text(middle, y + 17, percent(line["rate"]), "middle", fill=ink, font_size=13, font_weight="bold"),
        svg.text(middle, y + 29, interval(line["low"], line["high"]), "middle", fill=ink),
        svg.text(middle, y + 40, counts, "middle", fill=ink, font_size=9),
    ]


def short(count: int) -> str:
    """A count in few letters: 9,450, 178k, 61M."""
    return f"{count:,}" if count < 10_000 else f"{count / 1e3:,.0f}k" if count < 10_000_000 else f"{count / 1e6:,.0f}M"


def det(cells: Sequence[Cell | None], title: str, treatment: str = "whole_image") -> str:
    """FNMR against FMR on normal deviates, one curve per model; rates of zero cannot be drawn and are left out."""
    left, head, side = 38, 20, 170
    low, high = float(ndtri(LOWEST)), float(ndtri(WIDEST))

    def place(rate: np.ndarray | float) -> np.ndarray:
        return np.clip((ndtri(rate) - low) / (high - low), 0, 1) * side

    bottom = head + side
    parts = [svg.text(left, 12, title, font_weight="bold")]
    for tick in TICKS:
        if not LOWEST <= tick <= WIDEST:
            continue
        at, words = float(place(tick)), f"{100 * tick:g}"
        parts += [svg.line(left + at, head, left + at, bottom), svg.line(left, bottom - at, left + side, bottom - at)]
        parts += [svg.text(left + at, bottom + 12, words, "middle", font_size=9)]
        parts += [svg.text(left - 4, bottom - at + 3, words, "end", font_size=9)]
    parts += [svg.line(left, bottom, left + side, head, svg.FRAME, stroke_dasharray="2 3")]
    for cell, (colour, dashes) in zip(cells, svg.MODELS, strict=False):
        if cell is None:
            continue
        curve = cell.det(treatment)
        curve = curve[(curve["fmr"] >= LOWEST) & (curve["fnmr"] >= LOWEST) & (curve[["fmr", "fnmr"]].max(axis=1) < 1)]
        xs, ys = left + place(np.asarray(curve["fmr"])), bottom - place(np.asarray(curve["fnmr"]))
        points = zip(xs.tolist(), ys.tolist(), strict=True)
        parts.append(svg.path(points, colour, stroke_width=1.8, stroke_dasharray=dashes))
    parts.append(svg.box(left, head, side, side, stroke=svg.FRAME))
    parts.append(svg.text(left + side / 2, bottom + 25, "FMR, %", "middle", fill=svg.QUIET))
    parts.append(
        f'<g transform="translate(9 {head + side / 2:g}) rotate(-90)">'
        f"{svg.text(0, 0, 'FNMR, %', 'middle', fill=svg.QUIET)}</g>"
    )
    return svg.drawing(left + side + 8, bottom + 30, parts, f"DET curve, {title}")


def scores(cell: Cell, title: str) -> str:
    """Genuine and impostor scores as shares, and the threshold of the EER."""
    table, left, head, wide, high = cell.tables["histogram"], 8, 20, 200, 70
    edges = table["lower_edge"].to_numpy(float)
    low, top = (float(edges.min()), float(edges.max()) + 2**-10) if len(edges) else (-1.0, 1.0)
    width = (top - low) / SHOWN_BINS
    bins = np.minimum(((edges - low) / width).astype(int), SHOWN_BINS - 1)
    shares = {}
    for kind in ("impostor", "genuine"):
        counts = (table[kind] + table[f"failed_{kind}"]).to_numpy(float)
        shares[kind] = np.bincount(bins, counts, SHOWN_BINS) / max(1.0, counts.sum())
    tallest = max(float(share.max()) for share in shares.values()) or 1.0
    parts, bottom = [svg.text(left, 12, title, font_weight="bold")], head + high
    for kind, colour in (("impostor", svg.IMPOSTOR), ("genuine", svg.GENUINE)):
        steps = [(left, bottom)]
        for number, share in enumerate(shares[kind].tolist()):
            y = bottom - high * share / tallest
            steps += [(left + wide * number / SHOWN_BINS, y), (left + wide * (number + 1) / SHOWN_BINS, y)]
        parts.append(svg.path([*steps, (left + wide, bottom)], colour, fill=colour, fill_opacity=0.3, stroke_width=1))
    threshold = cell.rates().eer_threshold
    if threshold is not None:
        x = left + wide * min(max((threshold - low) / (top - low), 0), 1)
        parts.append(svg.line(x, head, x, bottom, svg.INK, stroke_dasharray="3 2"))
        parts.append(svg.text(x, bottom + 12, f"{threshold:.3f}", "middle", font_size=9))
    parts.append(svg.line(left, bottom, left + wide, bottom, svg.FRAME))
    parts += [svg.text(left, bottom + 12, f"{low:.2f}", font_size=9, fill=svg.QUIET)]
    parts += [svg.text(left + wide, bottom + 12, f"{top:.2f}", "end", font_size=9, fill=svg.QUIET)]
    return svg.drawing(left + wide + 8, bottom + 18, parts, f"Genuine and impostor scores, {title}")


def by_yaw(cells: Mapping[str, Sequence[Cell]], treatment: str = "whole_image") -> str:
    """EER with its 95 % interval against |yaw difference|, one line per named series; '' without yaws."""
    tables = [yaw_table(series, treatment) for series in cells.values()]
    known = pd.concat(tables).dropna(subset=["eer"]) if tables else pd.DataFrame()
    if known.empty:
        return ""
    bands = list(dict.fromkeys(band for table in tables for band in table["band"]))
    top = _nice(float(known[["eer", "high"]].max().max()))
    left, head, wide, high = 34, 22, 320, 150
    parts = _rate_axis(left, head, wide, high, top)
    for number, band in enumerate(bands):
        x = left + wide * (number + 0.5) / len(bands)
        parts.append(svg.text(x, head + high + 13, band, "middle", font_size=9))
    parts.append(
        svg.text(left + wide / 2, head + high + 27, "difference of yaw of the two faces", "middle", fill=svg.QUIET)
    )
    for shift, table, (colour, dashes) in zip((-3, 3), tables, svg.MODELS, strict=False):
        points = []
        for row in table.dropna(subset=["eer"]).to_dict("records"):
            x = left + wide * (bands.index(row["band"]) + 0.5) / len(bands) + (shift if len(tables) > 1 else 0)
            ends = [head + high * (1 - min(float(rate), top) / top) for rate in (row["low"], row["eer"], row["high"])]
            parts += [svg.line(x, ends[0], x, ends[2], colour), svg.dot(x, ends[1], colour)]
            points.append((x, ends[1]))
        parts.append(svg.path(points, colour, stroke_width=1.5, stroke_dasharray=dashes))
    return svg.drawing(left + wide + 6, head + high + 32, parts, "EER by difference of yaw")


def _rate_axis(left: float, head: float, wide: float, high: float, top: float) -> list[str]:
    """Horizontal lines at rates from 0 to `top`, in per cent."""
    parts = []
    for step in range(5):
        y = head + high * (1 - step / 4)
        parts += [svg.line(left, y, left + wide, y)]
        parts += [svg.text(left - 4, y + 3, f"{100 * top * step / 4:g}", "end", font_size=9)]
    return [*parts, svg.text(2, 11, "EER, %", fill=svg.QUIET)]


def _nice(top: float) -> float:
    """The next round number above."""
    power = 10 ** math.floor(math.log10(max(top, 1e-4)))
    return next(power * factor for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if power * factor >= top)


def differences(table: pd.DataFrame, first: str, second: str) -> str:
    """Second minus first model per pose pair in percentage points, with the paired 95 % interval."""
    shown = table.dropna(subset=["difference"])
    if shown.empty:
        return ""
    reach = max(0.001, float(shown[["low", "high"]].abs().max().max())) * 1.1
    left, head, wide, step = 60, 8, 300, 22
    bottom, middle = head + step * len(shown), left + wide / 2
    parts = [svg.line(middle, head, middle, bottom, svg.FRAME, stroke_dasharray="2 3")]
    for number, row in enumerate(shown.to_dict("records")):
        y = head + step * (number + 0.5)
        ends = [middle + wide / 2 * float(rate) / reach for rate in (row["low"], row["difference"], row["high"])]
        colour = (svg.SECOND if row["difference"] < 0 else svg.FIRST) if row["differs"] else svg.QUIET
        parts += [
            svg.text(left - 8, y + 3, row["label"], "end"),
            svg.line(ends[0], y, ends[2], y, colour, stroke_width=2),
        ]
        parts += [svg.dot(ends[1], y, colour, 4)]
    for share in (-1, -0.5, 0.5, 1):
        at = f"{100 * reach * share:+.1f}"
        parts.append(svg.text(middle + wide / 2 * share, bottom + 13, at, "middle", font_size=9, fill=svg.QUIET))
    words = f"← {second} is better · percentage points · {first} is better →"
    parts.append(svg.text(middle, bottom + 27, words, "middle", fill=svg.QUIET))
    return svg.drawing(left + wide + 24, bottom + 32, parts, "Paired difference of the two models")
