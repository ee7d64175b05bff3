"""Synthetic people as a dataset folder: every identity in three poses, two templates each, like VGGFace2-Pose.

People are drawn in parallel and kept one by one in `OUT.building`, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from data_tools.ledger import INCOMPLETE, Ledger
from data_tools.save import LEDGER_FILE, STATE_FILE, finish, open_building, save_shard, save_table, shard_file
from data_tools.synthetic.card import Drawn, save_synthetic_card
from data_tools.synthetic.draw import SOURCE, SyntheticConfig, draw_person, model_of
from data_tools.synthetic.examples import save_examples
from data_tools.synthetic.sheets import save_sheets
from data_tools.workers import KILLED
from sfpn.errors import UserError
from sfpn.schema import row_features

SHOWN_PERSON = 24  # on the sheets of one person
YAW_ESTIMATED = pa.field("yaw_estimated", pa.float64())


def synthesize(config: SyntheticConfig, out: Path, examples: Path | None = None) -> dict[str, Any]:
    """Draw the dataset folder `out` and return its card; `examples`: file for example pairs of the demo.

    Raises UserError when `out` or an interrupted run is in the way.
    """
    building = open_building(out, config.settings, resume=config.resume, overwrite=config.overwrite)
    drawn = draw(config, building)
    rows = [picture.row for picture in drawn]
    with Ledger(building / STATE_FILE) as ledger:
        note_rows(rows, ledger)
        save_shard(rows, shard_file(building, 0))
        ledger.write_csv(building / LEDGER_FILE)
        save_sheets(building, rows, model_of(config.seed, min(SHOWN_PERSON, config.identities - 1)))
        card = save_synthetic_card(building, drawn, config.command, config.made_by, ledger)
    for part in building.glob("person-*"):
        part.unlink()
    finish(building, out)
    if examples:
        save_examples(rows, examples)
    return card


def note_rows(rows: list[dict[str, Any]], ledger: Ledger) -> None:
    """Enter the rows into the ledger, and those in which a detector found no face as incomplete."""
    for row in rows:
        ledger.keep(0, row["row_id"], hashlib.sha256(row["image"]["bytes"]).digest())
        if row["detector"] and row["box_xyxy"] is None:
            ledger.note(0, row["row_id"], row["row_id"], "annotate", INCOMPLETE, "no face found")
    ledger.commit()


def draw(config: SyntheticConfig, folder: Path) -> list[Drawn]:
    """All pictures, identity by identity; those of finished identities are kept in `folder` and taken from there."""
    missing = [number for number in range(config.identities) if not part_file(folder, number).is_file()]
    bar = tqdm(
        total=config.identities,
        initial=config.identities - len(missing),
        unit="person",
        desc=SOURCE,
        disable=not config.progress,
    )
    with bar:
        for number, pictures in _drawn(missing, config):
            save_part(pictures, part_file(folder, number))
            bar.update()
    return [picture for number in range(config.identities) for picture in load_part(part_file(folder, number))]


def _drawn(numbers: list[int], config: SyntheticConfig) -> Iterator[tuple[int, list[Drawn]]]:
    """(number, pictures) of every identity as soon as it is drawn, in any order."""
    if not config.workers:
        yield from ((number, draw_person(number, config)) for number in numbers)
        return
    limit_threads()
    with ProcessPoolExecutor(config.workers, mp_context=get_context("spawn")) as pool:
        number_of = {pool.submit(draw_person, number, config): number for number in numbers}
        try:
            for done in as_completed(number_of):
                yield number_of[done], done.result()
        except BrokenProcessPool as error:
            raise UserError(KILLED) from error


def limit_threads() -> None:
    """One numpy thread in each worker: they share the cores already."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def part_file(folder: Path, number: int) -> Path:
    """Where an identity's pictures are kept until the dataset is whole."""
    return folder / f"person-{number:04d}.parquet"


def save_part(pictures: list[Drawn], file: Path) -> None:
    """Keep an identity's pictures."""
    schema = row_features().arrow_schema.append(YAW_ESTIMATED)
    rows = [picture.row | {YAW_ESTIMATED.name: picture.yaw_estimated} for picture in pictures]
    save_table(pa.Table.from_pylist(rows, schema=schema), file)


def load_part(file: Path) -> list[Drawn]:
    """Inverse of save_part."""
    rows = pq.read_table(file).to_pylist()
    return [Drawn(row, row.pop(YAW_ESTIMATED.name)) for row in rows]
