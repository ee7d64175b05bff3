"""The error map of a report: at which poses does the model fail, when the other image is near frontal and level?

A cell of the map holds images of one yaw and pitch; each is compared with every reference, that is every image that
looks into the camera (|yaw| and |pitch| below the limits). One threshold holds for all cells, so that they can be
compared with each other. The pose of one image, not the difference of two: an enrolled photo is mostly frontal, two
profiles differ by nothing and are still hard, and a face from above is not one from below.

Made by sfpn.evaluation.measure_map, kept by sfpn.evaluation.report; reading one needs neither a model nor scores.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from sfpn.evaluation.cells import WHOLE_IMAGE
from sfpn.evaluation.tally import TREATMENTS
from sfpn.schema import OperatingPoint

RATES = (
    *("treatment", "target_fmr", "column", "row", "images", "failures", "subjects", "genuine", "impostor"),
    *("false_matches", "false_non_matches", "fmr", "fmr_low", "fmr_high", "fnmr", "fnmr_low", "fnmr_high"),
)
PAIRS = ("column", "row", "kind", "rank", "row_id_a", "row_id_b", "score", "acquired")


@dataclass(frozen=True, kw_only=True)
class PoseMap:
    """Error rates (0-1) by the yaw and pitch of an image, each compared with every near frontal, level image.

    `yaw_edges` and `pitch_edges` (degrees, ascending) bound the columns and rows; cell k is edges[k] <= angle <
    edges[k + 1]. References: |yaw| < `reference_yaw_degrees` and |pitch| < `reference_pitch_degrees`. `left_out` counts
    the images that are in no cell, by reason. `points`: per treatment of failures to acquire the thresholds, each set
    on all comparisons of the map together: at the equal error rate (target_fmr None) and at each FMR target.
    Tables (pandas):
    * rates: one line per treatment, target_fmr (NaN: equal error rate) and cell (column, row from 0) that holds images:
      images, failures, subjects, genuine, impostor, false_matches, false_non_matches, and fmr and fnmr, each with _low
      and _high (95 %, bootstrap over subjects); NaN where the comparisons are too few. Without failures to acquire only
      the treatment whole_image is kept.
    * pairs: the up to 12 hardest pairs per cell and kind (genuine | impostor): column, row, kind, rank from 1, row_id_a
      (the image of the cell), row_id_b (the reference), score, acquired.
    """

    yaw_edges: tuple[float, ...]
    pitch_edges: tuple[float, ...]
    reference_yaw_degrees: float
    reference_pitch_degrees: float
    references: int
    images: int
    left_out: dict[str, int]
    points: dict[str, tuple[OperatingPoint, ...]]
    rates: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)

    __pydantic_config__ = {"arbitrary_types_allowed": True, "extra": "forbid"}  # for reading it back (Report.load)

    def __post_init__(self) -> None:
        for edges in (self.yaw_edges, self.pitch_edges):
            if len(edges) < 2 or list(edges) != sorted(set(edges)):
                raise ValueError("the edges of the error map must ascend")
        if WHOLE_IMAGE not in self.points or not set(self.points) <= set(TREATMENTS):
            raise ValueError(f"treatments must be {', '.join(TREATMENTS)}, or only {WHOLE_IMAGE}")

    def point(self, target_fmr: float | None = None, treatment: str = WHOLE_IMAGE) -> OperatingPoint:
        """The threshold for a target, with the rates of all cells together. Raises KeyError for an unknown target."""
        for point in self.targets(treatment):
            if point.target_fmr == target_fmr:
                return point
        raise KeyError(f"the error map has no target FMR {target_fmr}")

    def targets(self, treatment: str = WHOLE_IMAGE) -> tuple[OperatingPoint, ...]:
        """All thresholds: that of the equal error rate, then one per FMR target."""
        return self.points[self._stored(treatment)]

    def at(self, target_fmr: float | None = None, treatment: str = WHOLE_IMAGE) -> pd.DataFrame:
        """The lines of `rates` at one threshold: one per cell that holds images."""
        table: Any = self.rates
        wanted = table["target_fmr"].isna() if target_fmr is None else table["target_fmr"] == target_fmr
        return table[wanted & (table["treatment"] == self._stored(treatment))].reset_index(drop=True)

    def hardest(self, column: int, row: int, kind: str) -> pd.DataFrame:
        """The hardest `genuine` or `impostor` pairs of a cell, hardest first; empty for a cell without images."""
        table: Any = self.pairs
        chosen = (table["column"] == column) & (table["row"] == row) & (table["kind"] == kind)
        return table[chosen].reset_index(drop=True)

    def with_tables(self, rates: pd.DataFrame, pairs: pd.DataFrame) -> PoseMap:
        """The same map with its tables. Raises ValueError for a line of a cell that the map does not have."""
        for table in (rates, pairs):
            for name, edges in (("column", self.yaw_edges), ("row", self.pitch_edges)):
                if not set(table[name].tolist()) <= set(range(len(edges) - 1)):
                    raise ValueError(f"the error map has no {name} of that number")
        return replace(self, rates=rates, pairs=pairs)

    def _stored(self, treatment: str) -> str:
        if treatment not in TREATMENTS:
            raise ValueError(f"unknown treatment {treatment!r}; treatments are {', '.join(TREATMENTS)}")
        return treatment if treatment in self.points else WHOLE_IMAGE
