"""Every outside layout gives the items, labels and pairs that its description promises."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import encoded, make_cfp, make_folder, make_lfw, make_ms1m, make_vggface2, part, write

from data_tools.sources.base import Item, Pair, Problem
from data_tools.sources.cfp import CFP
from data_tools.sources.columns import Columns, parse_columns
from data_tools.sources.folder import open_folder
from data_tools.sources.hub import Hub
from data_tools.sources.lfw import LFW, first_fold
from data_tools.sources.ms1m import MS1M
from data_tools.sources.recordio import RecordError, read_image
from data_tools.sources.vggface2 import VGGFace2
from sfpn.errors import UserError


def of_kind(kind: type, things) -> list:
    return [thing for thing in things if isinstance(thing, kind)]


def test_cfp_items_have_the_pose_of_their_folder_and_the_split_of_their_fold(tmp_path):
    items = list(CFP(make_cfp(tmp_path)).items())
    assert len(items) == 3 * 14
    assert [item.row_id for item in items[9:12]] == ["cfp/001/frontal/10", "cfp/001/profile/01", "cfp/001/profile/02"]
    assert all(item.pose in item.path for item in items)
    assert {(item.identity, item.split) for item in items} == {("001", "test"), ("002", "test"), ("003", "train")}
    assert items[0].read() == (tmp_path / items[0].path).read_bytes()


def test_cfp_pair_numbers_mean_the_lists(tmp_path):
    pairs = of_kind(Pair, CFP(make_cfp(tmp_path)).pairs())
    assert Pair("FF", 1, "cfp/001/frontal/01", "cfp/002/frontal/01", False) in pairs
    assert Pair("FP", 1, "cfp/002/frontal/01", "cfp/002/profile/01", True) in pairs
    assert Pair("FF", 7, "cfp/003/frontal/01", "cfp/003/frontal/02", True) in pairs
    assert len(pairs) == 7


def test_cfp_names_what_is_absent_or_malformed(tmp_path):
    make_cfp(tmp_path, subjects=2, listed=3)
    write(tmp_path / "Protocol/Split/FF/01/diff.txt", "1,9999\nnonsense\n1,2,3\n")
    source = CFP(tmp_path)
    assert sum(item.identity == "003" for item in source.items()) == 14  # named by the lists, absent on disk
    reasons = [problem.reason for problem in of_kind(Problem, source.pairs())]
    assert sum("not two numbers" in reason for reason in reasons) == 3
    assert "FP fold 10: no same.txt in this copy" in reasons


def test_lfw_pairs_count_folds_and_pad_numbers(tmp_path):
    source = LFW(make_lfw(tmp_path))
    assert [item.row_id for item in of_kind(Item, source.items())][:2] == ["lfw/Ann_Ash_0001", "lfw/Ann_Ash_0002"]
    pairs = list(source.pairs())
    assert [(pair.fold, pair.same) for pair in pairs] == [(1, True), (1, False), (2, True), (2, False)]
    assert pairs[3] == Pair("LFW", 2, "lfw/Bo_Elm_0001", "lfw/Cy_Oak_0001", False)


@pytest.mark.parametrize(("name", "fold"), [("pairs.txt", 1), ("pairs_folds_5_to_10.txt", 5)])
def test_lfw_first_fold_comes_from_the_file_name(name, fold):
    assert first_fold(name) == fold


def test_vggface2_pose_and_template_are_the_position(tmp_path):
    items = list(VGGFace2(make_vggface2(tmp_path)).items())
    assert len(items) == 62
    first = items[:30]
    assert [item.pose for item in first] == ["frontal"] * 10 + ["three_quarter"] * 10 + ["profile"] * 10
    assert [item.template for item in first[:11]] == ["n000001/frontal/1"] * 5 + ["n000001/frontal/2"] * 5 + [
        "n000001/three_quarter/1"
    ]
    assert (items[-1].split, items[-1].pose, items[-1].identity) == ("train", None, "n000009")
    assert items[-1].read() and items[0].read()


def test_vggface2_a_subject_of_29_lines_has_no_labels(tmp_path):
    make_vggface2(tmp_path)
    lines = (tmp_path / "test_posetemp_imglist.txt").read_text().splitlines()
    write(tmp_path / "test_posetemp_imglist.txt", "\n".join(["garbage", *lines[1:]]))
    things = list(VGGFace2(tmp_path).items())
    assert "not a line such as" in of_kind(Problem, things)[0].reason
    items = of_kind(Item, things)
    assert all(item.pose is None and "names 29 images" in item.note for item in items[:29])
    assert items[29].pose == "frontal"


def test_ms1m_gives_images_but_not_the_identity_records(tmp_path):
    items = list(MS1M(make_ms1m(tmp_path)).items())
    assert [item.identity for item in items] == ["0", "0", "0", "1", "2", "2"]
    assert [item.row_id for item in items][:2] == ["ms1m/00000001", "ms1m/00000002"]
    assert [item.read() for item in items] == [encoded(key) for key in range(1, 7)]


def test_ms1m_truncated_file_and_wrong_index_become_problems(tmp_path):
    make_ms1m(tmp_path)
    rec = (tmp_path / "train.rec").read_bytes()
    (tmp_path / "train.rec").write_bytes(rec[: len(rec) * 2 // 3])
    with (tmp_path / "train.idx").open("a") as idx:
        idx.write("wrong line\n")
    things = list(MS1M(tmp_path).items())
    assert len(of_kind(Item, things)) + len(of_kind(Problem, things)) == 7
    assert "cut short" in " ".join(problem.reason for problem in of_kind(Problem, things))


def test_recordio_joins_the_parts_of_an_image_that_contains_the_magic_number(tmp_path):
    magic = struct.pack("<I", 0xCED7230A)
    head = struct.pack("<IfQQ", 0, 5.0, 1, 0)
    whole = part(head + b"abcd", flag=1) + part(b"efgh", flag=2) + part(b"ij", flag=3)
    write(tmp_path / "a.rec", whole)
    assert read_image(tmp_path / "a.rec", 0) == b"abcd" + magic + b"efgh" + magic + b"ij"
    with pytest.raises(RecordError, match="inside a record"):
        read_image(tmp_path / "a.rec", len(part(head + b"abcd", flag=1)))
    with pytest.raises(RecordError, match="no RecordIO record"):
        read_image(tmp_path / "a.rec", 4)


def test_folder_takes_identities_from_folders_and_lists_other_files(tmp_path):
    make_folder(tmp_path)
    write(tmp_path / "ann" / "notes.txt", "no picture")
    write(tmp_path / "loose.jpg", encoded(9))
    things = list(open_folder(tmp_path).items())
    assert [(item.row_id, item.identity) for item in of_kind(Item, things)][0] == ("ann/1.jpg", "ann")
    assert {problem.path for problem in of_kind(Problem, things)} == {"ann/notes.txt", "loose.jpg"}


def test_csv_columns_give_labels_and_bad_labels_become_notes(tmp_path):
    make_folder(tmp_path)
    rows = ["ann/1.jpg,ann,profile,-80,t1", "ann/2.png,ann,sideways,inf,", "bo/1.webp,,frontal,,"]
    table = "\n".join(["file,who,pose,yaw_degrees,template", *rows, ""])
    csv = write(tmp_path / "faces.csv", table)
    first, second, third = open_folder(csv, parse_columns(["image=file", "identity=who"])).items()
    assert (first.pose, first.yaw_degrees, first.template) == ("profile", -80.0, "t1")
    assert first.read() == (tmp_path / "ann/1.jpg").read_bytes()
    assert second.pose is None and second.yaw_degrees is None and "sideways" in second.note and "inf" in second.note
    assert third == Problem("bo/1.webp", "no identity in this row", "faces/00000002")


def test_csv_cells_are_text(tmp_path):
    make_folder(tmp_path)
    csv = write(tmp_path / "faces.csv", "image,identity,row_id\nann/1.jpg,007,1e3\nann/2.png,,\n,ann,\n")
    item, no_identity, no_image = open_folder(csv).items()
    assert (item.identity, item.row_id) == ("007", "1e3")
    assert (no_identity.reason, no_image.reason) == ("no identity in this row", "no image in this row")


@pytest.mark.parametrize("opened", [open_folder, lambda file, columns: Hub(str(file), columns)])
def test_parquet_bytes_are_read_through_a_column_mapping(tmp_path, opened):
    rows = [{"img": {"bytes": encoded(n), "path": f"{n}.jpg"}, "person": f"p{n}", "yaw": float(n)} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "faces.parquet")
    columns = Columns(image="img", identity="person", yaw_degrees="yaw")
    items = list(opened(tmp_path / "faces.parquet", columns).items())
    assert [(item.row_id, item.identity, item.yaw_degrees) for item in items][2] == ("faces/00000002", "p2", 2.0)
    assert [item.read() for item in items] == [encoded(n) for n in range(3)]


def test_hub_reads_image_features_undecoded_and_class_labels_by_name(tmp_path):
    import datasets

    features = datasets.Features({"image": datasets.Image(), "identity": datasets.ClassLabel(names=["ann", "bo"])})
    rows = {"image": [{"bytes": encoded(n), "path": None} for n in range(2)], "identity": [1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "faces.parquet")
    items = list(Hub(str(tmp_path)).items())
    assert [item.identity for item in items] == ["bo", "ann"]
    assert items[1].read() == encoded(1)


@pytest.mark.parametrize("source", [CFP, LFW, VGGFace2, MS1M, open_folder])
def test_a_folder_of_another_kind_is_one_clear_sentence(tmp_path, source):
    write(tmp_path / "readme.txt", "hello")
    with pytest.raises(UserError, match=str(tmp_path)) as caught:
        source(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named(tmp_path):
    pq.write_table(pa.table({"picture": ["a"], "who": ["b"]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="no column 'image'.*picture, who.*--columns"):
        open_folder(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="OURS=THEIRS"):
        parse_columns(["face=img"])
    write(tmp_path / "broken.parquet", np.random.default_rng(0).bytes(100))
    with pytest.raises(UserError, match="cannot be read"):
        open_folder(tmp_path / "broken.parquet")
