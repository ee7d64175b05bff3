"""Named filters: each takes the annotated rows of a shard, notes in the ledger what it drops, and returns the rest."""

from __future__ import annotations

from collections.abc import Iterable

from data_tools.annotate import Annotated
from data_tools.ledger import DROPPED, INCOMPLETE, Ledger
from data_tools.sources.base import Problem


def note_problems(rows: Iterable[Annotated | Problem], ledger: Ledger, shard: int) -> list[Annotated]:
    """Move problems to the ledger, and what is incomplete about the rows that stay."""
    kept = []
    for row in rows:
        if isinstance(row, Problem):
            note_problem(row, ledger, shard)
            continue
        for step, reason in row.notes:
            ledger.note(shard, row.path, row.row["row_id"], step, INCOMPLETE, reason)
        kept.append(row)
    return kept


def note_problem(problem: Problem, ledger: Ledger, shard: int) -> None:
    """One ledger line for a problem."""
    status = DROPPED if problem.dropped else INCOMPLETE
    ledger.note(shard, problem.path, problem.row_id, problem.step, status, problem.reason)


def drop_without_face(rows: list[Annotated], ledger: Ledger, shard: int) -> list[Annotated]:
    """Drop rows in which no face was found."""
    for row in rows:
        if row.row["box_xyxy"] is None:
            ledger.note(shard, row.path, row.row["row_id"], "filter", DROPPED, "no face found")
    return [row for row in rows if row.row["box_xyxy"] is not None]


def keep_unique(rows: list[Annotated], ledger: Ledger, shard: int, *, keep_duplicates: bool) -> list[Annotated]:
    """Record the rows as kept; drop second uses of a row id, and (unless keep_duplicates) of the same image bytes."""
    kept = []
    for row in rows:
        row_id = row.row["row_id"]
        if ledger.has_row(row_id):
            ledger.note(shard, row.path, row_id, "filter", DROPPED, "its row id is in use already")
            continue
        twin = ledger.row_with(row.digest)
        if twin is not None:
            status = INCOMPLETE if keep_duplicates else DROPPED
            ledger.note(shard, row.path, row_id, "filter", status, f"same image bytes as {twin}")
        if twin is None or keep_duplicates:
            ledger.keep(shard, row_id, row.digest)
            kept.append(row)
    return kept
