"""Images that are nearer to another identity than to their own: probable label errors.

The score is the nearness to the nearest other identity less that to the own one, in spreads of the impostor scores
(see nearest.py and norm.py). A picture in which no face was found says too little of who is on it to be doubted here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked

MARGIN = 1.8  # spreads: the least difference told; precision = recall on people of CFP folds 7-10 with 2 % planted
SHARE_OF_USUAL = 0.38  # of the median nearness to the own identity: less is asked where a model tells people apart less


def find_labels(looked: Looked, same_person: set[tuple[int, int]]) -> Iterator[Finding]:
    """`same_person`: pairs of subjects (both orders) told elsewhere to be one; nearer to the other half is no error."""
    near, samples = looked.near, looked.samples
    doubt = near.other - near.own
    usual, margin = usual_own(looked, 0.25), min(MARGIN, SHARE_OF_USUAL * usual_own(looked, 0.5))
    for row in np.flatnonzero(samples.acquired & np.isfinite(doubt) & (doubt >= margin)).tolist():
        own, other = int(samples.subjects[row]), int(near.other_subject[row])
        if (own, other) in same_person:
            continue
        fix = looked.decision(FIX_LABEL, row, new_identity=str(looked.names[other]))
        out = looked.decision(LEAVE_OUT, row)
        sure = near.other[row] >= usual
        evidence = (looked.row_id(looked.most_alike(row, other)), looked.row_id(looked.most_alike(row, own)))
        why = (
            f"labelled {looked.names[own]}, but nearer to {looked.names[other]}: the best comparisons lie "
            f"{near.other[row]:.1f} spreads above those of different people, with its own identity {near.own[row]:.1f}"
        )
        if not sure:
            why += "; neither is likely: a third person, or too poor a photo"
        yield Finding(
            "label", (looked.row_id(row), *evidence), float(doubt[row]), why, (fix, out) if sure else (out, fix)
        )


def usual_own(looked: Looked, quantile: float) -> float:
    """A quantile of the nearness to the own identity, over all images that have one."""
    own = looked.near.own[np.isfinite(looked.near.own)]
    return float(np.quantile(own, quantile)) if len(own) else np.inf
