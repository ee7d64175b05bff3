"""Which names of a folder are the computer's and not its owner's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpn.photos.left_behind import left_by_computer

LEFT = [
    ".DS_Store",
    "._portrait.jpg",
    ".Trash-1000",
    ".Trashes",
    ".ipynb_checkpoints",
    ".git",
    ".Spotlight-V100",
    ".AppleDouble",
    ".directory",
    ".nfs0000000000000001",
    ".~lock.people.csv#",
    "@eaDir",
    "@Recycle",
    "#recycle",
    "#snapshot",
    "__MACOSX",
    "__pycache__",
    "Thumbs.db",
    "thumbs.DB",
    "ehthumbs.db",
    "desktop.ini",
    "Desktop.ini",
    "Icon\r",
    "lost+found",
    "$RECYCLE.BIN",
    "$Recycle.Bin",
    "RECYCLER",
    "System Volume Information",
    "portrait.jpg:Zone.Identifier",
    "~$people.xlsx",
    "portrait.jpg~",
    "portrait.jpg.part",
    "portrait.jpg.crdownload",
]
OWN = ["ann", "portrait.jpg", "@nn", "#1", "__init", "thumbs", "Thumbs.jpg", "$money.jpg", "found", "a.b.jpg", "~ann"]


@pytest.mark.parametrize("name", LEFT)
def test_left_by_computers(name):
    assert left_by_computer(name)


@pytest.mark.parametrize("name", OWN)
def test_made_by_people(name):
    assert not left_by_computer(name)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1), st.sampled_from(["", ".jpg", ".JPEG", ".png"]))
def test_letters_and_digits_are_people(name, suffix):
    if name.lower() not in ("recycler", "recycled"):
        assert not left_by_computer(name + suffix)
