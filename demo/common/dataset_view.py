"""A dataset folder for looking at: its columns in memory, its pictures by row_id, and thumbnails made when seen.

Everything is keyed by `row_id`. Pictures stay on disk; one access reads one group of rows of one file. The address of a
thumbnail holds the dataset's mark and the row's position, and `picture_named` makes it when a browser asks for it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from demo.common.pictures import file_address
from sfpn.data.dataset import PICTURE_COLUMNS, FaceDataset, Picture, picture_of
from sfpn.errors import UserError
from sfpn.photos.photo import decode_photo

THUMBNAIL_SIDE = 144  # px, longer side
ANSWERS, LONGEST_QUESTION = 16, 1000  # kept of each dataset; letters
CATEGORIES = ("identity", "pose", "pose_estimated", "template", "yaw_source", "source", "split", "detector")
UNKNOWN = "unknown"
NAMED = re.compile(r"([0-9a-f]{1,12})-([0-9]{1,9})\.jpg")  # mark and position
Row = Any  # of DatasetView.rows: columns by name (a pandas.Series, whose values type checkers cannot know)


@dataclass(frozen=True)
class DatasetView:
    """Build with `DatasetView.open`. `rows` holds all columns but the image, by row_id, in the order of the files.

    Columns of names are pandas categories without nulls ('unknown' instead), and `detected` says if a face was found.
    """

    dataset: FaceDataset
    rows: pd.DataFrame
    thumbnails: Path
    groups: np.ndarray = field(repr=False)  # (G, 3): file, row group, and the position after its last row
    answers: dict[str, Any] = field(default_factory=dict, repr=False)  # to what was asked last; see `answered`

    @classmethod
    def open(cls, dataset: FaceDataset, thumbnails: Path | None = None) -> DatasetView:
        """Index a dataset. `thumbnails`: where small pictures are kept (default: a private temporary folder)."""
        rows = dataset.rows().set_index("row_id", drop=False)
        rows["detected"] = rows["box_xyxy"].notna()
        for name in CATEGORIES:
            rows[name] = rows[name].astype(object).where(rows[name].notna(), UNKNOWN).astype("category")
        folder = thumbnails or default_folder(dataset.fingerprint)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(dataset, rows, folder, _groups(dataset.files))

    def __contains__(self, row_id: object) -> bool:
        return isinstance(row_id, str) and row_id in self.rows.index

    @property
    def mark(self) -> str:
        """What positions are told together with: another dataset, or another build of this one, has another."""
        return self.dataset.fingerprint[:12].lower()

    def position(self, row_id: str) -> int:
        """The place of a row in `rows`. Raises UserError for a row that the dataset does not have."""
        if row_id not in self:
            raise UserError(f"{row_id}: no such picture in the dataset {self.dataset.name}")
        found: Any = self.rows.index.get_loc(row_id)  # one number: row_ids occur once
        return found

    @property
    def has_pitch(self) -> bool:
        """Whether the pitch of any image is known."""
        return bool(np.isfinite(self.rows["pitch_degrees"].to_numpy(float)).any())

    def picture(self, row_id: str) -> Picture:
        """The encoded picture and its face. Raises UserError for a row that the dataset does not have."""
        self.dataset.check_unchanged()
        file, group, _ = self.groups[np.searchsorted(self.groups[:, 2], self.position(row_id), side="right")].tolist()
        stamp = self.dataset.stamps[file] if self.dataset.stamps else None
        with _reading:
            return _read_group(self.dataset.files[file], group, stamp)[row_id]

    def photo(self, row_id: str) -> Image.Image:
        """The upright RGB picture. Raises UserError for a row that the dataset does not have."""
        return self.picture(row_id).decode()

    def thumbnail(self, row_id: str) -> Path:
        """The file of the small picture, made if it is not there yet. Raises OSError where it cannot be written."""
        file = self.thumbnail_file(row_id)
        if not file.is_file():
            _save_thumbnail(self.photo(row_id), file)
        return file

    def thumbnail_file(self, row_id: str) -> Path:
        """Where the small picture of a row is kept, whether or not it has been made."""
        return self.thumbnails / f"{thumbnail_name(row_id)}.jpg"

    def address(self, row_id: str) -> str:
        """The address of the small picture in the app's pages, relative to them, to stand in an attribute of HTML."""
        return file_address(self.thumbnails / f"{self.mark}-{self.position(row_id)}.jpg")

    @property
    def addresses(self) -> str:
        """All of them, with {} for the position of the row."""
        return file_address(self.thumbnails / self.mark) + "-{}.jpg"

    def answered(self, question: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, kept for those who ask the same: many do, and rows never change. Treat it as read-only."""
        if len(question) > LONGEST_QUESTION:
            return make()
        answer = self.answers.get(question)
        if answer is None:
            answer = make()
            while len(self.answers) >= ANSWERS:
                self.answers.pop(next(iter(self.answers), ""), None)
            self.answers[question] = answer
        return answer

    def picture_named(self, name: str) -> Path | bytes | None:
        """The file behind the last part of an `address`, made if it is not there; None for any other name.

        JPEG where no file can be written. Raises UserError if the picture cannot be decoded.
        """
        asked = NAMED.fullmatch(name)
        if not asked or asked[1] != self.mark or int(asked[2]) >= len(self.rows):
            return None
        row_id = str(self.rows.index[int(asked[2])])
        try:
            return self.thumbnail(row_id)
        except OSError:
            in_memory = io.BytesIO()
            _write_small(self.photo(row_id), in_memory)
            return in_memory.getvalue()


def thumbnail_name(row_id: str) -> str:
    """A file name for any row_id, however long and whatever its letters."""
    return hashlib.sha256(row_id.encode()).hexdigest()[:24]


def default_folder(fingerprint: str) -> Path:
    """Where the thumbnails of a dataset are kept between runs: in a folder that only this user may read.

    Where somebody else has a folder of that name, they go to the app's own temporary files.
    """
    user = getattr(os, "getuid", lambda: "user")()
    kept = Path(tempfile.gettempdir()) / f"squeezefaceposenet-{user}"
    if not _is_private(kept):
        place = os.environ.get("GRADIO_TEMP_DIR", "")
        kept = Path(tempfile.mkdtemp(prefix="thumbnails-", dir=place if os.path.isdir(place) else None))
    return kept / fingerprint[:16]


def _is_private(folder: Path) -> bool:
    """Whether the folder is this user's own; it is made if it is not there."""
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        pass
    try:
        status = folder.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return False
    folder.chmod(0o700)
    return True


def save_thumbnail(encoded: bytes, row_id: str, folder: Path) -> None:
    """Make the small picture of a row before its dataset is there. Raises UserError if it cannot be decoded."""
    _save_thumbnail(decode_photo(encoded, row_id, min_side=1).image, folder / f"{thumbnail_name(row_id)}.jpg")


def forget_pictures() -> None:
    """Drop the pictures that are kept in memory for being asked again."""
    _read_group.cache_clear()


def _save_thumbnail(photo: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # somebody may have cleared it away
    temporary = file.with_name(f"{file.name}.{os.getpid()}-{id(photo)}.tmp")
    try:
        _write_small(photo, temporary)
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _write_small(photo: Image.Image, file: Path | io.BytesIO) -> None:
    photo.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    photo.save(file, "JPEG", quality=85)


def _groups(files: Sequence[Path]) -> np.ndarray:
    """The groups of rows in their order, from what the ends of the files say of them: no row is read."""
    found, end = [], 0
    for number, file in enumerate(files):
        known = pq.read_metadata(file)
        for group in range(known.num_row_groups):
            end += known.row_group(group).num_rows
            found.append((number, group, end))
    return np.array(found, int).reshape(-1, 3)


_reading = threading.Lock()  # several pictures of a group that are asked for at once are read once


@lru_cache(maxsize=4)
def _read_group(file: Path, group: int, stamp: tuple[int, int] | None) -> dict[str, Picture]:
    """The pictures of a group of rows; `stamp` tells files apart that had the same name one after the other."""
    rows = pq.ParquetFile(file).read_row_group(group, columns=list(PICTURE_COLUMNS)).to_pylist()
    return {row["row_id"]: picture_of(row) for row in rows}
