"""From findings to decisions to look through: the likeliest suggestion of each, where none contradicts another."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from sfpn.data.decisions import Decision, require_consistent
from sfpn.errors import UserError
from sfpn.evaluation.checks.finding import Finding

DRAFTED = ("label", "same_person", "duplicate", "near_duplicate", "which_face")  # others are more often kept than not


def draft(findings: Iterable[Finding], kinds: Collection[str] = DRAFTED) -> list[Decision]:
    """The first suggestion of each finding of these kinds, with its evidence as `why`; the first about a row counts."""
    decisions: list[Decision] = []
    rows: set[str] = set()
    merged: list[Decision] = []
    for finding in findings:
        if finding.kind not in kinds or not finding.suggestions or finding.score <= 0:  # 0: nothing speaks for it
            continue
        decision = replace(finding.suggestions[0], why=finding.why)
        if decision.row_id:
            if decision.row_id in rows:
                continue
            rows.add(decision.row_id)
        elif not _fits(decision, merged):
            continue
        else:
            merged.append(decision)
        decisions.append(decision)
    return decisions


def _fits(decision: Decision, merged: list[Decision]) -> bool:
    """Whether a merge of identities contradicts none of the others."""
    try:
        require_consistent([*merged, decision])
    except UserError:
        return False
    return True
