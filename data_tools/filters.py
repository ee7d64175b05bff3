"""Which annotated pictures enter the dataset. What is left out or incomplete goes to the ledger with its reason."""

from __future__ import annotations

from data_tools.annotate import Annotated
from data_tools.ledger import DROPPED, INCOMPLETE, Ledger
from data_tools.sources.base import Problem


def admit(found: Annotated | Problem, ledger: Ledger, shard: int, *, require_face: bool, keep_duplicates: bool) -> bool:
    """Whether the picture enters the dataset; notes why not, and what is incomplete about it."""
    if isinstance(found, Problem):
        note_problem(found, ledger, shard)
        return False
    row_id = found.row["row_id"]
    duplicate = duplicate_reason(found, ledger)
    reason = (
        used_id_reason(found, ledger)
        or (not keep_duplicates and duplicate)
        or (require_face and faceless_reason(found))
    )
    if reason:
        ledger.note(shard, found.path, row_id, "filter", DROPPED, reason)
        return False
    for step, note in [*found.notes, *([("filter", duplicate)] if duplicate else [])]:
        ledger.note(shard, found.path, row_id, step, INCOMPLETE, note)
    ledger.keep(shard, row_id, found.digest)
    return True


def used_id_reason(found: Annotated, ledger: Ledger) -> str | None:
    """Its row id names another picture already."""
    return "its row id is in use already" if ledger.has_row(found.row["row_id"]) else None


def duplicate_reason(found: Annotated, ledger: Ledger) -> str | None:
    """The same image bytes are in the dataset already."""
    twin = ledger.row_with(found.digest)
    return twin and f"same image bytes as {twin}"


def faceless_reason(found: Annotated) -> str | None:
    """No face was found in it."""
    return "no face found" if found.row["box_xyxy"] is None else None


def note_problem(problem: Problem, ledger: Ledger, shard: int) -> None:
    """One ledger line for a problem."""
    ledger.note(shard, problem.path, problem.row_id, problem.step, DROPPED, problem.reason)
