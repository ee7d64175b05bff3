"""Folders as computers leave them: what they left themselves, links, loops, pipes, names in any encoding."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import FAKE, encoded, make_cfp, make_lfw, make_vggface2, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_tools.__main__ import main
from data_tools.build import BuildConfig, build
from data_tools.names import escaped, unescaped
from data_tools.sources.base import Item, Problem
from data_tools.sources.cfp import CFP
from data_tools.sources.folder import open_folder
from data_tools.sources.lfw import LFW
from data_tools.sources.vggface2 import VGGFace2
from data_tools.sources.walk import Found, walk
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError

CONFIG = BuildConfig(command="python -m data_tools build", workers=0, progress=False)
LEFT = [".ipynb_checkpoints", ".Trash-1000", "@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN", ".git"]
bytes_in_names = pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")


def names_of(source) -> tuple[set[str], set[str], dict[str, str]]:
    """Row ids, identities, and the reasons of problems by path."""
    things = list(source.items())
    assert source.total() == len(things)
    items = [thing for thing in things if isinstance(thing, Item)]
    problems = {thing.path: thing.reason for thing in things if isinstance(thing, Problem)}
    return {item.row_id for item in items}, {item.identity for item in items}, problems


@pytest.mark.parametrize("name", [*LEFT, "System Volume Information"])
def test_folders_that_computers_leave_are_no_identities(tmp_path, name):
    write(tmp_path / "ann/1.jpg", encoded(1))
    for place in (name, f"ann/{name}"):
        write(tmp_path / place / "1-checkpoint.jpg", encoded(2))
        write(tmp_path / place / "deeper/2.jpg", encoded(3))
    rows, identities, problems = names_of(open_folder(tmp_path))
    assert (rows, identities) == ({"ann/1.jpg"}, {"ann"})
    assert set(problems) == {name, f"ann/{name}"} and all("left by a computer" in why for why in problems.values())


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "._1.jpg", ".DS_Store", "1.jpg:Zone.Identifier", "1.jpg~"]
)
def test_files_that_computers_leave_are_lines_of_the_ledger(tmp_path, name):
    write(tmp_path / "ann/1.jpg", encoded(1))
    write(tmp_path / "ann" / name, encoded(2))
    write(tmp_path / name, b"?")
    rows, _, problems = names_of(open_folder(tmp_path))
    assert rows == {"ann/1.jpg"} and set(problems) == {name, f"ann/{name}"}
    assert all("left by a computer" in why for why in problems.values())


@pytest.mark.parametrize("name", LEFT)
def test_published_layouts_skip_them_too(tmp_path, name):
    clean, spoilt = tmp_path / "clean", tmp_path / "spoilt"
    for make, opened, images in ((make_cfp, CFP, "Data/Images"), (make_lfw, LFW, ".")):
        make(clean / make.__name__)
        root = make(spoilt / make.__name__)
        person = "001" if make is make_cfp else "Ann_Ash"
        pose = "frontal/" if make is make_cfp else ""
        write(root / images / name / f"{pose}01_0001.jpg", encoded(5))
        write(root / images / person / f"{pose}._{person}_0001.jpg", encoded(6))
        write(root / images / person / f"{pose}{name}" / "01.jpg", encoded(7))
        rows, identities, problems = names_of(opened(root))
        assert (rows, identities) == names_of(opened(clean / make.__name__))[:2]
        assert sum("left by a computer" in why for why in problems.values()) == 3


def test_a_set_that_is_only_left_overs_is_refused(tmp_path):
    write(tmp_path / ".ipynb_checkpoints/1.jpg", encoded(1))
    with pytest.raises(ValueError, match="holds no identity/image.jpg"):
        open_folder(tmp_path)


def test_linked_identities_and_pictures_are_followed(tmp_path):
    pool, root = tmp_path / "pool", tmp_path / "set"
    for name in ("ann/1.jpg", "bo/deep/1.jpg", "cy/1.jpg"):
        write(pool / name, encoded(len(name)))
    write(root / "dee/1.jpg", encoded(9))
    (root / "ann").symlink_to(pool / "ann")
    (root / "bo").symlink_to("../pool/bo")
    (root / "dee/2.jpg").symlink_to(pool / "cy/1.jpg")
    (root / "dee/more").symlink_to(pool / "cy")
    rows, identities, problems = names_of(open_folder(root))
    assert rows == {"ann/1.jpg", "bo/deep/1.jpg", "dee/1.jpg", "dee/2.jpg", "dee/more/1.jpg"}
    assert identities == {"ann", "bo", "dee"} and not problems


def test_a_set_of_links_only_opens(tmp_path):
    write(tmp_path / "pool/1.jpg", encoded(1))
    (tmp_path / "set").mkdir()
    (tmp_path / "set/ann").symlink_to(tmp_path / "pool")
    assert names_of(open_folder(tmp_path / "set"))[0] == {"ann/1.jpg"}


def test_links_into_what_computers_leave_are_followed_by_their_own_name(tmp_path):
    """As git-annex and DVC keep pictures."""
    write(tmp_path / ".store/x/1.jpg", encoded(1))
    (tmp_path / "ann").symlink_to(".store/x")
    write(tmp_path / ".git/annex/key", encoded(2))
    (tmp_path / "bo").mkdir()
    (tmp_path / "bo/1.jpg").symlink_to("../.git/annex/key")
    assert names_of(open_folder(tmp_path))[0] == {"ann/1.jpg", "bo/1.jpg"}


@pytest.mark.parametrize("target", [".", "..", "ann", "ann/..", "../set", "bo"])
def test_loops_end_and_are_noted(tmp_path, target):
    root = tmp_path / "set"
    write(root / "ann/1.jpg", encoded(1))
    write(root / "bo/1.jpg", encoded(2))
    (root / "ann/again").symlink_to((root / target).resolve(), target_is_directory=True)
    rows, _, problems = names_of(open_folder(root))
    assert {"ann/1.jpg", "bo/1.jpg"} == rows
    assert any(path.startswith("ann/again") and "already" in why for path, why in problems.items())


def test_two_links_to_one_folder_are_one_identity(tmp_path):
    write(tmp_path / "pool/1.jpg", encoded(1))
    for name in ("set/ann", "set/annie"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / "pool")
    rows, _, problems = names_of(open_folder(tmp_path / "set"))
    assert rows == {"ann/1.jpg"} and "already" in problems["annie"]


def test_a_real_folder_comes_before_a_link_to_it(tmp_path):
    write(tmp_path / "zoe/1.jpg", encoded(1))
    (tmp_path / "alias").symlink_to("zoe")
    rows, _, problems = names_of(open_folder(tmp_path))
    assert rows == {"zoe/1.jpg"} and set(problems) == {"alias"}


def test_links_to_nothing_to_themselves_and_pipes_are_lines(tmp_path):
    write(tmp_path / "in/ann/1.jpg", encoded(1))
    (tmp_path / "in/ann/2.jpg").symlink_to("gone.jpg")
    (tmp_path / "in/ann/3.jpg").symlink_to("3.jpg")
    os.mkfifo(tmp_path / "in/ann/4.jpg")
    build(open_folder(tmp_path / "in"), tmp_path / "out", FAKE, CONFIG)
    with (tmp_path / "out/ledger.csv").open(newline="") as stream:
        lines = {line["path"]: line["reason"] for line in csv.DictReader(stream) if line["status"] == "dropped"}
    assert set(lines) == {"ann/2.jpg", "ann/3.jpg", "ann/4.jpg"}
    assert lines["ann/2.jpg"] == "the file is absent" and "not a file" in lines["ann/4.jpg"]


def test_published_layouts_follow_links(tmp_path):
    cfp, lfw = make_cfp(tmp_path / "cfp"), make_lfw(tmp_path / "lfw")
    expected = [names_of(CFP(cfp)), names_of(LFW(lfw))]
    for root, person in ((cfp / "Data/Images", "001"), (lfw, "Ann_Ash")):
        (root / person).rename(tmp_path / person)
        (root / person).symlink_to(tmp_path / person)
    assert [names_of(CFP(cfp)), names_of(LFW(lfw))] == expected


def test_the_order_is_that_of_sorted_paths(tmp_path):
    for name in ("b/1.jpg", "a.b/1.jpg", "a/1.jpg", "a/b/1.jpg", "a/b.jpg", "A/1.jpg", "a-b/1.jpg"):
        write(tmp_path / name, encoded(1))
    found = [thing.file for thing in walk(tmp_path) if isinstance(thing, Found)]
    assert found == sorted(file for file in tmp_path.rglob("*") if file.is_file())


FILE_NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not set(name) & set(b"\0/") and name not in (b".", b"..")
)


@given(FILE_NAMES)
def test_any_name_is_escaped_reversibly_and_as_text(name):
    text = os.fsdecode(name)
    assert unescaped(escaped(text)) == text
    assert escaped(text).encode("utf-8")


@given(
    st.lists(st.sampled_from(["\\", "x", "5", "c", "f", "\udcfc", "\udc80", "ü", "/", "\\x5c", "\\xfc"])).map("".join)
)
def test_names_that_look_escaped_come_back_too(name):
    assert unescaped(escaped(name)) == name


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\")))
def test_names_in_utf8_stay_as_they_are(name):
    assert escaped(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"M\xfcnchen.jpg", r"M\xfcnchen.jpg"), (b"\xff\xfe", r"\xff\xfe"), (rb"a\xfc", r"a\x5cxfc"), (rb"a\b", r"a\b")],
)
def test_escaped_names(name, shown):
    assert escaped(os.fsdecode(name)) == shown


def raw_write(folder: Path, name: bytes, content: bytes) -> None:
    path = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


@bytes_in_names
@pytest.mark.parametrize("name", [b"M\xfcnchen.jpg", b"\xe4\xf6.JPG", b"a#b%20c?d.jpg", b"new\nline.jpg", b"\\xfc.jpg"])
def test_names_of_any_bytes_reach_rows_and_ledger(tmp_path, capsys, name):
    raw_write(tmp_path / "in", b"J\xfcrgen/" + name, encoded(1))
    raw_write(tmp_path / "in", b"J\xfcrgen/broken " + name, b"no picture")
    raw_write(tmp_path / "in", b"ann/1.jpg", encoded(2))
    words = ["build", "folder", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--no-detect", "--quiet"]
    assert main([*words, "--workers", "1"]) == 0
    rows = pq.read_table(tmp_path / "out/data-00000.parquet", columns=["row_id", "identity"]).to_pylist()
    assert {"row_id": rf"J\xfcrgen/{escaped(os.fsdecode(name))}", "identity": r"J\xfcrgen"} in rows
    with (tmp_path / "out/ledger.csv").open(newline="", encoding="utf-8") as stream:
        line = next(line for line in csv.DictReader(stream) if line["status"] == "dropped")
    file = tmp_path / "in" / unescaped(line["path"])
    assert file.read_bytes() == b"no picture" and line["row_id"] == line["path"]


@bytes_in_names
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(identity=FILE_NAMES, name=FILE_NAMES)
def test_every_file_of_any_name_is_a_row_or_a_line(tmp_path_factory, identity, name):
    folder = tmp_path_factory.mktemp("in")
    raw_write(folder, b"ann/1.jpg", encoded(1))
    raw_write(folder, identity + b"/" + name + b".jpg", encoded(2))
    source = open_folder(folder)
    build(source, folder.with_name(folder.name + "-out"), FAKE, CONFIG)
    rows, _, problems = names_of(source)
    assert len(rows) + len(problems) >= (1 if (folder / os.fsdecode(identity)).name == "ann" and name == b"1" else 2)


@bytes_in_names
def test_folders_of_any_name_hold_sets_and_datasets(tmp_path, capsys):
    """The folder of the pictures in any bytes, that of the dataset in any UTF-8."""
    name, out = os.fsdecode(b"M\xfcller"), tmp_path / "my#tmp%20?x [1] für" / "C:set"
    write(tmp_path / name / "ann/1.jpg", encoded(1))
    words = ["build", "folder", str(tmp_path / name), "--no-detect", "--quiet", "--workers", "0", "--out"]
    assert main([*words, str(out), "--name", name]) == 0
    assert "1 rows" in capsys.readouterr().out
    card = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    assert card["name"] == r"M\xfcller" and r"M\xfcller" in card["command"]
    dataset = FaceDataset.open(out)
    assert dataset.rows()["row_id"].tolist() == ["ann/1.jpg"]
    assert [picture.row_id for picture in dataset.pictures({"ann/1.jpg"})] == ["ann/1.jpg"]


@bytes_in_names
@pytest.mark.parametrize("name", [b"M\xfcller", b"M\xfcller/out", b"\xff"])
def test_datasets_in_folders_that_are_not_utf8_are_refused_in_one_sentence(tmp_path, capsys, name):
    out = tmp_path / os.fsdecode(name)
    write(tmp_path / "in/ann/1.jpg", encoded(1))
    words = ["build", "folder", str(tmp_path / "in"), "--no-detect", "--quiet", "--workers", "0", "--out", str(out)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "is not UTF-8" in error and not out.exists()
    out.mkdir(parents=True)
    with pytest.raises(UserError, match="is not UTF-8"):
        FaceDataset.open(out)


@bytes_in_names
def test_published_layouts_take_any_names(tmp_path):
    cfp, lfw = make_cfp(tmp_path / "cfp"), make_lfw(tmp_path / "lfw")
    raw_write(cfp / "Data/Images", b"J\xfcrgen/frontal/1.jpg", encoded(1))
    raw_write(lfw, b"J\xfcrgen/J\xfcrgen_0001.jpg", encoded(1))
    assert r"cfp/J\xfcrgen/frontal/1" in names_of(CFP(cfp))[0]
    assert r"lfw/J\xfcrgen_0001" in names_of(LFW(lfw))[0]


VARIANTS = {
    "as published": lambda line: line,
    "without the suffix": lambda line: line.removesuffix(".jpg"),
    "backslashes": lambda line: line.replace("/", "\\"),
    "backslashes without the suffix": lambda line: line.replace("/", "\\").removesuffix(".jpg"),
    "from the folder": lambda line: f"./{line}",
    "with the split": lambda line: f"test\\{line}" if line < "n000009" else f"train\\{line}",
    "a drive": lambda line: f"D:\\VGG-Face2\\data\\{line}",
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_vggface2_lists_however_they_were_written(tmp_path, variant):
    root = make_vggface2(tmp_path / "v")
    expected = [(i.row_id, i.identity, i.pose, i.template, i.split, i.read()) for i in VGGFace2(root).items()]
    for name in ("test_posetemp_imglist.txt", "train_list.txt"):
        lines = (root / name).read_text().splitlines()
        (root / name).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(VARIANTS[variant], lines)).encode())
    found = [(i.row_id, i.identity, i.pose, i.template, i.split, i.read()) for i in VGGFace2(root).items()]
    assert found == expected


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".JPG"])
def test_vggface2_names_without_suffix_find_the_file_there_is(tmp_path, suffix):
    write(tmp_path / f"train/n000002/0001_01{suffix}", encoded(1))
    write(tmp_path / "train_list.txt", "n000002/0001_01\n")
    (item,) = VGGFace2(tmp_path).items()
    assert (item.row_id, item.read()) == ("vggface2/n000002/0001_01", encoded(1))


def test_cfp_lists_with_backslashes(tmp_path):
    root = make_cfp(tmp_path / "cfp")
    expected = (names_of(CFP(root)), list(CFP(root).pairs()))
    for name in ("Pair_list_F.txt", "Pair_list_P.txt"):
        file = root / "Protocol" / name
        file.write_text(file.read_text().replace("/", "\\"))
    assert (names_of(CFP(root)), list(CFP(root).pairs())) == expected


def test_tables_with_backslash_paths(tmp_path):
    write(tmp_path / "ann/1.jpg", encoded(1))
    table = write(tmp_path / "t.csv", "image,identity\nann\\1.jpg,ann\n.\\ann\\1.jpg,ann\nann/1.jpg,ann\n")
    assert [item.read() for item in open_folder(table).items()] == [encoded(1)] * 3
