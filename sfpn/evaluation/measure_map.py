"""Measures the error map: compares the images of each pose with the near frontal, level ones, and bootstraps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sfpn.evaluation import metrics
from sfpn.evaluation.bootstrap import EDGE_STEP, Draws, Rounds, resample_at
from sfpn.evaluation.comparisons import BLOCK_SCORES, Block, Samples, cosines
from sfpn.evaluation.measure import interval
from sfpn.evaluation.pose_map import PAIRS, RATES, PoseMap
from sfpn.evaluation.tally import TREATMENTS, Tally, tally
from sfpn.schema import FRONTAL_BELOW_DEGREES, UNKNOWN, OperatingPoint

# Cells of 15 by 15 degrees around 0, so that 0, 45 and 90 degrees, where faces are photographed, lie amid a cell.
YAW_EDGES = tuple(np.arange(-97.5, 98, 15.0).tolist())
PITCH_EDGES = tuple(np.arange(-52.5, 53, 15.0).tolist())
LEVEL_BELOW_DEGREES = 15.0
TARGETS: tuple[float, ...] = (UNKNOWN, *metrics.FMR_TARGETS)  # unknown: the threshold of the equal error rate
ENOUGH_GENUINE = 30  # with fewer, even no error at all would leave an FNMR of 10 % possible
ENOUGH_SUBJECTS = 5
PAIRS_KEPT = 12


@dataclass(frozen=True)
class AgainstReferences:
    """Every unordered pair of distinct samples of which one is in `images` and the other in `references`.

    Both are ascending positions in the samples, and may overlap.
    """

    images: np.ndarray
    references: np.ndarray

    @property
    def size(self) -> int:
        """How many pairs there are at most."""
        return len(self.images) * len(self.references)

    @property
    def members(self) -> np.ndarray:
        """Positions of the samples that are compared."""
        return np.union1d(self.images, self.references)

    def blocks(self, samples: Samples) -> Iterator[Block]:
        """All scores, a few images at a time."""
        right = samples.embeddings[self.references]
        rows = max(1, BLOCK_SCORES // max(1, len(self.references)))
        also_image, also_reference = np.isin(self.references, self.images), np.isin(self.images, self.references)
        for start in range(0, len(self.images), rows):
            first = self.images[start : start + rows, None]
            again = also_reference[start : start + rows, None] & also_image[None]  # the pair is met from both sides
            counted = ~again | (first < self.references[None])
            yield Block(first, self.references[None], cosines(samples.embeddings[first[:, 0]] @ right.T), counted)


def measure_map(samples: Samples, pitch_degrees: np.ndarray, draws: Draws) -> PoseMap | None:
    """The error map of images with pitch (N,) in degrees, NaN where unknown; None without images or references."""
    yaw, pitch = samples.yaw_degrees.astype(float), np.asarray(pitch_degrees, float)
    posed = np.isfinite(yaw) & np.isfinite(pitch)
    columns, rows = _place(YAW_EDGES, yaw), _place(PITCH_EDGES, pitch)
    inside = posed & (columns >= 0) & (rows >= 0)
    images = np.flatnonzero(inside)
    frontal = (np.abs(yaw) < FRONTAL_BELOW_DEGREES) & (np.abs(pitch) < LEVEL_BELOW_DEGREES)
    references = np.flatnonzero(inside & frontal)
    if not len(references):
        return None
    together = tally(samples, AgainstReferences(images, references))
    treatments = TREATMENTS if together.any_failed else TREATMENTS[:1]
    points = {name: tuple(_point(together, name, target) for target in TARGETS) for name in treatments}
    rates, pairs = [], []
    for column, row in sorted(set(zip(columns[images].tolist(), rows[images].tolist(), strict=True))):
        place = {"column": column, "row": row}
        chosen = np.flatnonzero(inside & (columns == column) & (rows == row))
        compared = AgainstReferences(chosen, references)
        counted = tally(samples, compared)
        rates += [place | line for line in _rates(samples, compared, counted, points, draws)]
        pairs.append(_pairs(samples, counted).assign(**place))
    return PoseMap(
        yaw_edges=YAW_EDGES,
        pitch_edges=PITCH_EDGES,
        reference_yaw_degrees=FRONTAL_BELOW_DEGREES,
        reference_pitch_degrees=LEVEL_BELOW_DEGREES,
        references=len(references),
        images=len(images),
        left_out={
            "images without a yaw or a pitch": int((~posed).sum()),
            "images turned beyond the map": int((posed & ~inside).sum()),
        },
        points=points,
        rates=pd.DataFrame(rates).reindex(columns=list(RATES)),
        pairs=pd.concat(pairs, ignore_index=True).reindex(columns=list(PAIRS)),
    )


def _place(edges: tuple[float, ...], angles: np.ndarray) -> np.ndarray:
    """(N,) number of the cell of each angle, -1 for one that is unknown or beyond the edges."""
    with np.errstate(invalid="ignore"):
        inside = (angles >= edges[0]) & (angles < edges[-1])
    return np.where(inside, np.searchsorted(edges, angles, side="right") - 1, -1)


def _point(together: Tally, treatment: str, target: float) -> OperatingPoint:
    """A threshold of the whole map, on the grid of the bootstrap, so that counts and rounds are about the same one."""
    genuine, impostor = together.treated(treatment)
    found = metrics.eer(genuine, impostor).threshold if target is UNKNOWN else np.nan
    if target is not UNKNOWN and metrics.is_supported(target, impostor.total) and genuine.total:
        found = metrics.lowest_threshold(genuine, impostor, target)
    if not np.isfinite(found):
        return OperatingPoint(target_fmr=target, supported=False, genuine=genuine.total, impostor=impostor.total)
    return metrics.rates_at(genuine, impostor, float(np.ceil(found / EDGE_STEP) * EDGE_STEP), target)


def _rates(
    samples: Samples,
    compared: AgainstReferences,
    counted: Tally,
    points: dict[str, tuple[OperatingPoint, ...]],
    draws: Draws,
) -> Iterator[dict]:
    """The lines of one cell."""
    thresholds = {point.threshold for each in points.values() for point in each if point.supported}
    edges = np.array(sorted({-1.0, *thresholds}))
    rounds = resample_at(samples, compared, counted, draws, edges)
    chosen = compared.images
    about = {
        "images": len(chosen),
        "failures": int((~samples.acquired[chosen]).sum()),
        "subjects": len(np.unique(samples.subjects[chosen])),
    }
    for treatment, each in points.items():
        for point in each:
            line = about | {
                "treatment": treatment,
                "target_fmr": np.nan if point.target_fmr is UNKNOWN else point.target_fmr,
            }
            yield line | _errors(samples, counted, rounds, point, treatment)


def _errors(samples: Samples, counted: Tally, rounds: Rounds, point: OperatingPoint, treatment: str) -> dict:
    """Counts, and the rates with their intervals where there are comparisons enough."""
    genuine, impostor = counted.treated(treatment)
    line = dict.fromkeys(RATES[9:], np.nan) | {"genuine": genuine.total, "impostor": impostor.total}
    if not point.supported:
        return line
    found = metrics.rates_at(genuine, impostor, point.threshold)
    line |= {"false_matches": found.false_matches, "false_non_matches": found.false_non_matches}
    fmr, fnmr = rounds.treated(treatment).at(int(np.searchsorted(rounds.edges, point.threshold)) - len(rounds.edges))
    people = counted.genuine_subjects(samples)
    if genuine.total >= ENOUGH_GENUINE and people >= ENOUGH_SUBJECTS:
        low, high = interval(found.fnmr, fnmr, people)
        line |= {"fnmr": found.fnmr, "fnmr_low": low, "fnmr_high": high}
    if metrics.is_supported(point.target_fmr or metrics.FMR_TARGETS[0], impostor.total):
        low, high = interval(found.fmr, fmr, max(people, 1))
        line |= {"fmr": found.fmr, "fmr_low": low, "fmr_high": high}
    return line


def _pairs(samples: Samples, counted: Tally) -> pd.DataFrame:
    """The hardest pairs of one cell by row_id."""
    tables = []
    for kind, pairs in (("genuine", counted.hardest_genuine), ("impostor", counted.hardest_impostors)):
        kept = pairs.take(np.arange(min(PAIRS_KEPT, len(pairs.scores))))
        acquired = samples.acquired[kept.first] & samples.acquired[kept.second]
        ids = {"row_id_a": samples.row_ids[kept.first], "row_id_b": samples.row_ids[kept.second]}
        rank = np.arange(1, len(kept.scores) + 1)
        tables.append(pd.DataFrame({"kind": kind, "rank": rank, **ids, "score": kept.scores, "acquired": acquired}))
    return pd.concat(tables, ignore_index=True)
