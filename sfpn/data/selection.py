"""A dataset folder and some of its splits, written as one word: DIR, DIR:validation or DIR:train+validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError


@dataclass(frozen=True)
class Selection:
    """The rows of a dataset that belong to a split, or to any of several joined by + (all where split is None)."""

    dataset: FaceDataset
    split: str | None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Raises UserError if the folder is not a dataset or has no rows of one of the splits."""
        selection = cls.open(text)
        there = set(selection.rows()["split"])
        missing = [split for split in selection.splits if split not in there]
        if missing or not there:
            split = missing[0] if missing else None
            raise UserError(f"{text}: the dataset {selection.dataset.folder} has no rows of split {split!r}")
        return selection

    @classmethod
    def open(cls, text: str) -> Selection:
        """Without looking at the rows, of which there may be millions. Raises UserError for another folder."""
        folder, split = folder_and_split(text)
        return cls(FaceDataset.open(folder), split)

    @property
    def title(self) -> str:
        return self.dataset.name if self.split is None else f"{self.dataset.name}, split {self.split}"

    @property
    def splits(self) -> list[str]:
        """Their names, one by one; none where all rows are selected."""
        return self.split.split("+") if self.split is not None else []

    def rows(self) -> pd.DataFrame:
        """The selected rows, all columns but the image."""
        rows = self.dataset.rows()
        return rows.loc[rows["split"].isin(self.splits)] if self.splits else rows

    def note_on_poses(self) -> str:
        """A sentence if yaws of these rows were estimated by another estimator than the bundled one, else ''."""
        from sfpn.photos.pose import estimator_version

        made_by, now = self.dataset.card.get("pose_estimator"), estimator_version()
        if made_by == now or not bool((self.rows()["yaw_source"] == "estimated").any()):
            return ""
        known = f"by the estimator {made_by}" if made_by else "by an estimator that its card does not name"
        return (
            f"the poses of {self.dataset.folder} were estimated {known}, not by today's ({now}): "
            f"bring them up to date with `python -m data_tools poses {self.dataset.folder}`"
        )

    def poses_are_estimates(self) -> bool:
        """Whether the set has no pose labels of its own: every pose is the estimator's."""
        rows = self.rows()
        posed = rows[rows["pose"].notna()]
        return bool((posed["pose"] == posed["pose_estimated"]).all())


def folder_and_split(text: str) -> tuple[Path, str | None]:
    """What 'DIR' or 'DIR:SPLIT' means. A text that is a folder is that folder, with whatever colons are in its name.

    Else the last colon separates the split, unless it belongs to a drive (C:\\sets) or to a folder above (old:v2/cfp).
    """
    before, colon, split = text.rpartition(":")
    is_drive = len(before) == 1 and before.isalpha() and not Path(before).is_dir()
    if not colon or not before or is_drive or "/" in split or "\\" in split or Path(text).is_dir():
        return Path(text), None
    return Path(before), split or None
