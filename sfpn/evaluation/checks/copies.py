"""Copies of pictures as findings: which of the two is to go, and what can be decided.

Score: 1 for equal pixels, else the correlation of the small grey pictures; plus 1 where the two are in different
identities, because one of these labels is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT
from sfpn.evaluation.checks.duplicates import Copy
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked


def find_copy_findings(looked: Looked) -> Iterator[Finding]:
    """One finding per copy."""
    for copy in looked.copies:
        across = looked.samples.subjects[copy.earlier] != looked.samples.subjects[copy.later]
        doubtful, other = _across(looked, copy) if across else _within(looked, copy)
        out = looked.decision(LEAVE_OUT, doubtful)
        name = str(looked.names[looked.samples.subjects[other]])
        suggestions = (looked.decision(FIX_LABEL, doubtful, new_identity=name), out) if across else (out,)
        kind = "duplicate" if copy.exact else "near_duplicate"
        rows = (looked.row_id(doubtful), looked.row_id(other))
        yield Finding(kind, rows, copy.correlation + across, _why(looked, copy, doubtful, other), suggestions)


def _within(looked: Looked, copy: Copy) -> tuple[int, int]:
    """(to go, to stay): the smaller face goes, else the later row."""
    pixels = looked.facts.face_pixels
    earlier_is_smaller = pixels[copy.earlier] < pixels[copy.later]
    return (copy.earlier, copy.later) if earlier_is_smaller else (copy.later, copy.earlier)


def _across(looked: Looked, copy: Copy) -> tuple[int, int]:
    """(doubtful, other): the one that is less near to its own identity."""
    own = looked.near.own
    return (copy.earlier, copy.later) if own[copy.earlier] < own[copy.later] else (copy.later, copy.earlier)


def _why(looked: Looked, copy: Copy, doubtful: int, other: int) -> str:
    same = "the pixels are equal" if copy.exact else f"the grey pictures correlate at {copy.correlation:.3f}"
    same += ", mirrored" if copy.mirrored else ""
    names = [str(looked.names[looked.samples.subjects[row]]) for row in (doubtful, other)]
    if names[0] != names[1]:
        return f"labelled {names[0]}, and again {names[1]}: {same}; it fits {names[1]} better"
    return f"twice among the images of {names[0]}: {same}"
