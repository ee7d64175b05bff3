"""The decisions file: what is written is read, and what is wrong is said in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpn.data.decisions import (
    FIX_LABEL,
    LEAVE_OUT,
    NAMES,
    SAME_PERSON,
    Decision,
    decisions_text,
    final_identity,
    read_decisions,
    write_decisions,
)
from sfpn.errors import UserError

SOME = [
    Decision(LEAVE_OUT, 'ann/7, "x".jpg', picture_sha256="ab" * 32, why="somebody\nelse"),
    Decision(FIX_LABEL, "ann/3.jpg", new_identity="bo", new_pose="profile"),
    Decision(SAME_PERSON, identity="änne", new_identity="ann"),
]


@pytest.mark.parametrize("name", ["d.csv", "d.json", "d.txt"])
def test_what_is_written_is_read(tmp_path: Path, name: str):
    write_decisions(SOME, tmp_path / name)
    assert read_decisions(tmp_path / name) == SOME


def test_one_object_a_line_is_read_and_a_byte_order_mark_too(tmp_path: Path):
    lines = "\n".join(json.dumps(decision.record()) for decision in SOME)
    (tmp_path / "d.jsonl").write_text(lines)
    (tmp_path / "d.csv").write_text("\ufeff" + decisions_text(SOME))
    assert read_decisions(tmp_path / "d.jsonl") == read_decisions(tmp_path / "d.csv") == SOME


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)


@settings(deadline=None)  # files on a busy machine
@given(text, text, st.booleans())
def test_any_names_come_back(tmp_path_factory, row_id: str, why: str, as_json: bool):
    file = tmp_path_factory.mktemp("d") / ("d.json" if as_json else "d.csv")
    decisions = [Decision(LEAVE_OUT, row_id, why=why)]
    write_decisions(decisions, file)
    assert read_decisions(file) == decisions


HEADER = ",".join(NAMES) + "\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("action,row_id\nremove,a\n", "row 2: the action 'remove' is not one of leave_out"),
        ("action,row_id\nleave_out,\n", "row 2: leave_out needs row_id"),
        ("action,row_id\nfix_label,a\n", "needs new_identity or new_pose"),
        ("action,row_id,new_pose\nfix_label,a,sideways\n", "the pose 'sideways' is not one of"),
        ("action,row_id,identity\nleave_out,a,b\n", "leave_out does not use identity"),
        ("action,identity,new_identity\nsame_person,a,a\n", "is that already"),
        ("action,identity,new_identity\nsame_person,a,b\nsame_person,b,a\n", "leave out one of these"),
        ("action,identity,new_identity\nsame_person,a,b\nsame_person,a,c\n", "two new names"),
        ("action,row_id,new_pose\nleave_out,a,\nfix_label,a,profile\n", "two decisions about the row 'a'"),
        ("action,row_id,picture_sha256\nleave_out,a,ABC\n", "64 hexadecimal digits"),
        ("action,row_id\nleave_out\n", "row 2 has 1 cells, the header 2"),
        ('action,row_id\nleave_out,"a\n', "cannot be read as CSV"),
        ("row_id,who\na,b\n", "its first row must name columns"),
        ("", "its first row must name columns"),
        ('[{"action": "leave_out", "row_id": 3}]', "entry 1: its row_id is not text"),
        ('[{"action": "leave_out", "row": "a"}]', "entry 1: 'row' is not one of"),
        ("[3]", "entry 1: it is not an object"),
        ("[", "no readable JSON"),
        ("[" * 100_000, "no readable JSON"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, said: str):
    (tmp_path / "d").write_text(content)
    with pytest.raises(UserError, match=re.escape(said)) as raised:
        read_decisions(tmp_path / "d")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path):
    (tmp_path / "d").write_bytes(b"\xff\xfe\x00a")
    for name in ("d", "none", "."):
        with pytest.raises(UserError, match="decisions file"):
            read_decisions(tmp_path / name)


def test_merges_follow_each_other():
    assert final_identity("a", {"a": "b", "b": "c"}) == "c"
