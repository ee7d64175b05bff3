"""Source -> annotate -> filter -> split -> save: one dataset folder from one source.

Memory holds one shard at a time, however large the set. Shards are finished one by one, so that an interrupted build
goes on where it stopped; the same source and options give the same bytes, with any number of workers and processes.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from data_tools.annotate import Annotated, Detector, annotate
from data_tools.card import card_counts, count_folder, files_sha256, save_card
from data_tools.filters import admit, note_problem
from data_tools.ledger import DROPPED, FINAL, INCOMPLETE, LAST, Ledger
from data_tools.save import (
    LEDGER_FILE,
    PAIRS_FILE,
    STATE_FILE,
    disk_errors_as_one_sentence,
    finish,
    open_building,
    save_shard,
    save_table,
    shard_file,
    shard_files,
    shard_number,
)
from data_tools.sources.base import Problem, Source
from data_tools.split import DEFAULT_FRACTIONS, Fractions, split_of
from data_tools.together import Link, Work, gathered, start_others
from data_tools.workers import ordered_map, threaded_map
from sfpn.errors import UserError

ROWS_PER_SHARD = 1000
BYTES_PER_SHARD = 64 * 2**20  # of images: what bounds the memory when pictures are large
ALONE = Link()
PAIR_COLUMNS = pa.schema(
    {"protocol": pa.string(), "fold": pa.int32(), "row_id_a": pa.string(), "row_id_b": pa.string(), "same": pa.bool_()}
)


@dataclass(frozen=True)
class BuildConfig:
    """How to build; `command` is what the card shows. Only the first group changes the bytes."""

    command: str
    limit: int | None = None  # at most so many items of the source
    fractions: Fractions = DEFAULT_FRACTIONS  # where the source gives no split
    keep_duplicates: bool = False
    require_face: bool = False
    min_images: int = 1  # per identity
    decisions_sha256: str | None = None  # of what data_tools.decided applies to the source

    workers: int = 1  # 0 = in this process
    threads: int = 0  # of this process, in place of workers
    resume: bool = False
    overwrite: bool = False
    progress: bool = True

    def identity(self, source: Source, detector: Detector | None) -> dict[str, Any]:
        """What must be equal for an interrupted build to go on."""
        free = ("workers", "threads", "resume", "overwrite", "progress")
        named = {
            "source": asdict(source.info),
            "detector": detector and detector.name,
            "pose_estimator": detector and detector.pose_estimator,
            "rows_per_shard": ROWS_PER_SHARD,
        }
        return named | {key: _plain(value) for key, value in asdict(self).items() if key not in free}


Watch = Callable[[Annotated | Problem], None]  # is told of each picture as it is done; may raise to end the build


class EmptySource(UserError):
    """A source that names no picture: nothing is left behind of its build."""


def build(
    source: Source,
    out: Path,
    detector: Detector | None,
    config: BuildConfig,
    watch: Watch | None = None,
    link: Link = ALONE,
) -> dict[str, Any]:
    """Build the dataset folder `out` and return its card.

    link: of the first of several processes that share the work; the others call `help_first`.
    Raises UserError when `out` is in the way, the disk is full, a worker or another process dies, or nothing is left to
    save.
    """
    with disk_errors_as_one_sentence(out):
        work = work_of(source, detector, config)
        building = open_building(out, work.settings, resume=config.resume, overwrite=config.overwrite)
        with Ledger(building / STATE_FILE) as ledger:
            if ledger.source_is_done():
                start_others(link, None)
            else:
                save_shards(source, building, ledger, work, config, watch, link)
            ledger.forget_from(FINAL)
            drop_small_identities(building, ledger, config.min_images)
            save_pairs(source, building, ledger)
            try:
                card = describe(source, building, ledger, detector, config)
            except EmptySource:
                shutil.rmtree(building)
                raise
        finish(building, out)
    return card


def work_of(source: Source, detector: Detector | None, config: BuildConfig) -> Work:
    """What there is to annotate."""
    return Work(
        settings=config.identity(source, detector),
        step=partial(annotate, source=source.info.name, detector=detector),
        items=lambda skip: islice(source.items(), skip, config.limit),
        workers=config.workers,
    )


def save_shards(
    source: Source,
    building: Path,
    ledger: Ledger,
    work: Work,
    config: BuildConfig,
    watch: Watch | None = None,
    link: Link = ALONE,
) -> None:
    """Annotate, filter, split and save the source's items, after the shards that an interrupted build left."""
    done = len(shard_files(building))
    ledger.forget_from(done)
    skip = ledger.items_done()
    bar = tqdm(total=config.limit or source.total(), unit="image", desc=source.info.name, disable=not config.progress)
    bar.update(skip)
    with bar, closing(annotated(work, skip, config.threads, link)) as results:
        while rows := next_shard(ticking(results, bar, watch), ledger, done, config):
            save_shard(rows, shard_file(building, done))
            done += 1


