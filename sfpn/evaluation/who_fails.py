"""Who fails: how the errors of a cell are spread over people, against what their images alone would show.

The zoo of Doddington et al. ("Sheep, goats, lambs and wolves", 1998): *goats* are hard to match with themselves,
*lambs* are easily taken for others, and *wolves* easily pass for others. A cosine is symmetric, so lambs and wolves are
the same people here.

All counts are at the threshold of the cell's EER, where both kinds of error are about equally frequent, with faces that
were not found embedded from the whole image. A false match counts for both of its people.

Chance: ten people out of many carry more than their share of the errors even if all are of equal risk, because they are
picked afterwards, and because an image that fails does so in many comparisons. So the images are shuffled: each person
gets as many images of each pose, compared as often, but whosever they are, each with its own rate of errors (an error
of a genuine pair is put down to the image that has more of them). What exceeds that is the person and not the picture.
With one image of a person and pose the two cannot be told apart, and nothing is in excess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.comparisons import Block, Comparisons, Samples
from sfpn.evaluation.tally import Pairs, Tally, named_pairs, pairs_table

WORST = 10  # people
PAIRS_EACH = 5
SHUFFLES = 400
LEVEL = 0.05  # of the shuffles may give a person as many errors as somebody who stands out
INTERVAL = (0.025, 0.975)
PAIR_COLUMNS = (
    *("kind", "identity", "rank", "row_id_a", "row_id_b"),
    *("template_a", "template_b", "score", "acquired"),
)


@dataclass(frozen=True)
class PersonErrors:
    """A person's errors among their comparisons, and how many chance would give them.

    `stands_out`: more errors than in 95 % of the shuffles.
    """

    identity: str
    comparisons: int
    errors: int
    expected: float
    stands_out: bool


@dataclass(frozen=True, kw_only=True)
class Concentration:
    """How one kind of error is spread over people. Shares are 0-1.

    `people` have at least one comparison of this kind, `people_with_errors` at least one error. The ten worst carry
    `worst_share` of the errors; with the images shuffled it would be `chance_share`, in 95 % of the shuffles between
    `chance_low` and `chance_high`. `standing_out` people (of false non-matches: goats; of false matches: lambs and
    wolves) have more errors than in 95 % of the shuffles: a share of all people between `standing_out_low` and
    `standing_out_high` (95 %, bootstrap over subjects), where chance gives `standing_out_chance`. `worst` are at most
    ten people with errors, most errors first.
    """

    comparisons: int
    errors: int
    people: int
    people_with_errors: int
    worst_share: float | None
    chance_share: float | None
    chance_low: float | None
    chance_high: float | None
    standing_out: int
    standing_out_low: float | None
    standing_out_high: float | None
    standing_out_chance: float | None
    worst: tuple[PersonErrors, ...]

    @property
    def is_concentrated(self) -> bool:
        """Whether the worst ten carry more than in 97.5 % of the shuffles."""
        if self.worst_share is None or self.chance_high is None:
            return False
        return self.worst_share > self.chance_high + 1e-9


@dataclass(frozen=True)
class WhoFails:
    """Both kinds of error of a cell at one threshold: false non-matches of `genuine`, false matches of `impostor`."""

    threshold: float
    genuine: Concentration
    impostor: Concentration

    def of(self, kind: str) -> Concentration:
        """That of `genuine` or `impostor` comparisons."""
        return self.genuine if kind == "genuine" else self.impostor


def who_fails(
    samples: Samples, comparisons: Comparisons, counted: Tally, threshold: float | None, draws: Draws
) -> tuple[WhoFails | None, pd.DataFrame]:
    """The spread of a cell's errors, and the worst pairs of the worst people (columns as Cell.tables of people_pairs).

    Goes once more through the comparisons for the counts, and once for the pairs. None where there is no threshold,
    which is where there are no genuine or no impostor comparisons.
    """
    if threshold is None:
        return None, people_pairs(samples, {}, {})
    genuine = _of_genuine(samples, counted.genuine, threshold)
    impostor = _of_impostor(samples, comparisons, threshold)
    spread = [_concentration(samples, genuine, 1, draws), _concentration(samples, impostor, 2, draws)]
    worst = [_worst(samples, _by_subject(samples, counts.errors)) for counts in (genuine, impostor)]
    own = _own_pairs(samples, counted.genuine, worst[0])
    others = _impostor_pairs(samples, comparisons, worst[1], threshold)
    return WhoFails(threshold, *spread), people_pairs(samples, own, others)


def people_pairs(samples: Samples, genuine: dict[int, Pairs], impostor: dict[int, Pairs]) -> pd.DataFrame:
    """One line per pair: kind, identity, rank from 1, row_id_a, row_id_b, template_a, template_b, score, acquired."""
    parts = [
        pairs_table(samples, pairs).assign(kind=kind, identity=samples.identities[subject])
        for kind, of in (("genuine", genuine), ("impostor", impostor))
        for subject, pairs in of.items()
    ]
    columns = list(PAIR_COLUMNS)
    return pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)


@dataclass(frozen=True)
class _Counts:
    """Per sample (N,): the comparisons of one kind that it is in, and the errors that are put down to it."""

    comparisons: np.ndarray
    errors: np.ndarray


def _of_genuine(samples: Samples, pairs: Pairs, threshold: float) -> _Counts:
    """An error is put down to the one of its two samples with the higher rate of errors."""
    count, wrong = len(samples), pairs.scores < threshold
    compared = np.bincount(pairs.first, minlength=count) + np.bincount(pairs.second, minlength=count)
    sides = pairs.first[wrong], pairs.second[wrong]
    rate = sum(np.bincount(side, minlength=count) for side in sides) / np.maximum(compared, 1)
    blamed = np.where(rate[sides[0]] >= rate[sides[1]], *sides)
    return _Counts(compared, np.bincount(blamed, minlength=count))


def _of_impostor(samples: Samples, comparisons: Comparisons, threshold: float) -> _Counts:
    """An error is put down to both of its samples."""
    found = np.zeros((2, len(samples)), np.int64)
    for block, impostor, false_match in _impostors(samples, comparisons, threshold):
        across = 0 if len(block.second) == 1 else 1  # in a list of pairs every line has its own second sample
        for counts, mask in zip(found, (impostor, false_match), strict=True):
            for positions, axis in ((block.first, 1), (block.second, across)):
                np.add.at(counts, positions.ravel(), mask.sum(axis=axis))
    return _Counts(*found)


def _impostors(
    samples: Samples, comparisons: Comparisons, threshold: float
) -> Iterator[tuple[Block, np.ndarray, np.ndarray]]:
    """Every block with the masks of its impostor comparisons and of its false matches."""
    for block in comparisons.blocks(samples):
        impostor = block.counted & (samples.subjects[block.first] != samples.subjects[block.second])
        yield block, impostor, impostor & (block.scores >= threshold)


def _concentration(samples: Samples, counts: _Counts, people_in_one: int, draws: Draws) -> Concentration:
    """`people_in_one` comparison: 1 if it is genuine, 2 if impostor, which then counts for both."""
    samples_of_one_person = 3 - people_in_one
    comparisons = _by_subject(samples, counts.comparisons) // samples_of_one_person
    errors = _by_subject(samples, counts.errors)
    there, wrong = comparisons > 0, int(errors.sum())
    shuffled = _shuffled(samples, counts, draws.seed)
    limit = np.quantile(shuffled, 1 - LEVEL, axis=0, method="higher")
    standing_out = there & (errors > limit + 1e-6)
    low, high = _share_interval(standing_out, there, draws)
    worst_of_shuffles = _worst_share(shuffled)
    return Concentration(
        comparisons=int(comparisons.sum()) // people_in_one,
        errors=wrong // people_in_one,
        people=int(there.sum()),
        people_with_errors=int((errors > 0).sum()),
        worst_share=float(_worst_share(errors[None])[0]) if wrong else None,
        chance_share=float(worst_of_shuffles.mean()) if wrong else None,
        chance_low=float(np.quantile(worst_of_shuffles, INTERVAL[0])) if wrong else None,
        chance_high=float(np.quantile(worst_of_shuffles, INTERVAL[1])) if wrong else None,
        standing_out=int(standing_out.sum()),
        standing_out_low=low,
        standing_out_high=high,
        standing_out_chance=float((shuffled > limit + 1e-6)[:, there].mean()) if wrong else None,
        worst=tuple(
            PersonErrors(
                identity=str(samples.identities[subject]),
                comparisons=int(comparisons[subject]),
                errors=int(errors[subject]),
                expected=float(shuffled[:, subject].mean()),
                stands_out=bool(standing_out[subject]),
            )
            for subject in _worst(samples, errors)
        ),
    )


def _by_subject(samples: Samples, values: np.ndarray) -> np.ndarray:
    return np.bincount(samples.subjects, values, samples.subject_count)


def _shuffled(samples: Samples, counts: _Counts, seed: int) -> np.ndarray:
    """(SHUFFLES, subjects) errors where the images of a pose, each with its own rate, are dealt out anew."""
    generator, totals = np.random.default_rng(seed), np.zeros((SHUFFLES, samples.subject_count))
    compared = counts.comparisons > 0
    groups = [np.flatnonzero(compared & (samples.poses == pose)) for pose in np.unique(samples.poses[compared])]
    rates = counts.errors / np.maximum(counts.comparisons, 1)
    for total in totals:
        dealt = np.zeros(len(samples))
        for group in groups:
            dealt[group] = generator.permutation(rates[group])
        total[:] = _by_subject(samples, dealt * counts.comparisons)
    return totals


def _worst_share(errors: np.ndarray) -> np.ndarray:
    """(n,) the share of the ten worst, of (n, subjects) errors."""
    worst = np.sort(errors, axis=1)[:, -WORST:].sum(axis=1)
    return worst / np.maximum(errors.sum(axis=1), np.finfo(float).tiny)


def _share_interval(chosen: np.ndarray, there: np.ndarray, draws: Draws) -> tuple[float | None, float | None]:
    """95 % interval of the share of people who are chosen, over the bootstrap's draws of subjects."""
    of_all = draws.weights[:, there].sum(axis=1)
    shares = (draws.weights[:, chosen].sum(axis=1) / np.maximum(of_all, 1))[of_all > 0]
    if not len(shares):
        return None, None
    low, high = np.quantile(shares, INTERVAL)
    return float(low), float(high)


