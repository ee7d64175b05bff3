"""A dataset's own photos with the heads turned to other yaws ("face profiling", see sfpn/photos/turning).

One generic head stands for every face, so a turned picture is a guess at the person's profile, and so says the card.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from data_tools.sources.base import Item, Pair, Problem, SourceInfo
from sfpn.data.dataset import Picture
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.schema import pose_from_yaw

TURNED_BELOW = 35.0  # degrees of yaw: of a face turned further the photo shows too little
DEFAULT_YAW = (25, 75)  # degrees
MOST_YAW = 90
JPEG_QUALITY = 95


@dataclass(frozen=True)
class TurnedInfo(SourceInfo):
    """With what the pictures were made from; `identities_of` names the dataset whose identities these are."""

    identities_of: str
    made_from: dict


@dataclass(frozen=True)
class Turned:
    """`selection`: DIR or DIR:SPLIT of a dataset with detected faces. Raises UserError when it has no such rows."""

    selection: str
    seed: int = 0
    per_image: int = 1
    yaw: tuple[int, int] = DEFAULT_YAW  # least and most degrees of the new yaw, to either side
    keeps_duplicates: bool = False

    def __post_init__(self) -> None:
        low, high = self.yaw
        if self.per_image > 2 * (high - low + 1):
            raise UserError(
                f"--per-image {self.per_image}: {low}-{high} degrees are only {2 * (high - low + 1)} different yaws"
            )
        _ = self._opened

    @property
    def info(self) -> TurnedInfo:
        """The licence and citation of the photos, and how they were turned."""
        dataset, (low, high) = self._opened.dataset, self.yaw
        card = dataset.card
        made_from = {"name": dataset.name, "fingerprint": dataset.fingerprint, "split": self._opened.split}
        settings = {"yaw_degrees": [low, high], "seed": self.seed, "per_image": self.per_image}
        return TurnedInfo(
            name=f"{dataset.name}-turned",
            title=f"{card.get('title', dataset.name)}, heads turned by computation to a yaw of {low} to {high} degrees",
            url=card.get("url", ""),
            licence=card.get("licence", "not stated"),
            citation=card.get("citation", ""),
            identities_of=card.get("identities_of", dataset.name),
            made_from=made_from | settings,
        )

    def total(self) -> int:
        """Number of turned pictures and skipped rows."""
        return sum(1 if _why_not(row) else self.per_image for row in self._rows)

    def items(self) -> Iterator[Item | Problem]:
        """Every row of the dataset in its order: its turned pictures, or why there are none."""
        wanted = {row.row_id for row in self._rows if not _why_not(row)}
        pictures = self._opened.dataset.pictures(wanted)
        for row in self._rows:
            if reason := _why_not(row):
                yield Problem(row.row_id, reason, row.row_id)
                continue
            picture = next(pictures)
            for new_yaw in new_yaws(self.seed, row.row_id, self.per_image, self.yaw):
                yield _item(row, picture, new_yaw)

    def pairs(self) -> Iterator[Pair]:
        """None: an official protocol is of the photos as they are."""
        return iter(())

    @cached_property
    def _opened(self) -> Selection:
        return Selection.parse(self.selection)

    @property
    def _rows(self) -> Iterator[Any]:
        return iter(self._opened.rows().itertuples(index=False))


def _why_not(row: Any) -> str | None:
    """Why a row has no turned picture; None where it has."""
    if row.box_xyxy is None or row.landmarks_xy is None or pd.isna(row.yaw_degrees):
        return "not turned: no face found in it"
    if row.pose == "profile" or abs(row.yaw_degrees) >= TURNED_BELOW:
        return f"not turned: its face looks aside already ({row.pose}, yaw {row.yaw_degrees:+.0f} degrees)"
    return None


def new_yaws(seed: int, row_id: str, count: int, yaw: tuple[int, int]) -> list[int]:
    """`count` different whole degrees to either side, the same for the same seed and row."""
    digest = hashlib.sha256(f"{seed}/{row_id}".encode()).digest()
    either = np.arange(yaw[0], yaw[1] + 1)
    chosen = np.random.default_rng(list(digest)).choice(np.concatenate([-either[::-1], either]), count, replace=False)
    return [int(value) for value in chosen]


def _item(row: Any, picture: Picture, new_yaw: int) -> Item:
    row_id = f"{row.row_id}@{new_yaw:+d}"
    read = partial(turned_bytes, picture, float(row.yaw_degrees), new_yaw)
    return Item(row_id, row.identity, f"{row_id}.jpg", read, pose_from_yaw(new_yaw), float(new_yaw), split=row.split)


def turned_bytes(picture: Picture, yaw: float, new_yaw: float) -> bytes:
    """The turned picture as a JPEG file."""
    from sfpn.photos.turning.turn import turn_head

    stream = io.BytesIO()
    face = picture.face
    if face is None:  # only rows with a face are turned, see _why_not
        raise UserError(f"the row {picture.row_id} has no face to turn")
    turned = turn_head(picture.decode(), face.box_xyxy, face.landmarks_xy, yaw, new_yaw)
    turned.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def parse_yaw(text: str) -> tuple[int, int]:
    """Whole degrees from text such as '25-75'. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    low, high = map(int, found.groups()) if found else (1, 0)
    if not 0 < low <= high <= MOST_YAW:
        raise ValueError(f"write the yaw as LEAST-MOST in whole degrees from 1 to {MOST_YAW}, e.g. 25-75")
    return low, high
