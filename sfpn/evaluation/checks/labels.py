"""Images that are nearer to another identity than to their own: probable label errors.

The score is the nearness to the nearest other identity less that to the own one, in spreads of the impostor scores
(see nearest.py and norm.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked

MARGIN = 1.6  # spreads: the least difference that is told; chosen on people of CFP folds 7-10


def find_labels(looked: Looked, same_person: set[tuple[int, int]], margin: float = MARGIN) -> Iterator[Finding]:
    """`same_person`: pairs of subjects (both orders) told elsewhere to be one; nearer to the other half is no error."""
    near, samples = looked.near, looked.samples
    doubt = near.other - near.own
    usual = typical_own(looked)
    for row in np.flatnonzero(np.isfinite(doubt) & (doubt >= margin)).tolist():
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
            why += "; probably somebody else again"
        yield Finding(
            "label", (looked.row_id(row), *evidence), float(doubt[row]), why, (fix, out) if sure else (out, fix)
        )


def typical_own(looked: Looked) -> float:
    """The nearness to the own identity that three quarters of the images reach."""
    own = looked.near.own[np.isfinite(looked.near.own)]
    return float(np.quantile(own, 0.25)) if len(own) else np.inf
