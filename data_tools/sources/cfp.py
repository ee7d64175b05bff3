"""Celebrities in Frontal-Profile in the Wild: 500 subjects x (10 frontal + 4 profile) images, 7,000 in all.

    Data/Images/001/{frontal,profile}/01.jpg          the folder gives the pose
    Protocol/Pair_list_{F,P}.txt                      `number path`: the numbers that the pair files use
    Protocol/Split/{FF,FP}/01..10/{same,diff}.txt     `number,number`: 350 pairs each, 10 identity-disjoint folds

A partial copy is built as it is: what the lists name and the copy lacks goes to the ledger.
The split follows the folds (1-6 test, 7-9 train, 10 validation), because they are disjoint by identity already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from data_tools.names import unescaped
from data_tools.sources.base import (
    Item,
    Pair,
    Problem,
    SourceInfo,
    may_be_photo,
    read_lines,
    require_folder,
)
from data_tools.sources.walk import Found, walk

INFO = SourceInfo(
    name="cfp",
    title="Celebrities in Frontal-Profile in the Wild (CFP)",
    url="http://www.cfpw.io",
    licence="research use; the pictures belong to their owners and must not be passed on",
    citation="S. Sengupta, J.-C. Chen, C. Castillo, V. M. Patel, R. Chellappa, D. W. Jacobs, "
    '"Frontal to Profile Face Verification in the Wild", WACV 2016',
)
POSE_LISTS = {"frontal": "Pair_list_F.txt", "profile": "Pair_list_P.txt"}
PROTOCOLS = {"FF": ("frontal", "frontal"), "FP": ("frontal", "profile")}
FOLDS = range(1, 11)
FOLD_SPLITS = {fold: "test" if fold <= 6 else "train" if fold <= 9 else "validation" for fold in FOLDS}


@dataclass(frozen=True)
class CFP:
    """The official folder (`Data` and `Protocol`); raises UserError when `root` has no `Data/Images`."""

    root: Path
    info: SourceInfo = INFO
    keeps_duplicates: bool = True

    def __post_init__(self) -> None:
        require_folder(self.root, "Data", "Images", what="the official CFP folder")

    def total(self) -> int:
        """Number of pictures that the lists or the folders name, and of what is skipped in the folders."""
        return len(self._paths) + len(self._skipped)

    def items(self) -> Iterator[Item | Problem]:
        """Every picture, by subject, pose and number; pose from the folder name. Then what is none."""
        for path in self._paths:
            identity, pose, _ = path.parts
            file = self._images / unescaped(str(path))
            yield Item(
                row_id=row_id(path),
                identity=identity,
                path=f"Data/Images/{path}",
                read=partial(Path.read_bytes, file),
                pose=pose,
                split=FOLD_SPLITS.get(self._folds.get(identity, 0)),
            )
        yield from self._skipped

    def pairs(self) -> Iterator[Pair | Problem]:
        """The official FF and FP pairs by fold; a fold without files and an unreadable line become problems."""
        for protocol in PROTOCOLS:
            for fold in FOLDS:
                for name in ("same", "diff"):
                    yield from self._pairs_of(protocol, fold, name)

    def _pairs_of(self, protocol: str, fold: int, name: str) -> Iterator[Pair | Problem]:
        file = PurePosixPath("Protocol", "Split", protocol, f"{fold:02d}", f"{name}.txt")
        if not (self.root / file).is_file():
            yield Problem(str(file), f"{protocol} fold {fold}: no {name}.txt in this copy", step="pairs")
            return
        lists = [self._listed.get(pose, {}) for pose in PROTOCOLS[protocol]]
        for number, line in enumerate(read_lines(self.root / file), start=1):
            first, _, second = (text.strip() for text in line.partition(","))
            if first in lists[0] and second in lists[1]:
                yield Pair(protocol, fold, row_id(lists[0][first]), row_id(lists[1][second]), name == "same")
            else:
                yield Problem(str(file), f"line {number} is not two numbers of the pair lists: {line!r}", step="pairs")

    @cached_property
    def _listed(self) -> dict[str, dict[str, PurePosixPath]]:
        """pose -> number as written -> `001/frontal/01.jpg`."""
        return {
            pose: dict(_numbered(line) for line in read_lines(file) if " " in line)
            for pose, name in POSE_LISTS.items()
            if (file := self.root / "Protocol" / name).is_file()
        }

    @cached_property
    def _paths(self) -> list[PurePosixPath]:
        listed = {path for paths in self._listed.values() for path in paths.values()}
        present = {PurePosixPath(_name(found)) for found in self._walked if _why_not(found) is None}
        return sorted(listed | present)

    @cached_property
    def _skipped(self) -> list[Problem]:
        reasons = ((found, _why_not(found)) for found in self._walked)
        return [Problem(f"Data/Images/{_name(found)}", reason) for found, reason in reasons if reason]

    @cached_property
    def _walked(self) -> list[Found | Problem]:
        return list(walk(self._images))

    @property
    def _images(self) -> Path:
        return self.root / "Data" / "Images"

    @cached_property
    def _folds(self) -> dict[str, int]:
        """identity -> the fold whose pairs name it."""
        pairs = (pair for pair in self.pairs() if isinstance(pair, Pair))
        return {name.split("/")[1]: pair.fold for pair in pairs for name in (pair.row_id_a, pair.row_id_b)}


def row_id(path: PurePosixPath) -> str:
    """The row id of `001/frontal/01.jpg`: 'cfp/001/frontal/01'."""
    return f"cfp/{path.with_suffix('')}"


def _numbered(line: str) -> tuple[str, PurePosixPath]:
    number, path = line.split(maxsplit=1)
    return number, PurePosixPath(*PurePosixPath(path.replace("\\", "/")).parts[-3:])


def _why_not(found: Found | Problem) -> str | None:
    """Why what lies in the folder of images is no picture of a subject; None where it is one."""
    if isinstance(found, Problem):
        return found.reason
    if len(found.parts) != 3 or found.parts[1] not in POSE_LISTS:
        return f"not in a folder SUBJECT/{' or SUBJECT/'.join(POSE_LISTS)}"
    return None if may_be_photo(found.file) else "not a picture, by its name and its content"


def _name(found: Found | Problem) -> str:
    return found.path if isinstance(found, Problem) else found.name
