"""DIR and DIR:SPLIT, whatever colons the folder's name has."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.evaluation_data import write_dataset
from hypothesis import given
from hypothesis import strategies as st

from sfpn.data.dataset import FaceDataset
from sfpn.data.selection import Selection, folder_and_split
from sfpn.errors import UserError

SPLITS = ("train", "test", "validation")


@pytest.mark.parametrize(
    ("text", "folder", "split"),
    [
        ("cfp", "cfp", None),
        ("cfp:train", "cfp", "train"),
        ("cfp:", "cfp", None),
        ("sets/cfp 10:30:train", "sets/cfp 10:30", "train"),
        (r"C:\sets\cfp:train", r"C:\sets\cfp", "train"),
        (r"C:\sets\cfp", r"C:\sets\cfp", None),
        ("C:/sets/cfp", "C:/sets/cfp", None),
        ("d:/sets/cfp:test", "d:/sets/cfp", "test"),
        ("c:cfp", "c:cfp", None),
        ("old:v2/cfp", "old:v2/cfp", None),
        ("old:v2/cfp:test", "old:v2/cfp", "test"),
        (":train", ":train", None),
    ],
)
def test_texts_of_folders_that_are_not_there(text, folder, split):
    assert folder_and_split(text) == (Path(folder), split)


@pytest.mark.parametrize("name", ["cfp 10:30", "2026-11-25T10:30:00", "a:train", ":", "c:"])
def test_a_text_that_is_a_folder_is_that_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    assert folder_and_split(str(folder)) == (folder, None)
    assert folder_and_split(f"{folder}:train") == (folder, "train")


def test_a_folder_of_one_letter_is_no_drive(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert folder_and_split("a:train") == (Path("a"), "train")


@given(st.text(st.characters(exclude_characters="\0/\\", exclude_categories=["Cs"]), min_size=2, max_size=40))
def test_any_name_keeps_its_split(name):
    folder, split = folder_and_split(f"sets/{name}:train")
    assert (folder, split) == (Path("sets") / name, "train")


def test_datasets_with_colons_open(tmp_path):
    dataset = write_dataset(tmp_path / "cfp 10:30")
    assert Selection.parse(str(dataset)).split is None
    assert Selection.open(f"{dataset}:train").split == "train"
    with pytest.raises(UserError, match="cfp 10:30 has no rows of split 'train'"):
        Selection.parse(f"{dataset}:train")


@pytest.mark.parametrize("text", ["C:\\sets\\cfp", "nowhere:v2/cfp", "cfp 10:30/x"])
def test_the_message_names_the_whole_folder(text):
    with pytest.raises(UserError) as caught:
        Selection.parse(text)
    assert str(caught.value).startswith(f"{text} is not a dataset folder")


def test_several_splits_are_one_selection(tmp_path, monkeypatch):
    dataset = FaceDataset.open(write_dataset(tmp_path / "people"))
    rows = dataset.rows().reset_index(drop=True)
    rows = rows.assign(split=rows.index.map(lambda number: ("train", "validation", "test")[number % 3]))
    monkeypatch.setattr(FaceDataset, "rows", lambda self: rows)
    selection = Selection.parse(f"{dataset.folder}:train+validation")
    assert list(selection.rows().index) == [number for number in range(len(rows)) if number % 3 != 2]
    assert selection.title == "drawn, split train+validation"
    with pytest.raises(UserError, match="no rows of split 'nowhere'"):
        Selection.parse(f"{dataset.folder}:train+nowhere")  # and not silently the one that is there
