"""One cell of a report: the rates of one set of comparisons, with counts, intervals, curves and hardest pairs.

Made by sfpn.evaluation.measure, kept by sfpn.evaluation.report; reading one needs neither a model nor scores.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sfpn.evaluation import metrics
from sfpn.evaluation.scores import Scores
from sfpn.evaluation.tally import TREATMENTS, treat
from sfpn.evaluation.who_fails import PAIR_COLUMNS, WhoFails
from sfpn.schema import POOLED, POSE_LABELS, POSE_PAIRS, POSES, OperatingPoint, pair_key

WHOLE_IMAGE = TREATMENTS[0]
CONFIDENCE = 0.95

Mix = tuple[tuple[str, int], ...]  # pose -> images of it in a template, as pairs in the order of POSES
Sides = tuple[Mix, Mix]  # the templates of both sides


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Rates (0-1) under one treatment of failures to acquire, with 95 % intervals by bootstrap over subjects.

    Where no error was seen, the upper end is the exact binomial bound for as many trials as there are subjects.
    `eer_span` encloses the EER whatever the order of tied scores (for a cell counted on the grid: the grid error).
    `operating_points` have one point per target of metrics.FMR_TARGETS, supported or not.
    """

    genuine: int
    impostor: int
    eer: float | None
    eer_low: float | None
    eer_high: float | None
    eer_threshold: float | None
    eer_span: tuple[float | None, float | None]
    auc: float | None
    d_prime: float | None
    operating_points: tuple[OperatingPoint, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Everything known about one set of comparisons. Rates are fractions; pairs are named by `row_id`.

    `images` and `failures` count, per pose, the images compared and those where no face was found. `grid_step` is 0
    where point estimates are exact. `sides` are the mixes of drawn templates; `template_size` is then the larger one's.
    `tables` (pandas):
    * det: treatment, threshold, fmr, fnmr, exact at about 250 thresholds;
    * histogram: lower_edge, genuine, impostor, failed_genuine, failed_impostor (failed: a face was not found);
    * hardest: kind (genuine | impostor), rank from 1, row_id_a, row_id_b, template_a, template_b, score, acquired;
    * rounds: treatment, metric (eer | fnmr_at_0.01 ...), round, value;
    * people_pairs: as `hardest` with identity: the worst pairs of the people in `who_fails`.
    `who_fails` is None, and people_pairs not there, in cells of one fold, of no pose pair or of drawn templates,
    and in older reports.
    """

    protocol: str
    pose_pair: str | None
    fold: int | None
    template_size: int
    yaw_band: tuple[float, float] | None
    subjects: int
    images: dict[str, int]
    failures: dict[str, int]
    grid_step: float
    accuracy: float | None
    accuracy_deviation: float | None
    treatments: dict[str, Rates]
    sides: Sides | None = None
    who_fails: WhoFails | None = None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    __pydantic_config__ = {"arbitrary_types_allowed": True, "extra": "forbid"}  # for reading it back (Report.load)

    def __post_init__(self) -> None:
        if self.pose_pair not in (None, POOLED, *map(pair_key, POSE_PAIRS)):
            raise ValueError(f"pose_pair {self.pose_pair!r} is none")
        if self.sides is not None and not all(_is_mix(mix) for mix in self.sides):
            raise ValueError(f"sides {self.sides!r:.80} are not images by pose")
        if WHOLE_IMAGE not in self.treatments or not set(self.treatments) <= set(TREATMENTS):
            raise ValueError(f"treatments must be {', '.join(TREATMENTS)}, or only {WHOLE_IMAGE}")

    @property
    def images_a_side(self) -> int | str:
        """Images of a template: a number, or '5+4' where the two sides have different ones."""
        if self.sides is None:
            return self.template_size
        first, second = (sum(size for _, size in mix) for mix in self.sides)
        return first if first == second else f"{first}+{second}"

    def rates(self, treatment: str = WHOLE_IMAGE) -> Rates:
        """Rates with undetected faces embedded from the `whole_image` (default), `skip`ped, or `reject`ed."""
        return self.treatments[self._stored(treatment)]

    def det(self, treatment: str = WHOLE_IMAGE) -> pd.DataFrame:
        """DET points: threshold, fmr, fnmr."""
        return self._of("det", treatment)

    def hardest(self, kind: str) -> pd.DataFrame:
        """The up to 50 hardest `genuine` or `impostor` pairs, hardest first."""
        table = self.tables["hardest"]
        return table.loc[table["kind"] == kind].reset_index(drop=True)

    def pairs_of(self, identity: str, kind: str) -> pd.DataFrame:
        """The worst `genuine` or `impostor` pairs of a person in `who_fails`, worst first; empty for anybody else."""
        table = self.tables.get("people_pairs", pd.DataFrame(columns=list(PAIR_COLUMNS)))
        return table.loc[(table["kind"] == kind) & (table["identity"] == identity)].reset_index(drop=True)

    def rounds(self, metric: str = "eer", treatment: str = WHOLE_IMAGE) -> np.ndarray:
        """The value of a metric in every bootstrap round (NaN where it is not defined)."""
        table = self._of("rounds", treatment)
        return table.loc[table["metric"] == metric, "value"].to_numpy()

    def rates_at(self, threshold: float, treatment: str = WHOLE_IMAGE) -> OperatingPoint:
        """Rates and counts at any threshold; exact at the edges of the histogram (steps of 1 / 1024)."""
        table = self.tables["histogram"]
        edges = table["lower_edge"].to_numpy()
        genuine, impostor = (
            treat(
                Scores.binned(edges, np.asarray(table[kind])),
                Scores.binned(edges, np.asarray(table[f"failed_{kind}"])),
                treatment,
            )
            for kind in ("genuine", "impostor")
        )
        return metrics.rates_at(genuine, impostor, threshold)

    def _stored(self, treatment: str) -> str:
        """Without failures to acquire the three treatments are one, and only that is stored."""
        if treatment not in TREATMENTS:
            raise ValueError(f"unknown treatment {treatment!r}; treatments are {', '.join(TREATMENTS)}")
        return treatment if treatment in self.treatments else WHOLE_IMAGE

    def _of(self, name: str, treatment: str) -> pd.DataFrame:
        table = self.tables[name]
        chosen = table["treatment"] == self._stored(treatment)
        return table.loc[chosen].drop(columns="treatment").reset_index(drop=True)


def _is_mix(mix: Mix) -> bool:
    poses = [pose for pose, _ in mix]
    return bool(mix) and poses == [pose for pose in POSES if pose in poses] and all(size > 0 for _, size in mix)


def mix_words(mix: Mix) -> str:
    """One side of a comparison of templates in words.

    >>> mix_words((("frontal", 1), ("three_quarter", 2)))
    '1 frontal + 2 three-quarter'
    """
    return " + ".join(f"{size} {POSE_LABELS[pose]}" for pose, size in mix)


def yaw_band_words(band: tuple[float, float] | None) -> str:
    """'15-30°', for a cell by |yaw difference|; '' for another."""
    return f"{band[0]:g}-{band[1]:g}°" if band else ""


def metric_name(target_fmr: float) -> str:
    """The name under which the rounds of FNMR at an FMR target are kept."""
    return f"fnmr_at_{target_fmr:g}"
