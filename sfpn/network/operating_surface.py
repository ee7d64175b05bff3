"""What a card knows of thresholds by angle: at the nodes of a grid of |yaw|, with the scores behind the error rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from sfpn.network.template_rates import Count

Degrees = Annotated[float, Field(ge=0, le=1000)]


@dataclass(frozen=True, kw_only=True)
class SurfaceLevel:
    """Thresholds for one target FMR at the nodes of an OperatingSurface, and what stands behind each.

    Set: `threshold`, the `width_degrees` of the kernel and the effective number of `comparisons`. Measured on other
    people, in the square of `within_degrees` around the node: comparisons and errors.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    target_fmr: Annotated[float, Field(gt=0, lt=1)]
    threshold: tuple[Annotated[float, Field(ge=-1, le=2)], ...]
    width_degrees: tuple[Degrees, ...]
    comparisons: tuple[Count, ...]
    within_degrees: tuple[Degrees, ...] = ()
    impostor: tuple[Count, ...] = ()
    false_matches: tuple[Count, ...] = ()
    genuine: tuple[Count, ...] = ()
    false_non_matches: tuple[Count, ...] = ()


@dataclass(frozen=True)
class SurfaceCell:
    """Counts of scores by bin, from the bin with the number `..._from` on; the bins that are not named are empty."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    genuine_from: Count
    genuine: tuple[Count, ...]
    impostor_from: Count
    impostor: tuple[Count, ...]


@dataclass(frozen=True)
class SurfaceScores:
    """Scores of other people in equal bins between low and high, by the |yaw| of both faces.

    `cells`: n (n - 1) / 2 for an axis of n nodes, of the intervals (i, j) between neighbours with i <= j, i by i.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    low: float
    high: float
    bins: Annotated[int, Field(ge=1, le=10_000)]
    cells: tuple[SurfaceCell, ...]


@dataclass(frozen=True)
class OperatingSurface:
    """Thresholds by the |yaw| of both faces; see sfpn.evaluation.surface, which makes and reads it.

    `yaw_degrees` (n,) is the axis; a level holds n (n + 1) / 2 values, of the nodes (a, b) with a <= b, a by a.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    yaw_degrees: Annotated[tuple[Degrees, ...], Field(min_length=2, max_length=91)]
    levels: tuple[SurfaceLevel, ...]
    set_on: str
    measured_on: str = ""
    scores: SurfaceScores | None = None  # those that the levels were measured on


def checked(surface: OperatingSurface) -> OperatingSurface:
    """Raise ValueError for a surface that contradicts itself."""
    axis = surface.yaw_degrees
    if any(after <= before for before, after in zip(axis, axis[1:], strict=False)):
        raise ValueError("yaw_degrees must rise")
    nodes = len(axis) * (len(axis) + 1) // 2
    for level in surface.levels:
        wrong = [name for name, values in vars(level).items() if isinstance(values, tuple) and len(values) != nodes]
        if wrong:
            raise ValueError(f"levels must hold {nodes} values each, and {wrong[0]} holds {len(vars(level)[wrong[0]])}")
    if surface.scores is not None:
        _check_scores(surface.scores, nodes - len(axis))
    return surface


def _check_scores(scores: SurfaceScores, cells: int) -> None:
    if len(scores.cells) != cells:
        raise ValueError(f"scores must hold {cells} cells, not {len(scores.cells)}")
    if scores.low >= scores.high:
        raise ValueError(f"scores.low must be below scores.high, not {scores.low:g} and {scores.high:g}")
    for cell in scores.cells:
        if max(cell.genuine_from + len(cell.genuine), cell.impostor_from + len(cell.impostor)) > scores.bins:
            raise ValueError(f"scores.cells must have no bin beyond the {scores.bins} that there are")
