"""Photos too poor to compare: unreadable, no face, an unsure one, a small or a blurred one.

The score is 1 at the limit and grows with the fault; 3 where there is no face or no picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sfpn.data.decisions import LEAVE_OUT
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked

SMALLEST_FACE = 30.0  # px, shorter side of the box
BLURRED_FROM = 0.6  # see pictures.blurriness
SUREST = 0.8  # the detector's confidence below which a face is in doubt
HOPELESS = 3.0


def find_quality(looked: Looked) -> Iterator[Finding]:
    """One finding per photo, with all its faults."""
    qualities = looked.rows["quality"].to_numpy(float)
    searched = looked.rows["detector"].notna().to_numpy()
    for row in range(len(looked.samples)):
        faults = list(_faults(looked, row, qualities[row], bool(searched[row])))
        if faults:
            score = max(score for score, _ in faults)
            why = "; ".join(words for _, words in faults)
            row_id = looked.row_id(row)
            yield Finding("quality", (row_id,), score, why, (looked.decision(LEAVE_OUT, row),))


def _faults(looked: Looked, row: int, quality: float, searched: bool) -> Iterator[tuple[float, str]]:
    facts, row_id = looked.facts, looked.row_id(row)
    if row_id in facts.unreadable:
        yield HOPELESS, facts.unreadable[row_id]
        return
    side, blur = facts.face_pixels[row], facts.blur[row]
    if not np.isfinite(side):
        if searched:
            yield HOPELESS, "no face was found"
        return
    if side < SMALLEST_FACE:
        yield min(SMALLEST_FACE / max(side, 1.0), HOPELESS), f"the face is only {side:.0f} px wide or high"
    if blur > BLURRED_FROM:
        yield 1 + (blur - BLURRED_FROM) / (1 - BLURRED_FROM), f"the face is blurred ({blur:.2f} on a scale from 0 to 1)"
    if quality < SUREST:
        yield 1 + (SUREST - quality) / SUREST, f"the detector is not sure that this is a face ({quality:.2f})"
