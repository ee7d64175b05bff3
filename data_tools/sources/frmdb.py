"""Face Recognition from Mugshots Database: people photographed at once from seven directions and three heights.

    [images/]001/Img_23.jpg     subject; X = 2, direction: 0 to 6 = -135 to 135 degrees of yaw; Y = 3, height of the
                                camera: 2 = 30 degrees above the eyes, 3 = at eye level, 4 = 30 degrees below

Yaw and pitch are those of the rig; people hold their heads up to 30 degrees beside it. A camera above sees a lowered
face. X = 0 and 6 show the back of the head: they go to the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_tools.sources.base import Item, Pair, Problem, SourceInfo
from sfpn.errors import UserError

INFO = SourceInfo(
    name="frmdb",
    title="Face Recognition from Mugshots Database (FRMDB)",
    url="https://doi.org/10.3390/s23041939",
    licence="research and education; the pictures must not be passed on",
    citation="P. Contardo, P. Sernani, S. Tomassini, N. Falcionelli, M. Martarelli, P. Castellini, A. F. Dragoni, "
    '"FRMDB: Face Recognition Using Multiple Points of View", Sensors 2023, 23, 1939',
)
NAME = re.compile(r"Img_([0-6])([2-4])")
MIDDLE_DIRECTION, DIRECTION_DEGREES = 3, 45.0
MIDDLE_HEIGHT, HEIGHT_DEGREES = 3, 30.0
LAST_TO_TRAIN_ON, LAST_TO_CHOOSE_ON = 18, 24  # subjects; the later ones are for measuring


@dataclass(frozen=True)
class FRMDB:
    """Folders of subjects, or a folder with `images`; raises UserError when `root` holds no such picture."""

    root: Path
    info: SourceInfo = INFO
    keeps_duplicates: bool = True

    def __post_init__(self) -> None:
        if not any(NAME.fullmatch(file.stem) for file in self._files()):
            raise UserError(f"{self.root} is not an FRMDB folder: no 001/Img_23.jpg or images/001/Img_23.jpg in it")

    def _files(self) -> list[Path]:
        images = self.root / "images"
        return sorted((images if images.is_dir() else self.root).glob("*/*.jpg"))

    def total(self) -> int:
        """Number of pictures in the folders of subjects."""
        return len(self._files())

    def items(self) -> Iterator[Item | Problem]:
        """Every picture of a face, by subject, direction and height."""
        for file in self._files():
            subject, path = file.parent.name, file.relative_to(self.root).as_posix()
            named = NAME.fullmatch(file.stem)
            if named is None or not subject.isdecimal():
                yield Problem(path, "not named SUBJECT/Img_XY.jpg with X = 0 to 6 and Y = 2 to 4")
                continue
            direction, height = int(named[1]), int(named[2])
            if direction in (0, 6):
                yield Problem(path, "shows the back of the head")
                continue
            yield Item(
                row_id=f"frmdb/{subject}/{file.stem}",
                identity=subject,
                path=path,
                read=partial(Path.read_bytes, file),
                yaw_degrees=(direction - MIDDLE_DIRECTION) * DIRECTION_DEGREES,
                pitch_degrees=(height - MIDDLE_HEIGHT) * HEIGHT_DEGREES,
                split=split_of_subject(int(subject)),
            )

    def pairs(self) -> Iterator[Pair | Problem]:
        """None: the database has no official pairs."""
        return iter(())


def split_of_subject(number: int) -> str:
    """The first to train on, six to choose on, all others for measuring."""
    return "train" if number <= LAST_TO_TRAIN_ON else "validation" if number <= LAST_TO_CHOOSE_ON else "test"
