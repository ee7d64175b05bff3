"""Which rows of which dataset shards are trained on and which validate: an index of 17 bytes a row, no pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from sfpn.data.dataset import CANNOT_BE_READ
from sfpn.data.selection import Selection
from sfpn.errors import UserError, one_line
from sfpn.schema import POSES

UNKNOWN_POSE = -1
INDEX_COLUMNS = ("row_id", "identity", "pose", "split", "box_xyxy")


@dataclass(frozen=True)
class Rows:
    """Row i lies in files[file[i]] at position[i]; arrays (N,), ascending by file and position."""

    files: tuple[Path, ...]
    file: np.ndarray  # int32
    position: np.ndarray  # int32
    label: np.ndarray  # int32, 0 .. identities - 1
    pose: np.ndarray  # int8, index into POSES or UNKNOWN_POSE
    identities: int

    def __len__(self) -> int:
        return len(self.file)

    def chosen(self, mask: np.ndarray) -> Rows:
        """Those where the mask (N,) is true; labels stay."""
        return Rows(
            self.files, self.file[mask], self.position[mask], self.label[mask], self.pose[mask], self.identities
        )

    def of_file(self, number: int) -> np.ndarray:
        """Indices of the rows in files[number], ascending."""
        ends = np.array([number, number + 1], self.file.dtype)  # of another type, all of `file` would be converted
        return np.arange(*np.searchsorted(self.file, ends))


@dataclass(frozen=True)
class TrainingSet:
    """Rows to train on, rows to validate on (the same identities), and how many were left out and why."""

    train: Rows
    validation: Rows
    left_out: dict[str, int]


def read_training_set(parts: list[Selection], validation_share: float, min_images: int = 1) -> TrainingSet:
    """Index the datasets; identities of different datasets are different people.

    A share of each identity's images validates, those whose row_ids have the lowest hashes: no order changes it. A
    count that is not whole is rounded up for some identities and down for others, by their hash, so that the whole set
    keeps the share too. A row without a face is left out, unless its dataset was built without a detector: its pictures
    are taken for aligned face crops. Raises UserError if nothing is left to train or to validate on.
    """
    files, columns, names = [], [], {}
    for part in parts:
        splits: set[str] = set()
        for file in part.dataset.files:
            columns.append(_read_columns(file, len(files), part, names, splits))
            files.append(file)
        missing = [split for split in part.splits if split not in splits]
        if missing or not splits:
            split = missing[0] if missing else None
            raise UserError(f"the dataset {part.dataset.folder} has no rows of split {split!r}; name one that it has")
    file, position, label, pose, rank, usable = (np.concatenate(column) for column in zip(*columns, strict=True))
    counts = np.bincount(label[usable], minlength=len(names))
    enough = usable & (counts[label] >= min_images)
    label, identities, names = _renumbered(label, enough, list(names))
    rows = Rows(tuple(files), file[enough], position[enough], label[enough], pose[enough], identities)
    validates = _validation_mask(rows.label, rank[enough], names, validation_share)
    left_out = {
        "without a face": int((~usable).sum()),
        "of identities with too few images": int((usable & ~enough).sum()),
    }
    _check_something_left(len(rows), int(validates.sum()), identities, left_out, min_images, validation_share)
    return TrainingSet(rows.chosen(~validates), rows.chosen(validates), left_out)


def is_aligned(part: Selection) -> bool:
    """Whether the dataset was built without a detector, because its pictures are aligned face crops, as MS1M's are."""
    return part.dataset.card.get("detector", "unknown") is None


def hashed(text: str) -> int:
    """A 64-bit hash of a text, the same everywhere and for ever."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _read_columns(
    file: Path, number: int, part: Selection, names: dict[str, int], splits: set[str]
) -> tuple[np.ndarray, ...]:
    """The index columns of one shard; new identities are added to `names`, the splits that it has to `splits`."""
    try:
        table = pq.read_table(file, columns=list(INDEX_COLUMNS)).select(INDEX_COLUMNS)
    except CANNOT_BE_READ as error:
        raise UserError(f"{file} cannot be read ({one_line(error)}): build the dataset again") from error
    splits.update(table["split"].unique().to_pylist())
    of_split = np.asarray(table["split"].to_pandas().isin(part.splits)) if part.splits else np.ones(len(table), bool)
    position = np.flatnonzero(of_split).astype(np.int32)
    table = table.take(position)
    found = table["box_xyxy"].is_valid().to_numpy() | is_aligned(part)
    label = [names.setdefault(f"{part.dataset.name}/{name}", len(names)) for name in table["identity"].to_pylist()]
    pose = pd.Index(POSES).get_indexer(table["pose"].to_pandas())  # UNKNOWN_POSE where it is none of them
    rank = [hashed(row_id) for row_id in table["row_id"].to_pylist()]
    return (
        np.full(len(table), number, np.int32),
        position,
        np.array(label, np.int32),
        pose.astype(np.int8),
        np.array(rank, np.uint64),
        found,
    )


def _renumbered(label: np.ndarray, kept: np.ndarray, names: list[str]) -> tuple[np.ndarray, int, list[str]]:
    """Labels 0 .. n - 1 of the identities that are kept, in the order of their names; n; and these names."""
    present = sorted(np.unique(label[kept]), key=lambda number: names[number])
    new = np.full(len(names), -1, np.int32)
    new[present] = np.arange(len(present))
    return new[label], len(present), [names[number] for number in present]


def _validation_mask(label: np.ndarray, rank: np.ndarray, names: list[str], share: float) -> np.ndarray:
    counts = np.bincount(label, minlength=len(names))
    chance = np.array([hashed(name) for name in names], np.float64) / 2.0**64
    wanted = np.minimum(np.floor(share * counts + chance), counts - 1)  # everybody keeps an image to train on
    order = np.lexsort((rank, label))
    place = np.empty(len(label), np.int64)
    place[order] = np.arange(len(label)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place < wanted[label]


def _check_something_left(
    rows: int, validates: int, identities: int, left_out: dict[str, int], min_images: int, share: float
) -> None:
    if identities < 2:
        why = ", ".join(f"{count} rows {reason}" for reason, count in left_out.items())
        raise UserError(
            f"the datasets have {identities} identities to tell apart ({why}); lower --min-images {min_images}"
        )
    if not validates:
        raise UserError(
            f"{share:g} of each identity's images is none of {rows}: the learning rate needs a validation loss; "
            "raise --validation"
        )


def files_of(rows: Rows) -> Iterator[int]:
    """Numbers of the files that have at least one of the rows, ascending."""
    yield from np.unique(rows.file).tolist()
