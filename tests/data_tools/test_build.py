"""The build: rows, ledger, splits, pairs, resuming, repeating, and what happens to broken input."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import FAKE, encoded, make_cfp, make_folder, make_lfw, make_ms1m, make_vggface2, write

from data_tools import build as build_module
from data_tools import save
from data_tools.build import BuildConfig, build
from data_tools.ledger import Ledger
from data_tools.sources.cfp import CFP
from data_tools.sources.folder import open_folder
from data_tools.sources.lfw import LFW
from data_tools.sources.ms1m import MS1M
from data_tools.sources.vggface2 import VGGFace2
from sfpn.errors import UserError
from sfpn.schema import ROW_COLUMNS, row_features

CONFIG = BuildConfig(command="python -m data_tools build", workers=0, progress=False)
KEEP = replace(CONFIG, keep_duplicates=True)


def rows_of(folder: Path) -> list[dict]:
    return [row for file in sorted(folder.glob("data*.parquet")) for row in pq.read_table(file).to_pylist()]


def ledger_of(folder: Path) -> list[dict]:
    with (folder / "ledger.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def digest_of(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_rows_follow_the_contract_and_open_with_datasets(tmp_path):
    card = build(CFP(make_cfp(tmp_path / "cfp")), tmp_path / "out", FAKE, KEEP)
    files = [str(file) for file in (tmp_path / "out").glob("data*.parquet")]
    opened = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert opened.features == row_features() and opened.column_names == list(ROW_COLUMNS)
    assert len(opened) == card["rows"] == 42 and card["rows_per_pose"]["profile"] == 12
    row = rows_of(tmp_path / "out")[0]
    assert row["image"]["bytes"] == (tmp_path / "cfp/Data/Images/001/frontal/01.jpg").read_bytes()
    assert (row["pose"], row["pose_estimated"], row["yaw_degrees"], row["yaw_source"]) == (
        "frontal",
        "three_quarter",
        30.0,
        "estimated",
    )
    assert len(row["box_xyxy"]) == 4 and len(row["landmarks_xy"]) == 10 and row["detector"] == "fake 1.0"
    assert opened[0]["image"].size == (48, 56)


def test_official_pairs_name_rows_and_absent_ones_are_counted(tmp_path):
    make_cfp(tmp_path / "cfp", subjects=1, listed=3)
    build(CFP(tmp_path / "cfp"), tmp_path / "out", FAKE, KEEP)
    ids = {row["row_id"] for row in rows_of(tmp_path / "out")}
    pairs = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    assert len(pairs) == 2 and all({pair["row_id_a"], pair["row_id_b"]} <= ids for pair in pairs)
    lines = ledger_of(tmp_path / "out")
    assert sum(line["reason"] == "the file is absent" for line in lines) == 28
    assert any(line["path"] == "FF fold 1" and line["reason"].startswith("2 pairs") for line in lines)


def test_given_labels_win_and_both_are_kept(tmp_path):
    make_folder(tmp_path)
    table = write(
        tmp_path / "t.csv",
        "image,identity,pose,yaw_degrees\nann/1.jpg,ann,,-80\nann/2.png,ann,,\nbo/1.webp,bo,frontal,\n",
    )
    build(open_folder(table), tmp_path / "out", FAKE, CONFIG)
    given_yaw, estimated, given_pose = rows_of(tmp_path / "out")
    assert (given_yaw["pose"], given_yaw["yaw_degrees"], given_yaw["yaw_source"]) == ("profile", -80.0, "given")
    assert given_yaw["pose_estimated"] == "three_quarter"
    assert (estimated["pose"], estimated["yaw_source"]) == ("three_quarter", "estimated")
    assert (given_pose["pose"], given_pose["yaw_degrees"]) == ("frontal", 30.0)


def test_without_detection_nothing_is_estimated(tmp_path):
    build(LFW(make_lfw(tmp_path / "lfw")), tmp_path / "out", None, KEEP)
    for row in rows_of(tmp_path / "out"):
        assert all(row[name] is None for name in ("pose", "yaw_degrees", "yaw_source", "box_xyxy", "detector"))


def test_jpeg_and_png_bytes_are_kept_and_other_formats_become_png(tmp_path):
    build(open_folder(make_folder(tmp_path / "in")), tmp_path / "out", FAKE, CONFIG)
    stored = {row["row_id"]: row["image"]["bytes"] for row in rows_of(tmp_path / "out")}
    for name in ("ann/1.jpg", "ann/2.png"):
        assert stored[name] == (tmp_path / "in" / name).read_bytes()
    assert stored["bo/1.webp"].startswith(b"\x89PNG") and stored["bo/2.bmp"].startswith(b"\x89PNG")


def test_ledger_of_a_deliberately_broken_copy(tmp_path):
    """Missing file, truncated JPEG, no JPEG at all, duplicate, dark picture (no face), wrong list."""
    images = make_cfp(tmp_path / "cfp") / "Data" / "Images"
    (images / "001/frontal/02.jpg").unlink()
    write(images / "001/frontal/03.jpg", (images / "001/frontal/03.jpg").read_bytes()[:300])
    write(images / "001/frontal/04.jpg", "not an image")
    write(images / "001/frontal/06.jpg", (images / "001/frontal/05.jpg").read_bytes())
    write(images / "001/frontal/07.jpg", encoded(0, dark=True))
    write(images / "001/frontal/08.jpg", b"")
    write(tmp_path / "cfp/Protocol/Split/FF/01/diff.txt", "1,9999\n")
    card = build(CFP(tmp_path / "cfp"), tmp_path / "out", FAKE, CONFIG)
    found = {
        line["row_id"][-10:]: (line["status"], line["reason"]) for line in ledger_of(tmp_path / "out") if line["row_id"]
    }
    assert found["frontal/02"] == ("dropped", "the file is absent")
    assert found["frontal/03"][0] == "dropped" and "truncated" in found["frontal/03"][1].lower()
    assert found["frontal/04"][0] == found["frontal/08"][0] == "dropped" and "not a picture" in found["frontal/04"][1]
    assert found["frontal/06"] == ("dropped", "same image bytes as cfp/001/frontal/05")
    assert found["frontal/07"] == ("incomplete", "no face found")
    assert any("not two numbers" in line["reason"] for line in ledger_of(tmp_path / "out"))
    assert card["rows"] == 42 - 5 and card["rows_with_face"] == 42 - 6
    kept = {row["row_id"] for row in rows_of(tmp_path / "out")}
    assert not {f"cfp/001/{name}" for name, (status, _) in found.items() if status == "dropped"} & kept


def test_every_source_item_is_a_row_or_a_ledger_line(tmp_path):
    make_cfp(tmp_path / "cfp", subjects=2, listed=4)
    source = CFP(tmp_path / "cfp")
    build(source, tmp_path / "out", FAKE, CONFIG)
    kept = {row["row_id"] for row in rows_of(tmp_path / "out")}
    dropped = {line["row_id"] for line in ledger_of(tmp_path / "out") if line["status"] == "dropped"}
    assert kept | (dropped - {""}) == {item.row_id for item in source.items()} and not kept & dropped


def test_official_protocols_keep_duplicates_and_note_them(tmp_path):
    images = make_cfp(tmp_path / "cfp") / "Data" / "Images"
    write(images / "002/frontal/01.jpg", (images / "001/frontal/01.jpg").read_bytes())
    card = build(CFP(tmp_path / "cfp"), tmp_path / "out", FAKE, KEEP)
    assert card["rows"] == 42 and card["ledger"]["incomplete"] == {"filter": 1}


def test_identities_that_are_too_small_are_dropped_and_single_images_noted(tmp_path, monkeypatch):
    source = MS1M(make_ms1m(tmp_path / "rec"))
    card = build(source, tmp_path / "all", FAKE, CONFIG)
    assert card["images_per_identity"] == {"1": 1, "2": 1, "3": 1}
    assert [line["path"] for line in ledger_of(tmp_path / "all")] == ["1"]
    monkeypatch.setattr(build_module, "ROWS_PER_SHARD", 2)
    card = build(source, tmp_path / "two", FAKE, replace(CONFIG, min_images=3))
    assert card["rows"] == 3 and {row["identity"] for row in rows_of(tmp_path / "two")} == {"0"}
    assert sum(line["status"] == "dropped" for line in ledger_of(tmp_path / "two")) == 3
    assert [file.name for file in save.shard_files(tmp_path / "two")] == ["data-00000.parquet", "data-00001.parquet"]


def test_a_shard_ends_at_its_size_in_bytes_and_none_is_empty(tmp_path, monkeypatch):
    make_cfp(tmp_path / "cfp", subjects=1, listed=3)
    monkeypatch.setattr(build_module, "BYTES_PER_SHARD", 4 * len(encoded(1)))
    build(CFP(tmp_path / "cfp"), tmp_path / "out", FAKE, KEEP)
    sizes = [pq.read_metadata(file).num_rows for file in save.shard_files(tmp_path / "out")]
    assert sum(sizes) == 14 and len(sizes) > 2 and min(sizes) > 0
    assert datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")).num_rows == 14


def test_templates_reach_the_rows(tmp_path):
    card = build(VGGFace2(make_vggface2(tmp_path / "v")), tmp_path / "out", FAKE, KEEP)
    assert card["templates"] == 2 * 6
    sizes = Counter(row["template"] for row in rows_of(tmp_path / "out") if row["template"])
    assert set(sizes.values()) == {5}


def test_workers_and_repetition_give_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(build_module, "ROWS_PER_SHARD", 16)
    source = CFP(make_cfp(tmp_path / "cfp"))
    build(source, tmp_path / "one", FAKE, KEEP)
    build(source, tmp_path / "two", FAKE, replace(KEEP, workers=2))
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two")
    assert len(list((tmp_path / "one").glob("data-*.parquet"))) == 3


@pytest.mark.parametrize("stop_at", ["data-00000.parquet", "data-00001.parquet", "data-00002.parquet", "pairs.parquet"])
def test_an_interrupted_build_goes_on_and_ends_in_the_same_bytes(tmp_path, monkeypatch, stop_at):
    monkeypatch.setattr(build_module, "ROWS_PER_SHARD", 12)
    source = CFP(make_cfp(tmp_path / "cfp", subjects=2, listed=3))
    build(source, tmp_path / "whole", FAKE, CONFIG)

    write_table = save.pq.write_table

    def stopping(table, file, **options):
        if stop_at in file.name:  # the temporary name holds it
            raise KeyboardInterrupt
        write_table(table, file, **options)

    with monkeypatch.context() as patched:
        patched.setattr(save.pq, "write_table", stopping)
        with pytest.raises(KeyboardInterrupt):
            build(source, tmp_path / "out", FAKE, CONFIG)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="--resume to go on"):
        build(source, tmp_path / "out", FAKE, CONFIG)
    with pytest.raises(UserError, match="other options"):
        build(source, tmp_path / "out", FAKE, replace(CONFIG, resume=True, limit=5))
    build(source, tmp_path / "out", FAKE, replace(CONFIG, resume=True))
    assert digest_of(tmp_path / "out") == digest_of(tmp_path / "whole")


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    source = CFP(make_cfp(tmp_path / "cfp"))
    with monkeypatch.context() as patched:
        patched.setattr(save.pq, "write_table", full)
        with pytest.raises(UserError, match="the disk of .* is full: make room") as caught:
            build(source, tmp_path / "out", FAKE, CONFIG)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and not list(tmp_path.rglob("*.tmp"))
    build(source, tmp_path / "out", FAKE, replace(CONFIG, resume=True))
    assert len(rows_of(tmp_path / "out")) == 42


def test_an_existing_folder_is_replaced_only_on_request_and_only_if_it_is_a_dataset(tmp_path):
    source = LFW(make_lfw(tmp_path / "lfw"))
    write(tmp_path / "home" / "letter.txt", "dear")
    with pytest.raises(UserError, match="not a dataset folder"):
        build(source, tmp_path / "home", FAKE, replace(CONFIG, overwrite=True))
    build(source, tmp_path / "out", FAKE, CONFIG)
    before = digest_of(tmp_path / "out")
    with pytest.raises(UserError, match="--overwrite"):
        build(source, tmp_path / "out", FAKE, CONFIG)
    build(source, tmp_path / "out", FAKE, replace(CONFIG, overwrite=True))
    assert digest_of(tmp_path / "out") == before


def test_the_fingerprint_is_that_of_the_definition_and_ignores_row_order(tmp_path):
    card = build(LFW(make_lfw(tmp_path / "lfw")), tmp_path / "out", FAKE, KEEP)
    pictures = {row["row_id"]: row["image"]["bytes"] for row in rows_of(tmp_path / "out")}
    slow = hashlib.sha256(b"".join(key.encode() + hashlib.sha256(pictures[key]).digest() for key in sorted(pictures)))
    assert card["fingerprint"] == slow.hexdigest()
    assert json.loads((tmp_path / "out" / "dataset.json").read_text()) == card


def test_a_rebuilt_folder_is_not_taken_from_the_cache_of_datasets(tmp_path):
    source, cache = LFW(make_lfw(tmp_path / "lfw")), str(tmp_path / "cache")
    for limit in (2, 5):
        build(source, tmp_path / "out", FAKE, replace(KEEP, limit=limit, overwrite=True))
        assert datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=cache).num_rows == limit
    assert datasets.load_dataset(str(tmp_path / "out"), "pairs", split="train", cache_dir=cache).num_rows == 4


def test_two_builds_do_not_work_in_one_folder(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite"), pytest.raises(UserError, match="another build is at work"):
        Ledger(tmp_path / "ledger.sqlite")
    with Ledger(tmp_path / "ledger.sqlite"):  # free again
        pass


def test_nothing_to_save_is_an_error(tmp_path):
    write(tmp_path / "in" / "ann" / "1.jpg", b"broken")
    with pytest.raises(UserError, match="no picture of the source could be kept"):
        build(open_folder(tmp_path / "in"), tmp_path / "out", FAKE, CONFIG)
    assert not (tmp_path / "out").exists()