def _worst(samples: Samples, errors: np.ndarray) -> list[int]:
    """At most ten subjects with errors, most errors first, ties by name."""
    order = np.lexsort((samples.identities, -errors))[:WORST]
    return [int(subject) for subject in order if errors[subject]]


def _own_pairs(samples: Samples, pairs: Pairs, people: list[int]) -> dict[int, Pairs]:
    """Each person's genuine pairs of lowest score."""
    of = samples.subjects[pairs.first]
    return {subject: pairs.take(of == subject).hardest(PAIRS_EACH, lowest=True) for subject in people}


def _impostor_pairs(
    samples: Samples, comparisons: Comparisons, people: list[int], threshold: float
) -> dict[int, Pairs]:
    """Each person's false matches of highest score."""
    if not people:
        return {}
    wanted, parts = np.isin(samples.subjects, people), []
    for block, _, false_match in _impostors(samples, comparisons, threshold):
        parts.append(named_pairs(block, false_match & (wanted[block.first] | wanted[block.second])))
    found = Pairs.joined(parts)
    sides = [samples.subjects[found.first], samples.subjects[found.second]]
    return {
        subject: found.take((sides[0] == subject) | (sides[1] == subject)).hardest(PAIRS_EACH, lowest=False)
        for subject in people
    }
