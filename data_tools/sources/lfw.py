"""Labeled Faces in the Wild (13,233 images of 5,749 persons; partial copies too), any alignment.

    Abel_Pacheco/Abel_Pacheco_0001.jpg
    pairs.txt (or pairs*.txt)    `name i j` genuine, `name i name j` impostor; each fold genuine first, then impostor

Pose has no label here: it is estimated. A file named `pairs_folds_5_to_10.txt` starts at fold 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

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
from sfpn.errors import UserError

INFO = SourceInfo(
    name="lfw",
    title="Labeled Faces in the Wild (LFW)",
    url="http://vis-www.cs.umass.edu/lfw/",
    licence="research use; the pictures belong to their owners and must not be passed on",
    citation='G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild: A Database for Studying '
    'Face Recognition in Unconstrained Environments", University of Massachusetts, Amherst, '
    "Technical Report 07-49, 2007",
)

PICTURE = r"[^/]+/[^/]+_\d{4}\.\w+"


@dataclass(frozen=True)
class LFW:
    """Folders of persons; raises UserError when `root` holds none, or the named pairs file is missing."""

    root: Path
    pairs_file: Path | None = None  # default: the first pairs*.txt in root
    info: SourceInfo = INFO
    keeps_duplicates: bool = True

    def __post_init__(self) -> None:
        require_folder(self.root, what="an LFW folder")
        if not any(isinstance(found, Found) and re.fullmatch(PICTURE, found.name) for found in self._found()):
            raise UserError(f"{self.root} is not an LFW folder: no Person_Name/Person_Name_0001.jpg in it")
        if self.pairs_file and not self.pairs_file.is_file():
            raise UserError(f"there is no pairs file {self.pairs_file}")

    def total(self) -> int:
        """Number of files in the folders of persons, and of what is skipped."""
        return sum(1 for _ in self._found())

    def items(self) -> Iterator[Item | Problem]:
        """Every picture, by person and number."""
        for found in self._found():
            if isinstance(found, Problem):
                yield found
            elif len(found.parts) != 2:
                yield Problem(found.name, "not directly in the folder of a person")
            elif not may_be_photo(found.file):
                yield Problem(found.name, "not a picture, by its name and its content")
            else:
                person, name = found.parts
                yield Item(f"lfw/{PurePosixPath(name).stem}", person, found.name, partial(Path.read_bytes, found.file))

    def _found(self) -> Iterator[Found | Problem]:
        """What lies in folders, and what computers left beside them; the files beside them are lists and texts."""
        return (found for found in walk(self.root) if isinstance(found, Problem) or len(found.parts) > 1)

    def pairs(self) -> Iterator[Pair | Problem]:
        """The pairs of the pairs file as protocol 'LFW'; nothing without one."""
        file = self.pairs_file or next(iter(sorted(self.root.glob("pairs*.txt"))), None)
        if file is None:
            return
        lines = read_lines(file)
        has_header = bool(lines) and all(word.isdigit() for word in lines[0].split())
        fold, was_same = first_fold(file.name) - 1, False
        for number, line in enumerate(lines[has_header:], start=1 + has_header):
            words = line.split()
            names = _row_ids(words)
            if names is None:
                yield Problem(file.name, f"line {number} is not a pair: {line!r}", step="pairs")
                continue
            same = len(words) == 3
            fold += same and not was_same  # a genuine pair after an impostor pair opens the next fold
            was_same = same
            yield Pair("LFW", max(fold, 1), *names, same)


def first_fold(file_name: str) -> int:
    """The number of the first fold in a pairs file: 5 for 'pairs_folds_5_to_10.txt', else 1."""
    named = re.search(r"folds?_(\d+)", file_name)
    return int(named[1]) if named else 1


def _row_ids(words: list[str]) -> tuple[str, str] | None:
    if len(words) == 3:
        words = [words[0], words[1], words[0], words[2]]
    if len(words) != 4 or not (words[1].isdigit() and words[3].isdigit()):
        return None
    return f"lfw/{words[0]}_{int(words[1]):04d}", f"lfw/{words[2]}_{int(words[3]):04d}"
