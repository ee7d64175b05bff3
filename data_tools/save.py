"""Shards and folders on disk: a dataset is built in `OUT.building` and renamed to `OUT` when it is whole."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sfpn.errors import UserError
from sfpn.files import replace_folder, require_utf8, whole_file, write_text
from sfpn.schema import row_features

CARD_FILE, LEDGER_FILE, PAIRS_FILE, README_FILE = "dataset.json", "ledger.csv", "pairs.parquet", "README.md"
SETTINGS_FILE, STATE_FILE = "settings.json", "ledger.sqlite"  # only while building
ROWS_PER_GROUP = 100  # one random access reads one group


def shard_file(folder: Path, number: int) -> Path:
    """The name of a shard: data-00000.parquet."""
    return folder / f"data-{number:05d}.parquet"


def shard_number(file: Path) -> int:
    """Inverse of shard_file."""
    return int(file.stem.removeprefix("data-"))


def shard_files(folder: Path) -> list[Path]:
    """All finished shards in order."""
    return sorted(folder.glob("data-*.parquet"))


def save_shard(rows: list[dict[str, Any]], file: Path) -> None:
    """Write rows as Parquet that `datasets` opens with its image type, whole or not at all."""
    table = pa.Table.from_pylist(rows, schema=row_features().arrow_schema)
    save_table(table, file)


def save_table(table: pa.Table, file: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    with whole_file(file) as temporary:
        pq.write_table(table, temporary, row_group_size=ROWS_PER_GROUP, compression="zstd")


def open_building(out: Path, settings: dict[str, Any], *, resume: bool, overwrite: bool) -> Path:
    """The folder `OUT.building` to work in, new or taken up again.

    Raises UserError when `out` or an interrupted build is there and neither resume nor overwrite says what to do with
    it, when `out` is not a dataset folder, or when the interrupted build had other settings.
    """
    require_utf8(out)
    building = out.with_name(out.name + ".building")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        _check_replaceable(out, overwrite)
    if building.exists():
        _check_resumable(building, settings, resume=resume, overwrite=overwrite)
    if not building.exists():
        building.mkdir(parents=True)
        write_text(json.dumps(settings, indent=1), building / SETTINGS_FILE)
    return building


def _check_replaceable(out: Path, overwrite: bool) -> None:
    if not (out / CARD_FILE).is_file():
        raise UserError(f"{out} exists and is not a dataset folder (no {CARD_FILE}): choose another --out")
    if not overwrite:
        raise UserError(f"{out} exists already: choose another --out, or add --overwrite to replace it")


def _check_resumable(building: Path, settings: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    if overwrite and not resume:
        shutil.rmtree(building)
        return
    if not resume:
        raise UserError(
            f"an interrupted build lies in {building}: add --resume to go on, or --overwrite to start again"
        )
    file = building / SETTINGS_FILE
    if not file.is_file() or json.loads(file.read_text(encoding="utf-8")) != settings:
        raise UserError(
            f"the interrupted build in {building} had other options: repeat those, or give --overwrite, not --resume"
        )


def finish(building: Path, out: Path) -> None:
    """Remove what only the build needs and rename `building` to `out`, replacing what was there."""
    for name in (SETTINGS_FILE, STATE_FILE):
        (building / name).unlink(missing_ok=True)
    replace_folder(building, out)


@contextmanager
def disk_errors_as_one_sentence(out: Path) -> Iterator[None]:
    """Turn a full disk (OSError ENOSPC, EDQUOT; SQLite's own error) into a UserError; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(_full_disk(out)) from error
    except sqlite3.OperationalError as error:
        if "disk is full" not in str(error):
            raise
        raise UserError(_full_disk(out)) from error


def _full_disk(out: Path) -> str:
    return f"the disk of {out} is full: make room and repeat the command with --resume (finished shards are kept)"
