"""Where a pair lies on the operating surface: a small map of the threshold over both |yaw|, as SVG."""

from __future__ import annotations

from functools import lru_cache
from html import escape

import numpy as np

from demo.common.figures import SEQUENTIAL
from sfpn.evaluation import surface
from sfpn.network.operating_surface import OperatingSurface
from sfpn.verification.decision import DEFAULT_FMR, DecisionRule

STEP = 5.0  # degrees a square of the map
TICKS = (0, 30, 60, 90)
MARGIN = 14.0  # in the map's units, degrees: room for the ticks


def surface_map(known: OperatingSurface | None, rule: DecisionRule) -> str:
    """The map with the pair as a dot and the square of counted pairs, as HTML; '' where there is no surface.

    It shows the thresholds of the rule's target, or of the usual one where the threshold was set by hand.
    """
    if known is None or rule.yaws_degrees is None:
        return ""
    level = surface.level_of(known, rule.point.target_fmr) or surface.level_of(known, DEFAULT_FMR)
    if level is None:
        return ""
    cells, low, high = _cells(known.yaw_degrees, level.threshold)
    end = known.yaw_degrees[-1]
    one_in = round(1 / level.target_fmr)
    a, b = rule.yaws_degrees
    label = f"Map of the threshold by how far both faces turn; this pair lies at {a:.0f} and {b:.0f} degrees"
    view = f"{-MARGIN:g} -3 {end + MARGIN + 8:g} {end + MARGIN + 3:g}"
    return (
        f'<figure class="surface-map"><svg viewBox="{view}" role="img" aria-label="{escape(label)}">'
        f"{cells}{_ticks(end)}{_square(rule, end)}{_dot(a, b, end)}</svg>"
        f"<figcaption>Threshold for 1 stranger in {one_in:,}, by how far person A (across) and B (up) turn: "
        f"{_key(0.0)} {low:.2f} to {_key(1.0)} {high:.2f}. The dot is this pair, the frame the pairs that are counted."
        "</figcaption></figure>"
    )


@lru_cache(maxsize=32)  # a few targets of a few cards; comparisons differ in the dot alone
def _cells(yaw_degrees: tuple[float, ...], thresholds: tuple[float, ...]) -> tuple[str, float, float]:
    """The squares of the map, the lowest and the highest threshold in it."""
    end = yaw_degrees[-1]
    middles = np.arange(yaw_degrees[0] + STEP / 2, end, STEP)
    x, y = (axis.ravel() for axis in np.meshgrid(middles, middles))
    table = surface.interpolate_on(yaw_degrees, thresholds, x, y)
    low, high = float(table.min()), float(table.max())
    colours = map(_colour, (table - low) / max(high - low, 1e-9))
    cells = "".join(
        f'<rect x="{across - STEP / 2:g}" y="{end - up - STEP / 2:g}" width="{STEP + 0.1:g}" height="{STEP + 0.1:g}" '
        f'fill="{colour}"/>'
        for across, up, colour in zip(x, y, colours, strict=True)
    )
    return cells, low, high


def _colour(share: float) -> str:
    """Of the sequential scale at 0 to 1, as #rrggbb."""
    at = [position for position, _ in SEQUENTIAL]
    channels = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in SEQUENTIAL])
    mixed = (round(float(np.interp(share, at, channel))) for channel in channels.T)
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _key(share: float) -> str:
    return f'<i class="key" style="background:{_colour(share)}"></i>'


def _ticks(end: float) -> str:
    shown = [tick for tick in TICKS if tick <= end]
    across = "".join(f'<text x="{tick}" y="{end + 8:g}" text-anchor="middle">{tick}°</text>' for tick in shown)
    up = "".join(f'<text x="-2" y="{end - tick + 2.5:g}" text-anchor="end">{tick}°</text>' for tick in shown[1:])
    return across + up


def _square(rule: DecisionRule, end: float) -> str:
    """The frame of the counted pairs: who turns less is across or up, as the pair has it."""
    if rule.square_degrees is None or rule.yaws_degrees is None:
        return ""
    a, b = rule.yaws_degrees
    across, up = rule.square_degrees if a <= b else rule.square_degrees[::-1]
    place = f'x="{across[0]:g}" y="{end - up[1]:g}" width="{across[1] - across[0]:g}" height="{up[1] - up[0]:g}"'
    return f'<rect class="under" {place}/><rect class="frame" {place}/>'


def _dot(a: float, b: float, end: float) -> str:
    return f'<circle class="pair" cx="{min(a, end):.1f}" cy="{end - min(b, end):.1f}" r="2.6"/>'
