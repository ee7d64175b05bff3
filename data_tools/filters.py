"""Which annotated pictures enter the dataset. What is left out or incomplete goes to the ledger with its reason."""

from __future__ import annotations

from data_tools.annotate import Annotated
from data_tools.ledger import CHANGED, DROPPED, INCOMPLETE, Ledger
from data_tools.sources.base import Problem
from sfpn.errors import UserError

DECISIONS = "decisions"  # the step of the ledger's lines about them


def admit(found: Annotated | Problem, ledger: Ledger, shard: int, *, require_face: bool, keep_duplicates: bool) -> bool:
    """Whether the picture enters the dataset; notes why not, and what is incomplete about it or was decided.

    Raises UserError where a decision was made about another picture, or about a face that is not found.
    """
    if isinstance(found, Problem):
        note_problem(found, ledger, shard)
        return False
    row_id = found.row["row_id"]
    if left_out := left_out_reason(found):
        ledger.note(shard, found.path, row_id, DECISIONS, DROPPED, left_out)
        return False
    require_decided_face(found)
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
    if found.decided and found.decided.changed:
        ledger.note(shard, found.path, row_id, DECISIONS, CHANGED, found.decided.changed)
    ledger.keep(shard, row_id, found.digest)
    return True


def left_out_reason(found: Annotated) -> str | None:
    """It was decided to leave it out. Raises UserError where that, or a mended label, was about another picture."""
    decided = found.decided
    if decided is None:
        return None
    if decided.picture_sha256 and decided.picture_sha256 != found.digest.hex():
        raise UserError(
            f"the decision about the row {found.row['row_id']} was made about another picture than the source has "
            "under this name now: check the set again, or empty picture_sha256 there"
        )
    return decided.left_out or None


def require_decided_face(found: Annotated) -> None:
    """Raise UserError where it was decided to take a face which is not there."""
    if found.decided and found.decided.face_box and found.row["box_xyxy"] is None:
        raise UserError(
            f"a decision takes another face of the row {found.row['row_id']}, and none is found at its face_xyxy: "
            "check the set again, or leave the decision out"
        )


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
