"""Draws what tests.benchmarks.quantisation prints: the change of EER and FNMR per pose pair, with its interval.

python -m tests.benchmarks.quantisation datasets/cfp --folds 1,2,3 > table.md
python -m tests.benchmarks.quantisation_figure table.md docs/images/quantisation.svg

One row a network, way and pose pair; the first way of each network, which the others are compared with, has none.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from sfpn.files import write_text
from sfpn.reporting import svg

NETWORK = re.compile(r"^(\S+) on \S+, ")
CHANGE = re.compile(r"\(([-+][\d.]+) \[([-+][\d.]+), ([-+][\d.]+)\]\)")
LABELS, PANEL, ROW, HEAD, GAP = 190, 230, 17, 40, 44
PANELS = (("EER, points", 1.5), ("FNMR at FMR 1 %, points", 15.0))  # title, and what the axis reaches to either side


@dataclass(frozen=True)
class Change:
    """A row: in points (per cent), the change of either metric and its 95 % interval (value, low, high)."""

    network: str
    way: str
    pose_pair: str
    values: tuple[tuple[float, float, float], ...]


def read(printed: str) -> list[Change]:
    """The rows of all tables, but those of the first way of each network, which are zero."""
    found, network, way, first = [], "", "", ""
    for line in printed.splitlines():
        if match := NETWORK.match(line):
            network, first = match[1], ""
        columns = [column.strip() for column in line.split("|")[1:-1]]
        if len(columns) != 8 or columns[0] in ("way", "---"):
            continue
        way = columns[0] or way
        first = first or way
        values = [CHANGE.search(column) for column in columns[5:7]]
        if way != first and all(values):
            numbers = tuple(tuple(map(float, value.groups())) for value in values if value)
            found.append(Change(network, way, columns[4].split(",")[0], numbers))
    return found


def draw(changes: list[Change]) -> str:
    """The picture as SVG."""
    height = HEAD + ROW * len(changes) + 24
    parts = []
    for number, (title, reach) in enumerate(PANELS):
        left = LABELS + number * (PANEL + GAP)
        middle, scale = left + PANEL / 2, PANEL / 2 / reach
        parts.append(svg.text(middle, 14, title, "middle", font_weight="bold"))
        for tick in (-reach, -reach / 2, 0.0, reach / 2, reach):
            x = middle + tick * scale
            parts.append(svg.line(x, HEAD - 12, x, height - 20, svg.INK if tick == 0 else svg.GRID))
            parts.append(svg.text(x, height - 8, f"{tick:+g}" if tick else "0", "middle", fill=svg.QUIET))
        for row, change in enumerate(changes):
            y = HEAD + ROW * row
            value, low, high = (middle + scale * min(max(v, -reach), reach) for v in change.values[number])
            colour = svg.FIRST if change.network == changes[0].network else svg.SECOND
            parts.append(svg.line(low, y, high, y, colour, stroke_width=2))
            parts.append(svg.dot(value, y, colour, 4))
    for row, change in enumerate(changes):
        parts.append(svg.text(4, HEAD + ROW * row + 4, f"{change.network}, {change.way}: {change.pose_pair}"))
    width = LABELS + len(PANELS) * (PANEL + GAP)
    return svg.drawing(width, height, [svg.box(0, 0, width, height, "#ffffff"), *parts], "Change of error rates, int8")


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("figure", type=Path)
    args = parser.parse_args()
    write_text(draw(read(args.table.read_text(encoding="utf-8"))), args.figure)


if __name__ == "__main__":
    main()
