"""The ledger of a set as HTML: every picture that was left out or is incomplete, with the reason."""

from __future__ import annotations

import csv
from collections import Counter
from html import escape
from pathlib import Path

LEDGER_FILE = "ledger.csv"
SHOWN = 300  # lines
STATUS = {"dropped": "left out", "incomplete": "kept"}
Line = dict[str, str]  # path, row_id, step, status, reason


def read_ledger(dataset: Path) -> list[Line]:
    """Its lines, those of what was left out first; none where there is no ledger."""
    file = dataset / LEDGER_FILE
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return sorted(csv.DictReader(stream), key=lambda line: line["status"])


def ledger_html(lines: list[Line]) -> str:
    """How many for which reason, and the lines themselves."""
    if not lines:
        return '<p class="quiet">Every file became a picture of the set, and in each a face was found.</p>'
    counts = Counter((line["status"], line["reason"]) for line in lines).most_common(12)
    short = "".join(f"<li><b>{count:,}</b> {_status(status)}: {escape(why)}</li>" for (status, why), count in counts)
    rows = "".join(_row(line) for line in lines[:SHOWN])
    more = f'<p class="quiet">These are the first {SHOWN} of {len(lines):,}; the ZIP to take along has all.</p>'
    table = (
        f'<table class="data"><thead><tr><th>file</th><th></th><th>why</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    return f'<ul class="ledger-counts">{short}</ul><div class="wide ledger">{table}</div>{more * (len(lines) > SHOWN)}'


def left_out(lines: list[Line]) -> int:
    """How many lines are about pictures and files that are not in the set."""
    return sum(line["status"] == "dropped" for line in lines)


def _row(line: Line) -> str:
    name, why = escape(line["path"] or line["row_id"]), escape(line["reason"])
    return f"<tr><td>{name}</td><td>{_status(line['status'])}</td><td>{why}</td></tr>"


def _status(status: str) -> str:
    return escape(STATUS.get(status, status))
