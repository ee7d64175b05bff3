"""One doubt about a dataset, with its evidence and what could be decided about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sfpn.data.decisions import Decision

KINDS = ("label", "same_person", "duplicate", "near_duplicate", "which_face", "pose", "quality", "single")
KIND_WORDS = {
    "label": "nearer to another person than to their own",
    "same_person": "two identities that are probably one person",
    "duplicate": "the same picture twice",
    "near_duplicate": "nearly the same picture twice",
    "which_face": "several faces, and perhaps the wrong one taken",
    "pose": "turned otherwise than their label says",
    "quality": "no face, or a small or blurred one",
    "single": "people with one image or one pose",
}


@dataclass(frozen=True)
class Finding:
    """A doubt about a row, beside the rows that show it.

    `row_ids`: the doubtful one first. `score`: higher = more doubtful, comparable within a kind only: see the module
    that finds it. `suggestions`: decisions that would settle it, the likeliest first; none where there is only
    something to know.
    """

    kind: str
    row_ids: tuple[str, ...]
    score: float
    why: str
    suggestions: tuple[Decision, ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """As JSON names it."""
        return {"kind": self.kind, "row_ids": list(self.row_ids), "score": round(self.score, 4), "why": self.why}


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """By kind, in the order of KINDS, then the most doubtful first."""
    return sorted(findings, key=lambda finding: (KINDS.index(finding.kind), -finding.score, finding.row_ids))
