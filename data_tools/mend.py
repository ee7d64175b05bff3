"""A person's decisions applied to a dataset folder that is built: its rows change, and no picture does.

`build --decisions` does it from the source; this is for where the source is gone. Faces are looked for again only in
the pictures of which another face is to be taken.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data_tools.annotate import FindFace, with_face
from data_tools.card import card_counts, count_folder, files_sha256, save_card
from data_tools.ledger import DROPPED, INCOMPLETE, LEDGER_COLUMNS
from data_tools.save import CARD_FILE, LEDGER_FILE, save_shard, shard_file, shard_files
from sfpn.data.decisions import LEAVE_OUT, SAME_PERSON, Box, Decision, final_identity, require_consistent
from sfpn.errors import UserError
from sfpn.files import whole_file, whole_folder
from sfpn.photos.photo import decode_photo
from sfpn.schema import pose_from_yaw

Line = tuple[str, ...]  # by LEDGER_COLUMNS
KEPT_FILES = ("README.md", LEDGER_FILE)


def mend(folder: Path, out: Path, decisions: Iterable[Decision], find_face: FindFace | None = None) -> dict[str, Any]:
    """Write the dataset folder `out`, whole or not at all, and return its card.

    find_face: as the dataset was built with; needed for decisions that take another face of a picture.

    Official pairs are left behind: decisions may have made them untrue. Raises UserError for decisions that contradict
    each other or name a row or picture that is not there, and when no row would be left.
    """
    decisions = list(decisions)
    require_consistent(decisions)
    decided = _by_row(decisions)
    into = {decision.identity: decision.new_identity for decision in decisions if decision.action == SAME_PERSON}
    splits = _splits(folder)
    take_face = partial(_with_other_face, find_face, _has_given_poses(folder))
    lines: list[Line] = []
    digests: dict[str, bytes] = {}
    with whole_folder(out) as building:
        for file in shard_files(folder):
            rows = [_mended(row, decided, into, take_face, lines.append) for row in pq.read_table(file).to_pylist()]
            kept: list[dict[str, Any]] = [
                row | {"split": splits.get(row["identity"], row["split"])} for row in rows if row
            ]
            digests |= {row["row_id"]: hashlib.sha256(row["image"]["bytes"]).digest() for row in kept}
            if kept:
                save_shard(kept, shard_file(building, len(shard_files(building))))
        if unknown := sorted(set(decided) - {line[1] for line in lines} - digests.keys()):
            raise UserError(f"a decision is about the row {unknown[0]!r}, which the dataset does not have")
        if not digests:
            raise UserError("these decisions leave no picture: take one of them back")
        for name in KEPT_FILES:
            if (folder / name).is_file():
                shutil.copy(folder / name, building / name)
        _add_lines(building / LEDGER_FILE, lines)
        return _save_card(folder, building, digests, lines)


def _splits(folder: Path) -> dict[str, str]:
    """The split of each identity, so that a person whose rows had other names stays in one."""
    found: dict[str, str] = {}
    for file in shard_files(folder):
        table = pq.read_table(file, columns=["identity", "split"])
        pairs = zip(table["identity"].to_pylist(), table["split"].to_pylist(), strict=True)
        found = {identity: split for identity, split in pairs if split} | found
    return found


def _has_given_poses(folder: Path) -> bool:
    """Whether some row's pose is another than the estimated one, so that the poses are labels."""
    tables = [pq.read_table(file, columns=["pose", "pose_estimated"]) for file in shard_files(folder)]
    rows = [row for table in tables for row in table.to_pylist()]
    return any(row["pose"] != row["pose_estimated"] for row in rows if row["pose"] and row["pose_estimated"])


def _with_other_face(find_face: FindFace | None, given_poses: bool, row: dict[str, Any], box: Box) -> dict[str, Any]:
    """The row with the face at that place. Raises UserError where there is none."""
    face = find_face(decode_photo(row["image"]["bytes"], row["row_id"], min_side=1).image, box) if find_face else None
    if face is None:
        raise UserError(f"a decision takes another face of the row {row['row_id']!r}, and none is found there")
    return with_face(row, face, given_pose=given_poses)


def _by_row(decisions: list[Decision]) -> dict[str, Decision]:
    return {decision.row_id: decision for decision in decisions if decision.row_id}


def _mended(
    row: dict[str, Any],
    decided: dict[str, Decision],
    into: dict[str, str],
    take_face: Callable[[dict[str, Any], Box], dict[str, Any]],
    note: Callable[[Line], None],
) -> dict[str, Any] | None:
    """The row as decided, None if it is left out; what was done is noted."""
    decision, row_id = decided.get(row["row_id"]), row["row_id"]
    if decision and decision.picture_sha256 not in ("", hashlib.sha256(row["image"]["bytes"]).hexdigest()):
        raise UserError(f"a decision about the row {row_id!r} was made about another picture: check the set again")
    if decision and decision.action == LEAVE_OUT:
        note((row_id, row_id, "decision", DROPPED, f"left out by decision: {decision.why}".rstrip(": ")))
        return None
    identity = final_identity((decision.new_identity if decision else "") or row["identity"], into)
    pose = decision.new_pose if decision else ""
    changes = []
    if identity != row["identity"]:
        changes.append(f"identity {row['identity']!r} became {identity!r}")
        row = row | {"identity": identity, "template": row["template"] and f"{row['identity']}/{row['template']}"}
    if pose:
        changes.append(f"pose {row['pose'] or 'unknown'} became {pose}")
        fits = row["yaw_degrees"] is None or row["yaw_source"] != "given" or pose_from_yaw(row["yaw_degrees"]) == pose
        row = row | {"pose": pose} | ({} if fits else {"yaw_degrees": None, "yaw_source": None})
    if decision and decision.face_box:
        changes.append("another of its faces was taken")
        row = take_face(row, decision.face_box)
    if changes:
        note((row_id, row_id, "decision", INCOMPLETE, f"{', '.join(changes)} by decision"))
    return row


def _add_lines(file: Path, lines: list[Line]) -> None:
    known: list[list[str]] = [list(LEDGER_COLUMNS)]
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as stream:
            known = list(csv.reader(stream))
    with whole_file(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([*known, *lines])


def _save_card(folder: Path, building: Path, digests: dict[str, bytes], lines: list[Line]) -> dict[str, Any]:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    total = hashlib.sha256()
    for row_id in sorted(digests, key=str.encode):
        total.update(row_id.encode() + digests[row_id])
    ledger = {status: dict(card.get("ledger", {}).get(status, {})) for status in (DROPPED, INCOMPLETE)}
    for line in lines:
        ledger[line[3]]["decision"] = ledger[line[3]].get("decision", 0) + 1
    card |= card_counts(count_folder(building)) | {"ledger": ledger, "fingerprint": total.hexdigest()}
    card["files_sha256"] = files_sha256(building)
    save_card(building, card)
    return card
