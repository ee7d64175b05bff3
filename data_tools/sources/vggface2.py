"""VGGFace2: the VGGFace2-Pose list (368 subjects x 30 images = 11,040) and the train list (8,631 identities).

test_posetemp_imglist.txt    `n000001/0019_01.jpg`; 30 lines per subject: ten frontal, ten three-quarter, ten profile,
                             each ten being two templates of five; pose and template are the position, nothing else
train_list.txt               `n000002/0001_01.jpg`; in both also without `.jpg`, and with backslashes
n000001/0019_01.jpg          in SOURCE, SOURCE/test or SOURCE/train
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from data_tools.sources.base import Item, Pair, Problem, SourceInfo, require_folder
from sfpn.errors import UserError
from sfpn.photos.photo import PHOTO_SUFFIXES
from sfpn.schema import POSES

INFO = SourceInfo(
    name="vggface2",
    title="VGGFace2",
    url="https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/",
    licence="the terms under which your copy was obtained; the pictures belong to their owners",
    citation='Q. Cao, L. Shen, W. Xie, O. M. Parkhi, A. Zisserman, "VGGFace2: A Dataset for Recognising Faces across '
    'Pose and Age", FG 2018',
)
POSE_LIST = "test_posetemp_imglist.txt"
TRAIN_LIST = "train_list.txt"
SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", "")  # tried for a line without one
PER_POSE, PER_TEMPLATE = 10, 5
PER_SUBJECT = PER_POSE * len(POSES)


@dataclass(frozen=True)
class VGGFace2:
    """Image root with one or both lists; raises UserError when neither list is found."""

    root: Path
    pose_list: Path | None = None  # default: POSE_LIST in root
    train_list: Path | None = None  # default: TRAIN_LIST in root
    info: SourceInfo = INFO
    keeps_duplicates: bool = True

    def __post_init__(self) -> None:
        require_folder(self.root, what="a VGGFace2 image root")
        for file in (self.pose_list, self.train_list):
            if file and not file.is_file():
                raise UserError(f"there is no list {file}")
        if not self._lists():
            raise UserError(
                f"{self.root} has neither {POSE_LIST} nor {TRAIN_LIST}; name one with --pose-list or --train-list"
            )

    def total(self) -> int:
        """Number of lines in the lists."""
        return sum(1 for file in self._lists().values() for _ in _lines(file))

    def items(self) -> Iterator[Item | Problem]:
        """The pose list (split 'test') and then the train list (split 'train'), each in its own order."""
        for split, file in self._lists().items():
            for identity, lines in groupby(_lines(file), key=_identity):
                yield from self._subject(identity, lines, split, file.name)

    def pairs(self) -> Iterator[Pair]:
        """None: VGGFace2-Pose compares everything with everything."""
        return iter(())

    def _lists(self) -> dict[str, Path]:
        found = {"test": self.pose_list or self.root / POSE_LIST, "train": self.train_list or self.root / TRAIN_LIST}
        return {split: file for split, file in found.items() if file.is_file()}

    def _subject(self, identity: str, lines: Iterator[str], split: str, list_name: str) -> Iterator[Item | Problem]:
        if split == "train":
            for line in lines:
                yield self._item(line, split, list_name)
            return
        subject = list(lines)
        for position, line in enumerate(subject):
            if len(subject) == PER_SUBJECT:
                pose, template = pose_and_template(identity, position)
                yield self._item(line, split, list_name, pose=pose, template=template)
            else:
                note = f"{list_name} names {len(subject)} images of {identity}, not {PER_SUBJECT}: no pose, no template"
                yield self._item(line, split, list_name, note=note)

    def _item(self, line: str, split: str, list_name: str, **labels: Any) -> Item | Problem:
        identity, _, name = line.rpartition("/")
        if not identity or not name:
            return Problem(list_name, f"not a line such as n000001/0019_01.jpg: {line!r}")
        row_id = f"vggface2/{identity}/{PurePosixPath(name).stem if _has_suffix(name) else name}"
        return Item(row_id, identity, line, partial(Path.read_bytes, self._file(line, split)), split=split, **labels)

    def _file(self, line: str, split: str) -> Path:
        """The file that a line means, with or without its suffix; one that is absent where there is none."""
        suffixes = ("",) if _has_suffix(line) else SUFFIXES
        places = [folder / f"{line}{suffix}" for folder in (self.root / split, self.root) for suffix in suffixes]
        return next((place for place in places if place.is_file()), places[-1])


def pose_and_template(identity: str, position: int) -> tuple[str, str]:
    """Pose and template of the image at `position` (0-29) of a subject: 7 is frontal, template 'n000001/frontal/2'."""
    pose = POSES[position // PER_POSE]
    return pose, f"{identity}/{pose}/{position % PER_POSE // PER_TEMPLATE + 1}"


def _lines(file: Path) -> Iterator[str]:
    """`identity/name` of the lines, one at a time: the train list has 3 million. Folders above are left out."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in filter(None, map(str.strip, lines)):
            yield "/".join([part for part in line.replace("\\", "/").split("/") if part not in ("", ".")][-2:])


def _identity(line: str) -> str:
    return line.rpartition("/")[0]


def _has_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES
