"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import pytest

from sfpn.files import whole_file, whole_folder, write_text


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_replaces_the_one_that_was_there(tmp_path):
    path = tmp_path / "new" / "card.json"
    write_text("first", path)
    write_text("sécond", path)
    assert path.read_text(encoding="utf-8") == "sécond"
    assert names(path.parent) == ["card.json"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "card.json"
    write_text("old", path)
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["card.json"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "card.json"
    write_text("old", path)
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"


def test_a_folder_replaces_the_one_that_was_there(tmp_path):
    path = tmp_path / "report"
    for number in (1, 2):
        with whole_folder(path) as temporary:
            (temporary / f"table{number}").write_text(str(number))
    assert names(tmp_path) == ["report", "table2"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    path = tmp_path / "report"
    with whole_folder(path) as temporary:
        (temporary / "table").write_text("old")
    with pytest.raises(OSError, match="disk"), whole_folder(path) as temporary:
        (temporary / "table").write_text("half")
        raise OSError("the disk is full")
    assert (path / "table").read_text() == "old"
    assert names(tmp_path) == ["report", "table"]
