"""People of whom little can be measured: one image only, or images of one pose only.

Score: 1 for one image (no genuine pair at all), 0.5 for one pose (no genuine pair of two poses).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sfpn.data.decisions import LEAVE_OUT
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked
from sfpn.schema import POSE_LABELS, POSES


def find_single(looked: Looked) -> Iterator[Finding]:
    """One finding per identity with one image or one pose; a row without a pose belongs to none."""
    poses = looked.rows["pose"].to_numpy(object)
    for subject, name in enumerate(looked.names):
        rows = looked.members(subject)
        first = looked.row_id(int(rows[0]))
        if len(rows) == 1:
            why = f"the only image of {name}: there is no genuine pair of this identity"
            yield Finding("single", (first,), 1.0, why, (looked.decision(LEAVE_OUT, int(rows[0])),))
            continue
        known = {pose for pose in poses[rows] if pose in POSES}
        if len(known) == 1 and not np.any([pose not in POSES for pose in poses[rows]]):
            others = ", ".join(POSE_LABELS[pose] for pose in POSES if pose not in known)
            why = (
                f"all {len(rows)} images of {name} are {POSE_LABELS[known.pop()]}: nothing can be measured on this "
                f"identity of pose pairs with {others}"
            )
            yield Finding("single", tuple(looked.row_id(int(row)) for row in rows), 0.5, why)
