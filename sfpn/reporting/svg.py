"""Small drawings as SVG text: no script, no style sheet, no font of its own, so that they look alike everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

INK, QUIET, GRID, FRAME = "#1f2937", "#5b6470", "#e3e6ea", "#9aa2ab"
FIRST, SECOND = "#0072B2", "#D55E00"  # of Okabe and Ito: the colour-blind tell them apart, and the second is dashed too
MODELS = ((FIRST, ""), (SECOND, "5 3"))  # colour and dashes of the first and second model
GENUINE, IMPOSTOR = "#0072B2", "#D55E00"
LOW, MIDDLE, HIGH = (238, 244, 249), (127, 178, 214), (8, 68, 126)  # light = low; one hue: only lightness matters


def drawing(width: float, height: float, parts: Iterable[str], label: str) -> str:
    """A picture of that many pixels, `label` for those who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} '
        f'{height:g}" role="img" aria-label="{escape(label)}" font-family="Liberation Sans, Arial, Helvetica, '
        f'sans-serif" font-size="10" fill="{INK}">{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: object, anchor: str = "start", **attributes: object) -> str:
    """Words at a place; anything may stand in them."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{_attributes(attributes)}>{escape(str(words))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID, **attributes: object) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{_attributes(attributes)}/>'


def box(x: float, y: float, width: float, height: float, fill: str = "none", **attributes: object) -> str:
    """A rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}" '
        f'fill="{fill}"{_attributes(attributes)}/>'
    )


def path(points: Iterable[tuple[float, float]], stroke: str = INK, **attributes: object) -> str:
    """A line through points."""
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    filled = {"fill": "none"} | attributes
    return f'<path d="M{way}" stroke="{stroke}"{_attributes(filled)}/>' if way else ""


def dot(x: float, y: float, fill: str, radius: float = 3) -> str:
    """A point."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"/>'


def shade(share: float) -> tuple[str, str]:
    """(fill, ink on it) for a share (0-1) of the darkest."""
    share = min(max(share, 0.0), 1.0)
    start, end, part = (LOW, MIDDLE, 2 * share) if share < 0.5 else (MIDDLE, HIGH, 2 * share - 1)
    fill = ",".join(f"{a + part * (b - a):.0f}" for a, b in zip(start, end, strict=True))
    return f"rgb({fill})", "#ffffff" if share > 0.55 else INK


def _attributes(attributes: dict[str, object]) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items() if value)
