"""What a person decided about doubtful rows of a dataset, as a file that `data_tools build --decisions FILE` applies.

A CSV file with a header, a JSON array, or one JSON object a line; the names are the fields of `Decision`, and empty
cells and absent names mean the same. No picture is ever changed: rows are left out, or get another identity, another
pose or another of their picture's faces.

    action,row_id,identity,new_identity,new_pose,face_xyxy,picture_sha256,why
    leave_out,ann/7.jpg,,,,,,somebody else is in front
    fix_label,ann/3.jpg,,bo,,,,
    fix_label,bo/1.jpg,,,profile,,,
    same_person,,anne,ann,,,,
    other_face,ann/8.jpg,,,,412 88 540 231,,the one on the right
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sfpn.errors import UserError
from sfpn.files import write_text
from sfpn.schema import POSES

LEAVE_OUT, SAME_PERSON, FIX_LABEL, OTHER_FACE = ACTIONS = ("leave_out", "same_person", "fix_label", "other_face")
MOST_BYTES = 64 * 2**20  # of a decisions file
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels
HEXADECIMAL = set("0123456789abcdef")


@dataclass(frozen=True)
class Decision:
    """One decision; fields that its action does not use are ''.

    leave_out: `row_id`. same_person: all rows of `identity` become `new_identity`. fix_label: `row_id` gets
    `new_identity`, `new_pose` (one of POSES) or both. other_face: of the faces found in the picture of `row_id`, the
    one at `face_xyxy` is taken ("left top right bottom", pixels of the stored picture). `picture_sha256`: of the stored
    image bytes of `row_id`, where known: a build whose row of that name has another picture is refused. `why`: for
    people; the ledger repeats it. Raises UserError, from a clause on, where that does not hold.
    """

    action: str
    row_id: str = ""
    identity: str = ""
    new_identity: str = ""
    new_pose: str = ""
    face_xyxy: str = ""
    picture_sha256: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        if wrong := _wrong(self):
            raise UserError(wrong)

    @property
    def face_box(self) -> Box | None:
        """`face_xyxy` as numbers."""
        return read_box(self.face_xyxy) if self.face_xyxy else None

    def record(self) -> dict[str, str]:
        """The fields that say something."""
        return {name: value for name, value in asdict(self).items() if value}


NAMES = tuple(field.name for field in fields(Decision))
USED = {
    LEAVE_OUT: {"row_id"},
    SAME_PERSON: {"identity", "new_identity"},
    FIX_LABEL: {"row_id"},
    OTHER_FACE: {"row_id", "face_xyxy"},
}
ALLOWED = {
    LEAVE_OUT: {"row_id", "picture_sha256"},
    SAME_PERSON: {"identity", "new_identity"},
    FIX_LABEL: {"row_id", "new_identity", "new_pose", "picture_sha256"},
    OTHER_FACE: {"row_id", "face_xyxy", "picture_sha256"},
}


def read_decisions(file: Path | str) -> list[Decision]:
    """Decisions in the order of the file. Raises UserError, with the number of the entry, for one that is wrong."""
    file = Path(file)
    text = _read(file)
    entries = _json_entries(file, text) if text.lstrip()[:1] in ("[", "{") else _csv_entries(file, text)
    decisions = []
    for number, entry in entries:
        try:
            decisions.append(Decision(**_fields(entry)))
        except UserError as error:
            raise UserError(f"{file}: {number}: {error}") from error
    require_consistent(decisions, f"{file}: ")
    return decisions


def write_decisions(decisions: Iterable[Decision], file: Path | str) -> None:
    """Write them, as JSON where the name ends with .json, else as CSV; whole or not at all.

    Raises UserError for decisions that contradict each other, OSError as writing does.
    """
    decisions, file = list(decisions), Path(file)
    require_consistent(decisions)
    write_text(decisions_text(decisions, as_json=file.suffix.lower() == ".json"), file)


def decisions_text(decisions: Iterable[Decision], *, as_json: bool = False) -> str:
    """The content of a decisions file."""
    if as_json:
        lines = ",\n ".join(json.dumps(decision.record(), ensure_ascii=False) for decision in decisions)
        return f"[{lines}]\n"
    stream = io.StringIO()
    writer = csv.DictWriter(stream, NAMES, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(decision) for decision in decisions)
    return stream.getvalue()


def require_consistent(decisions: Iterable[Decision], where: str = "") -> None:
    """Raise UserError where two decisions say different things about one row or one identity, or move in a circle."""
    rows: dict[str, tuple] = {}
    into: dict[str, str] = {}
    for decision in decisions:
        if decision.row_id:
            said = (decision.action, decision.new_identity, decision.new_pose, decision.face_xyxy)
            if rows.setdefault(decision.row_id, said) != said:
                raise UserError(f"{where}two decisions about the row {decision.row_id!r} differ: keep one of them")
        elif into.setdefault(decision.identity, decision.new_identity) != decision.new_identity:
            raise UserError(f"{where}the identity {decision.identity!r} is given two new names: keep one of them")
    for identity in into:
        final_identity(identity, into, where)


def final_identity(identity: str, into: dict[str, str], where: str = "") -> str:
    """Where merges (`identity` -> new one) lead in the end. Raises UserError when they lead back."""
    seen = [identity]
    while seen[-1] in into:
        seen.append(into[seen[-1]])
        if seen[-1] in seen[:-1]:
            raise UserError(f"{where}{' becomes '.join(map(repr, seen))}: leave out one of these decisions")
    return seen[-1]


def _wrong(decision: Decision) -> str:
    """What is wrong with a decision, in words; '' if nothing is."""
    action = decision.action
    if action not in ACTIONS:
        return f"the action {action!r} is not one of {', '.join(ACTIONS)}"
    given = {name for name, value in decision.record().items() if name not in ("action", "why") and value}
    if missing := sorted(USED[action] - given):
        return f"{action} needs {' and '.join(missing)}"
    if action == FIX_LABEL and not given & {"new_identity", "new_pose"}:
        return f"{action} needs new_identity or new_pose"
    if unused := sorted(given - ALLOWED[action]):
        return f"{action} does not use {' and '.join(unused)}: leave it empty"
    if decision.new_pose and decision.new_pose not in POSES:
        return f"the pose {decision.new_pose!r} is not one of {', '.join(POSES)}"
    if decision.face_xyxy and read_box(decision.face_xyxy) is None:
        return f"the face_xyxy {decision.face_xyxy!r} is not left, top, right and bottom in pixels, with spaces between"
    if action == SAME_PERSON and decision.identity == decision.new_identity:
        return f"the identity {decision.identity!r} is that already"
    if decision.picture_sha256 and not (len(decision.picture_sha256) == 64 and _is_hexadecimal(decision)):
        return "picture_sha256 is not 64 hexadecimal digits in small letters"
    return ""


def box_text(box: Sequence[float]) -> str:
    """A box (left, top, right, bottom) as `face_xyxy`, in whole pixels.

    >>> box_text((412.2, 87.6, 540, 231)), read_box("412 88 540 231"), read_box("412 88 540")
    ('412 88 540 231', (412.0, 88.0, 540.0, 231.0), None)
    """
    return " ".join(f"{value:.0f}" for value in box)


def read_box(text: str) -> Box | None:
    """The numbers of `face_xyxy`; None where it is no box."""
    try:
        left, top, right, bottom = (float(part) for part in text.split())
    except ValueError:
        return None
    is_box = left < right and top < bottom and all(map(math.isfinite, (left, top, right, bottom)))
    return (left, top, right, bottom) if is_box else None


def _is_hexadecimal(decision: Decision) -> bool:
    return set(decision.picture_sha256) <= HEXADECIMAL


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file} is no decisions file: it is larger than {MOST_BYTES // 2**20} MB")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"the decisions file {file} is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"the decisions file {file} cannot be read: {error.strerror}") from error


def _fields(entry: Any) -> dict[str, str]:
    """The named values of an entry. Raises UserError for other names and for what is not text."""
    if not isinstance(entry, dict):
        raise UserError(f"it is not an object with names such as {', '.join(NAMES[:3])}")
    entry = {name: value for name, value in entry.items() if value not in (None, "")}
    if unknown := sorted(set(entry) - set(NAMES), key=str):
        raise UserError(f"{unknown[0]!r} is not one of {', '.join(NAMES)}")
    for name, value in entry.items():
        if not isinstance(value, str) or "\0" in value:
            raise UserError(f"its {name} is not text")
    return {"action": "", **entry}


def _json_entries(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    try:
        if text.lstrip().startswith("["):
            entries = json.loads(text)
        else:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not a decisions file: it is no readable JSON ({error})") from error
    yield from ((f"entry {number}", entry) for number, entry in enumerate(entries, start=1))


def _csv_entries(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = next(reader, [])
        if "action" not in header or set(header) - set(NAMES) or len(set(header)) < len(header):
            raise UserError(f"{file} is not a decisions file: its first row must name columns of {', '.join(NAMES)}")
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise UserError(f"{file}: row {reader.line_num} has {len(cells)} cells, the header {len(header)}")
            yield f"row {reader.line_num}", dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise UserError(f"{file}: row {reader.line_num} cannot be read as CSV ({error})") from error
