"""A source with a person's decisions applied: rows left out, identities merged, labels mended, other faces taken.

No picture changes. A decision names rows as the dataset does, and a source names its rows the same way each time: by
file name, or by the `row_id` column of a table, or, where a table has none, by the number of its row. Numbers change
when rows are added above, so a decision may carry the SHA-256 of the stored picture, and a build with another picture
there is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from data_tools.sources.base import Decided, Item, Pair, Problem, Source
from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT, SAME_PERSON, Decision, final_identity, require_consistent
from sfpn.errors import UserError
from sfpn.schema import pose_from_yaw


@dataclass(frozen=True)
class _Known:
    """What one pass over the source tells: its identities with the split they are given, and who is on each row."""

    splits: dict[str, str | None]
    identities: dict[str, str]  # row_id -> identity, of rows that decisions or pairs name


@dataclass(frozen=True)
class DecidedSource:
    """`source` after `decisions`. Raises UserError when they contradict each other or name what the source has not.

    That is found out by enumerating the source once before the build, which reads no picture of a folder.
    """

    source: Source
    decisions: tuple[Decision, ...]

    def __post_init__(self) -> None:
        require_consistent(self.decisions)
        for decision in self.decisions:
            if decision.row_id and decision.row_id not in self._known.identities:
                raise UserError(f"a decision is about the row {decision.row_id!r}, which the source does not have")
            for name in (decision.identity, decision.new_identity):
                if name and name not in self._known.splits:
                    raise UserError(f"a decision names the identity {name!r}, which the source does not have")

    @property
    def info(self) -> Any:
        """That of the source."""
        return self.source.info

    @property
    def keeps_duplicates(self) -> bool:
        """As the source."""
        return self.source.keeps_duplicates

    def total(self) -> int | None:
        """As the source."""
        return self.source.total()

    def items(self) -> Iterator[Item | Problem]:
        """Every picture of the source in its order, as decided."""
        for item in self.source.items():
            yield self._decided(item) if isinstance(item, Item) else item

    def pairs(self) -> Iterator[Pair | Problem]:
        """The official pairs but those whose `same` or whose poses are no longer true."""
        for pair in self.source.pairs():
            yield self._checked(pair) if isinstance(pair, Pair) else pair

    def _decided(self, item: Item) -> Item:
        decision = self._by_row.get(item.row_id)
        if decision and decision.action == LEAVE_OUT:
            said = f"left out by decision{_because(decision)}"
            return replace(item, decided=Decided(left_out=said, picture_sha256=decision.picture_sha256))
        decided, changes = item, []
        identity = self._identity(item.row_id, item.identity)
        if identity != item.identity:
            changes.append(f"identity {item.identity!r} became {identity!r}")
            template = item.template and f"{item.identity}/{item.template}"
            decided = replace(decided, identity=identity, template=template, split=self._known.splits.get(identity))
        if decision and decision.new_pose:
            changes.append(f"pose {item.pose or 'as estimated'} became {decision.new_pose}")
            decided = _posed(decided, decision.new_pose)
        face_box = decision.face_box if decision else None
        if face_box:
            changes.append("another of its faces was taken")
        if not changes:
            return item
        said = ", ".join(changes) + _because(decision or self._by_identity[item.identity])
        sha256 = decision.picture_sha256 if decision else ""
        return replace(decided, decided=Decided(changed=said, face_box=face_box, picture_sha256=sha256))

    def _checked(self, pair: Pair) -> Pair | Problem:
        rows = (pair.row_id_a, pair.row_id_b)
        decisions = [self._by_row.get(row_id) for row_id in rows]
        if any(row_id not in self._known.identities for row_id in rows):
            return pair  # the build counts it as naming a picture that is not there
        identities = [self._identity(row_id, self._known.identities[row_id]) for row_id in rows]
        posed = any(decision and decision.new_pose for decision in decisions)
        if not posed and (identities[0] == identities[1]) == pair.same:
            return pair
        what = "the pose of one of its pictures" if posed else "whether its pictures show one person"
        reason = f"a decision changed {what}: {' and '.join(rows)}"
        return Problem(f"{pair.protocol} fold {pair.fold}", reason, step="pairs")

    def _identity(self, row_id: str, identity: str) -> str:
        decision = self._by_row.get(row_id)
        return final_identity((decision.new_identity if decision else "") or identity, self._into)

    @cached_property
    def _by_row(self) -> dict[str, Decision]:
        return {decision.row_id: decision for decision in self.decisions if decision.row_id}

    @cached_property
    def _by_identity(self) -> dict[str, Decision]:
        return {decision.identity: decision for decision in self.decisions if decision.action == SAME_PERSON}

    @cached_property
    def _into(self) -> dict[str, str]:
        return {identity: decision.new_identity for identity, decision in self._by_identity.items()}

    @cached_property
    def _known(self) -> _Known:
        splits: dict[str, str | None] = {}
        identities: dict[str, str] = {}
        every = next(iter(self.source.pairs()), None) is not None
        for item in self.source.items():
            if isinstance(item, Item):
                splits.setdefault(item.identity, item.split)
            if item.row_id in self._by_row or every:
                identities.setdefault(item.row_id, item.identity if isinstance(item, Item) else "")
        return _Known(splits, identities)


def _posed(item: Item, pose: str) -> Item:
    """The item with another pose label; a given yaw that contradicts it goes, and is estimated."""
    keeps = item.yaw_degrees is not None and pose_from_yaw(item.yaw_degrees) == pose
    return replace(item, pose=pose, yaw_degrees=item.yaw_degrees if keeps else None)


def _because(decision: Decision) -> str:
    words = {FIX_LABEL: "mended by decision", SAME_PERSON: "one person by decision"}
    word = words.get(decision.action, "by decision")
    said = f": {' '.join(decision.why.split())}" if decision.why else ""
    return said if decision.action == LEAVE_OUT else f" ({word}{said})"
