"""The ledger of a build: every row dropped, incomplete or changed by decision with its reason, and which rows are in.

It lives in an SQLite file while the build runs, so that memory stays bounded and an interrupted build can go on: what
belongs to an unfinished shard is forgotten and done again.
"""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sfpn.errors import UserError
from sfpn.files import whole_file

LEDGER_COLUMNS = ("path", "row_id", "step", "status", "reason")
DROPPED, INCOMPLETE, CHANGED = "dropped", "incomplete", "changed"
LAST, FINAL = 2**31, 2**31 + 1  # "shards" after the last one: of what the source names at its end, and of the whole set

LOCK_SECONDS = 1

TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    shard INTEGER, path TEXT, row_id TEXT, step TEXT, status TEXT, reason TEXT, UNIQUE (path, row_id, step, reason)
);
CREATE TABLE IF NOT EXISTS shards (shard INTEGER, items INTEGER);
CREATE TABLE IF NOT EXISTS kept (shard INTEGER, row_id TEXT PRIMARY KEY, digest BLOB);
CREATE INDEX IF NOT EXISTS kept_digest ON kept (digest);
"""


class Ledger:
    """Entries and kept rows, by shard. Use as a context manager; `commit` makes a shard's entries permanent."""

    def __init__(self, file: Path) -> None:
        """Open or create. Raises UserError when another build has it open."""
        self._db = sqlite3.connect(file, timeout=LOCK_SECONDS)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("BEGIN EXCLUSIVE")  # held until closed, or until the process dies
            self._db.executescript(TABLES)
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" not in str(error):
                raise
            raise UserError(f"another build is at work in {file.parent}: wait for it, or stop it") from error

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def forget_from(self, shard: int) -> None:
        """Drop everything noted for shards >= `shard`: they are built again."""
        for table in ("entries", "kept", "shards"):
            self._db.execute(f"DELETE FROM {table} WHERE shard >= ?", (shard,))
        self._db.commit()

    def close_shard(self, shard: int, items: int) -> None:
        """Make the entries of a shard permanent, with the number of source items that went into it."""
        self._db.execute("INSERT INTO shards VALUES (?, ?)", (shard, items))
        self._db.commit()

    def items_done(self) -> int:
        """Number of source items that went into closed shards."""
        return self._db.execute("SELECT COALESCE(SUM(items), 0) FROM shards").fetchone()[0]

    def source_is_done(self) -> bool:
        """Whether every item of the source went into a shard."""
        return self._db.execute("SELECT 1 FROM shards WHERE shard = ?", (LAST,)).fetchone() is not None

    def note(self, shard: int, path: str, row_id: str, step: str, status: str, reason: str) -> None:
        """Add one line; the same line twice is one."""
        self._db.execute(
            "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?, ?)", (shard, path, row_id, step, status, reason)
        )

    def keep(self, shard: int, row_id: str, digest: bytes) -> None:
        """Record that a row is in the dataset, with the SHA-256 of its image bytes."""
        self._db.execute("INSERT INTO kept VALUES (?, ?, ?)", (shard, row_id, digest))

    def drop_kept(self, row_id: str) -> None:
        """Take a row out again."""
        self._db.execute("DELETE FROM kept WHERE row_id = ?", (row_id,))

    def commit(self) -> None:
        """Make what was noted permanent."""
        self._db.commit()

    def row_with(self, digest: bytes) -> str | None:
        """The first kept row with the same image bytes, or None."""
        found = self._db.execute(
            "SELECT row_id FROM kept WHERE digest = ? ORDER BY rowid LIMIT 1", (digest,)
        ).fetchone()
        return found[0] if found else None

    def has_row(self, row_id: str) -> bool:
        """Whether the row is in the dataset."""
        return self._db.execute("SELECT 1 FROM kept WHERE row_id = ?", (row_id,)).fetchone() is not None

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of lines by status and step."""
        counts: dict[str, dict[str, int]] = {DROPPED: {}, INCOMPLETE: {}}
        query = "SELECT status, step, COUNT(*) FROM entries GROUP BY status, step ORDER BY status, step"
        for status, step, count in self._db.execute(query):
            counts.setdefault(status, {})[step] = count
        return counts

    def entries(self) -> Iterator[tuple[str, ...]]:
        """All lines in the order of the build, as LEDGER_COLUMNS."""
        yield from self._db.execute(f"SELECT {', '.join(LEDGER_COLUMNS)} FROM entries ORDER BY shard, rowid")

    def write_csv(self, file: Path) -> None:
        """Write all lines as CSV."""
        with whole_file(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(LEDGER_COLUMNS)
            writer.writerows(self.entries())

    def fingerprint(self) -> str:
        """Hex SHA-256 over (row id in UTF-8, SHA-256 of the image bytes) of every row, by row id.

        It is the same whatever the order of the rows.
        """
        total = hashlib.sha256()
        for row_id, digest in self._db.execute("SELECT row_id, digest FROM kept ORDER BY row_id"):
            total.update(row_id.encode() + digest)
        return total.hexdigest()
