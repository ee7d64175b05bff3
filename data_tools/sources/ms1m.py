"""MS1M as InsightFace packs it (MS1M-RetinaFace: 93,431 identities, 5.18 M images), and every set of that layout.

train.rec    RecordIO: record 0 holds labels (first identity record, end); then one per image; then one per identity
train.idx    `key<TAB>byte offset` per line
property     `identities,height,width`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_tools.sources.base import Item, Pair, Problem, SourceInfo, require_folder
from data_tools.sources.recordio import RecordError, read_image, read_record
from sfpn.errors import UserError

INFO = SourceInfo(
    name="ms1m",
    title="MS1M (InsightFace RecordIO)",
    url="https://github.com/deepinsight/insightface/tree/master/recognition/_datasets_",
    licence="non-commercial research; the pictures belong to their owners",
    citation='Y. Guo, L. Zhang, Y. Hu, X. He, J. Gao, "MS-Celeb-1M: A Dataset and Benchmark for Large-Scale Face '
    'Recognition", ECCV 2016; J. Deng et al., "RetinaFace", CVPR 2020',
)


@dataclass(frozen=True)
class MS1M:
    """A folder with train.rec and train.idx; raises UserError when one is missing."""

    root: Path
    info: SourceInfo = INFO
    keeps_duplicates: bool = False

    def __post_init__(self) -> None:
        require_folder(self.root, what="an InsightFace RecordIO folder")
        for file in (self._rec, self._idx):
            if not file.is_file():
                raise UserError(f"{self.root} is not an InsightFace RecordIO folder: there is no {file.name} in it")

    def total(self) -> int:
        """Number of lines in the index, the identity records included."""
        with self._idx.open("rb") as lines:
            return sum(1 for _ in lines)

    def items(self) -> Iterator[Item | Problem]:
        """Every image record in the order of the index; `identity` is its first label."""
        with self._rec.open("rb") as rec:
            end = self._first_identity_record(rec)
            for found in self._offsets():
                if isinstance(found, str):
                    yield Problem(self._idx.name, f"not a line of the index: {found!r}")
                elif found[0] != 0 and (end is None or found[0] < end):
                    yield self._item(rec, *found)

    def pairs(self) -> Iterator[Pair]:
        """None: MS1M is a training set."""
        return iter(())

    @property
    def _rec(self) -> Path:
        return self.root / "train.rec"

    @property
    def _idx(self) -> Path:
        return self.root / "train.idx"

    def _offsets(self) -> Iterator[tuple[int, int] | str]:
        """(key, byte offset) of the lines of the index; the line itself where it is none."""
        with self._idx.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                words = line.split()
                if len(words) == 2 and all(word.isdigit() for word in words):
                    yield int(words[0]), int(words[1])
                elif words:
                    yield line.strip()

    def _first_identity_record(self, rec) -> int | None:
        """Key of the first identity record, from record 0; None in a set without one (every record is an image)."""
        offset = next((found[1] for found in self._offsets() if not isinstance(found, str) and found[0] == 0), None)
        if offset is None:
            return None
        try:
            labels, image = read_record(rec, offset)
        except RecordError as error:
            raise UserError(f"{self._rec} is not a RecordIO file: {error}") from error
        return int(labels[0]) if not image else None

    def _item(self, rec, key: int, offset: int) -> Item | Problem:
        row_id, path = f"ms1m/{key:08d}", f"{self._rec.name}#{key}"
        try:
            labels, _ = read_record(rec, offset)
        except RecordError as error:
            return Problem(path, str(error), row_id)
        return Item(row_id, str(int(labels[0])), path, partial(read_image, self._rec, offset))
