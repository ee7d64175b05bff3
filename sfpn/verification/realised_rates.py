"""Decisions counted: error rates per given pose pair, target FMR and yaw difference, with intervals over subjects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sfpn.errors import UserError
from sfpn.evaluation import metrics
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.cells import CONFIDENCE
from sfpn.evaluation.comparisons import Block, Samples, by_pose_pair
from sfpn.evaluation.plain import plain
from sfpn.evaluation.protocol import YAW_BANDS
from sfpn.network.card import Card
from sfpn.schema import PosePair, pair_key, pair_record, pose_from_yaw
from sfpn.verification.decision import known_targets, thresholds_for_fmr

NAME = "decisions"
BOUNDS = (0.5, 1.5)  # times the target: within them a promise counts as kept
Band = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Realised:
    """Rates (0-1) of decisions at one target FMR in one given pose pair; `yaw_band` None: whatever the yaws.

    `genuine` and `impostor` are comparisons with both faces found; `frr` also counts genuine comparisons without a
    found face as rejections. `single_threshold_fnmr` is the FNMR at the best single threshold for these very
    comparisons, which nobody can know before: the yardstick for fnmr. `too_few`: fewer impostor comparisons than the
    target needs (3 / target), so that its FMR says little. Intervals: 95 %, bootstrap over subjects.
    `chance_outside` (0-1): how often so few people would show a promise that is kept exactly as an FMR outside
    BOUNDS times the target: the share of the bootstrap's rounds outside BOUNDS times their mean.
    """

    pose_pair: str
    target_fmr: float
    yaw_band: Band | None
    genuine: int
    impostor: int
    false_matches: int
    false_non_matches: int
    fmr: float | None
    fmr_low: float | None
    fmr_high: float | None
    fnmr: float | None
    fnmr_low: float | None
    fnmr_high: float | None
    frr: float | None
    failures: int
    images: int
    single_threshold_fnmr: float | None
    too_few: bool
    chance_outside: float | None

    @property
    def is_outside(self) -> bool:
        """Whether the FMR is outside BOUNDS times the target."""
        low, high = BOUNDS
        return self.fmr is not None and not low * self.target_fmr <= self.fmr <= high * self.target_fmr

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return plain({"protocol": NAME} | asdict(self) | pair_record(self.pose_pair))


def outside_words(found: Sequence[Realised]) -> str:
    """How many promises look broken where there are enough comparisons, and how many would by chance."""
    words = []
    for banded, what in ((False, "pose pairs"), (True, "bands of yaw difference")):
        some = [each for each in found if not each.too_few and (each.yaw_band is not None) == banded]
        outside, chance = sum(each.is_outside for each in some), sum(each.chance_outside or 0 for each in some)
        words.append(f"{outside} of {len(some)} {what} (by chance {chance:.1f})")
    return f"outside {BOUNDS[0]} to {BOUNDS[1]} times the target: {', '.join(words)}"


def realised_rates(samples: Samples, card: Card, rounds: int, seed: int) -> Iterator[Realised]:
    """The rates of all given pose pairs, as Realised has them. Raises UserError for a card without operating points."""
    draws = Draws.of(samples.subject_count, rounds, seed)
    for pair, compared in by_pose_pair(samples):
        counted = Counted(samples, card, pair, draws)
        for block in compared.blocks(samples):
            counted.add(block)
        yield from counted.realised(compared.members)


class Counted:
    """Sums over the comparisons of one given pose pair, per target FMR and yaw band (the first band: whatever yaws).

    Weighted sums of all bootstrap rounds as in sfpn.evaluation.bootstrap: a genuine comparison of a subject drawn w
    times weighs w, an impostor comparison the product of both subjects' draws.
    """

    def __init__(self, samples: Samples, card: Card, pair: PosePair, draws: Draws) -> None:
        self.samples, self.card, self.pair, self.spread = samples, card, pair, np.ascontiguousarray(draws.weights.T)
        self.targets = known_targets(card, pair)
        if not self.targets:
            raise UserError(
                f"model {card.name}: its card has no operating points; make them with: python -m sfpn calibrate"
            )
        self.bands: list[Band | None] = [None, *YAW_BANDS]
        self.poses = np.array([pose_from_yaw(yaw) if np.isfinite(yaw) else "" for yaw in samples.yaw_degrees.tolist()])
        kinds = (2, 1 + len(self.targets), len(self.bands))  # impostor, genuine; all comparisons, then errors by target
        self.sums = np.zeros(kinds, np.int64)
        self.rounds = np.zeros((*kinds, self.spread.shape[1]))
        self.lost_genuine = np.zeros(len(self.bands), np.int64)
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []  # scores, whether genuine

    def add(self, block: Block) -> None:
        """Decide and count a block of comparisons."""
        samples = self.samples
        down, across = np.nonzero(block.counted)
        first, second = block.first[down, 0], block.second[0, across]
        scores = block.scores[down, across]
        same = samples.subjects[first] == samples.subjects[second]
        found = samples.acquired[first] & samples.acquired[second]
        self.lost_genuine[0] += int((same & ~found).sum())
        first, second, scores, same = first[found], second[found], scores[found], same[found]
        self.kept.append((scores, same))
        poses, yaws = (self.poses[first], self.poses[second]), (samples.yaw_degrees[first], samples.yaw_degrees[second])
        errors = [np.ones(len(scores), bool)]
        for target in self.targets:
            errors.append((scores >= thresholds_for_fmr(self.card, target, poses, yaws)) != same)
        bands = np.searchsorted([low for low, _ in YAW_BANDS], np.abs(yaws[0] - yaws[1]), side="right")  # from 1 on
        one, other = samples.subjects[first], samples.subjects[second]
        for number, wrong in enumerate(errors):
            self._sum(0, number, one[wrong & ~same], other[wrong & ~same], bands[wrong & ~same])
            self._sum(1, number, one[wrong & same], None, bands[wrong & same])

    def _sum(self, kind: int, number: int, one: np.ndarray, other: np.ndarray | None, bands: np.ndarray) -> None:
        many, width = len(self.spread), len(self.bands)
        if other is None:
            table = np.bincount(bands * many + one, minlength=width * many).reshape(width, many).astype(np.float32)
            weighted = table @ self.spread
        else:
            order = np.argsort(one, kind="stable")
            one, other, bands = one[order], other[order], bands[order]
            weighted = np.zeros((width, self.spread.shape[1]))
            starts = np.flatnonzero(np.diff(one, prepend=-1))
            for start, stop in zip(starts, np.append(starts, len(one))[1:], strict=True):
                key = bands[start:stop] * many + other[start:stop]
                table = np.bincount(key, minlength=width * many).reshape(width, many).astype(np.float32)
                weighted += (table @ self.spread) * self.spread[one[start]]
        counts = np.bincount(bands, minlength=width)
        counts[0], weighted[0] = counts.sum(), weighted.sum(axis=0)
        self.sums[kind, number] += counts
        self.rounds[kind, number] += weighted

    def realised(self, members: np.ndarray) -> Iterator[Realised]:
        """The rates of all targets: over all yaws, then by band."""
        scores, same = (np.concatenate(column) for column in zip(*self.kept, strict=True))
        failures = int((~self.samples.acquired[members]).sum())
        subjects = len(np.unique(self.samples.subjects[members]))
        for number, target in enumerate(self.targets, 1):
            best = metrics.operating_point(scores[same], scores[~same], target) if same.any() else None
            for band, limits in enumerate(self.bands):
                (impostor, false_matches), (genuine, missed) = self.sums[:, [0, number], band].tolist()
                if limits is not None and not impostor + genuine:
                    continue
                lost = int(self.lost_genuine[0]) if limits is None else 0
                fmr, fnmr = (self._rate(kind, number, band, subjects) for kind in (0, 1))
                yield Realised(
                    pose_pair=pair_key(self.pair),
                    target_fmr=target,
                    yaw_band=limits,
                    genuine=genuine,
                    impostor=impostor,
                    false_matches=false_matches,
                    false_non_matches=missed,
                    fmr=fmr[0],
                    fmr_low=fmr[1],
                    fmr_high=fmr[2],
                    fnmr=fnmr[0],
                    fnmr_low=fnmr[1],
                    fnmr_high=fnmr[2],
                    frr=(missed + lost) / (genuine + lost) if limits is None and genuine + lost else None,
                    failures=failures,
                    images=len(members),
                    single_threshold_fnmr=best.fnmr if limits is None and best is not None and best.supported else None,
                    too_few=not metrics.is_supported(target, impostor),
                    chance_outside=self._chance_outside(number, band),
                )

    def _rounds(self, kind: int, number: int, band: int) -> np.ndarray:
        """The rates of the bootstrap's rounds that have comparisons."""
        with np.errstate(invalid="ignore", divide="ignore"):
            rounds = self.rounds[kind, number, band] / self.rounds[kind, 0, band]
        return rounds[np.isfinite(rounds)]

    def _chance_outside(self, number: int, band: int) -> float | None:
        rounds = self._rounds(0, number, band)
        if not rounds.any():
            return None
        low, high = BOUNDS
        return float(np.mean((rounds < low * rounds.mean()) | (rounds > high * rounds.mean())))

    def _rate(
        self, kind: int, number: int, band: int, subjects: int
    ) -> tuple[float | None, float | None, float | None]:
        total, errors = int(self.sums[kind, 0, band]), int(self.sums[kind, number, band])
        if not total:
            return None, None, None
        rounds = self._rounds(kind, number, band)
        if not len(rounds):
            return errors / total, None, None
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(rounds, [tail, 1 - tail])
        high = high if errors else max(high, metrics.zero_error_bound(min(subjects, total), CONFIDENCE))
        return errors / total, float(low), float(high)