def annotated(work: Work, skip: int, threads: int, link: Link) -> Generator[Annotated | Problem, None, None]:
    """What becomes of the source's items after `skip`, in their order."""
    if link.count > 1:
        return gathered(work, skip, link)
    if threads:
        return threaded_map(work.step, work.items(skip), threads)
    return ordered_map(work.step, work.items(skip), work.workers)


def next_shard(
    results: Iterator[Annotated | Problem], ledger: Ledger, number: int, config: BuildConfig
) -> list[dict[str, Any]]:
    """The rows of one shard: as many as fit, none at the end of the results. Closes the shard in the ledger."""
    rows, items, size = [], 0, 0
    for result in results:
        items += 1
        enters = admit(result, ledger, number, require_face=config.require_face, keep_duplicates=config.keep_duplicates)
        if enters and isinstance(result, Annotated):
            rows.append(with_split(result, config.fractions))
            size += len(result.row["image"]["bytes"])
        if len(rows) >= ROWS_PER_SHARD or size >= BYTES_PER_SHARD:
            break
    ledger.close_shard(number if rows else LAST, items)
    return rows


def with_split(row: Annotated, fractions: Fractions) -> dict[str, Any]:
    """The row with its split: the given one, else by the hash of its identity."""
    return row.row | {"split": row.row["split"] or split_of(row.row["identity"], fractions)}


def drop_small_identities(building: Path, ledger: Ledger, min_images: int) -> None:
    """Drop identities with fewer than min_images rows, and note those with a single one.

    A shard is replaced after its drops are noted, and a small identity stays small: it can be interrupted and repeated.
    """
    counts = count_folder(building)["identity"]
    small = {identity for identity, count in counts.items() if count < min_images}
    for file in shard_files(building) if small else []:
        table, number = pq.read_table(file), shard_number(file)
        is_small = pc.call_function("is_in", [table["identity"]], pc.SetLookupOptions(pa.array(sorted(small))))
        for row_id in table.filter(is_small)["row_id"].to_pylist():
            ledger.note(number, "", row_id, "filter", DROPPED, f"its identity has fewer than {min_images} images")
            ledger.drop_kept(row_id)
        ledger.commit()
        replace_shard(table.filter(pc.call_function("invert", [is_small])), file)
    for identity in sorted(name for name, count in counts.items() if count == 1 and name not in small):
        ledger.note(FINAL, identity, "", "filter", INCOMPLETE, "this identity has one image: no genuine pair")


def replace_shard(table: pa.Table, file: Path) -> None:
    """Write the shard anew; without a row it goes, because `datasets` cannot read an empty Parquet file."""
    if table.num_rows:
        save_table(table, file)
    else:
        file.unlink()


def save_pairs(source: Source, building: Path, ledger: Ledger) -> None:
    """Write the official pairs whose rows are both in; count the others in the ledger by protocol and fold."""
    kept, absent = [], Counter()
    for pair in source.pairs():
        if isinstance(pair, Problem):
            note_problem(pair, ledger, FINAL)
        elif ledger.has_row(pair.row_id_a) and ledger.has_row(pair.row_id_b):
            kept.append(asdict(pair))
        else:
            absent[pair.protocol, pair.fold] += 1
    for (protocol, fold), count in sorted(absent.items()):
        reason = f"{count} pairs name a picture that is not in the dataset"
        ledger.note(FINAL, f"{protocol} fold {fold}", "", "pairs", DROPPED, reason)
    ledger.commit()
    if kept:
        save_table(pa.Table.from_pylist(kept, schema=PAIR_COLUMNS), building / PAIRS_FILE)


def describe(
    source: Source, building: Path, ledger: Ledger, detector: Detector | None, config: BuildConfig
) -> dict[str, Any]:
    """Write the ledger and the card. Raises UserError when no row was kept."""
    counts = count_folder(building)
    ledger.write_csv(building / LEDGER_FILE)
    if not counts["identity"]:
        dropped = ledger.counts()[DROPPED].keys() - {"pairs"}
        if not dropped:
            raise EmptySource(f"{source.info.name}: the source names no picture: there is nothing to build")
        raise UserError(f"no picture of the source could be kept: the reasons are in {building / LEDGER_FILE}")
    card = (
        asdict(source.info)
        | card_counts(counts)
        | {
            "detector": detector.name if detector else None,
            "pose_estimator": detector.pose_estimator if detector else None,
            "command": config.command,
            "ledger": ledger.counts(),
            "fingerprint": ledger.fingerprint(),
            "files_sha256": files_sha256(building),
        }
    )
    save_card(building, card)
    return card


def ticking(rows: Iterable[Any], bar: tqdm, watch: Watch | None = None) -> Iterator[Any]:
    """The rows, advancing the progress bar by one each."""
    for row in rows:
        bar.update()
        if watch:
            watch(row)
        yield row


def _plain(value: Any) -> Any:
    return [list(part) for part in value] if isinstance(value, tuple) else value
