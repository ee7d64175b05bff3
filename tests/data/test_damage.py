"""Damaged files of datasets, embeddings and packs: one sentence that names the file, what is wrong, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset
from helpers.training_material import random_pack

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import embed_dataset
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.training.pack import load_pack


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_dataset(tmp_path / "drawn", shards=1)


def sentence(act) -> str:
    """The message of the UserError that `act` ends in; it is one line."""
    with pytest.raises(UserError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"{", "not readable JSON"),
        (b"\xff\xfe", "not readable JSON"),
        (b"[" * 100_000, "not readable JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no name"),
        (b'{"name": 3, "fingerprint": "00"}', "no name"),
        (b'{"name": "drawn"}', "no fingerprint"),
        (b'{"name": "drawn", "fingerprint": ""}', "no fingerprint"),
        (b'{"name": "drawn", "fingerprint": "../../etc"}', "hexadecimal"),
        (b'{"name": "drawn", "fingerprint": 12}', "hexadecimal"),
    ],
)
def test_a_damaged_dataset_card_is_one_sentence(folder, content, says):
    (folder / "dataset.json").write_bytes(content)
    message = sentence(lambda: FaceDataset.open(folder))
    assert str(folder / "dataset.json") in message and says in message and "build" in message


def damage_rows(folder: Path, kind: str) -> None:
    file = folder / "data-00000.parquet"
    table = pq.read_table(file)
    if kind == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif kind == "no identity":
        pq.write_table(table.drop_columns(["identity"]), file)
    elif kind == "same row":
        pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), file)
    elif kind == "another kind of file":
        file.write_bytes(b"no parquet")
    elif kind == "numbers for names":
        replace_column(file, "row_id", pa.array(range(len(table))))
    elif kind == "lists for poses":
        replace_column(file, "pose", pa.array([[1.0]] * len(table)))
    elif kind == "a short box":
        replace_column(file, "box_xyxy", pa.array([[1.0, 2.0]] * len(table), pa.list_(pa.float32())))
    elif kind == "no name":
        replace_column(file, "row_id", pa.array([None, *table["row_id"].to_pylist()[1:]]))


def replace_column(file: Path, name: str, values: pa.Array) -> None:
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.column_names.index(name), name, values), file)


@pytest.mark.parametrize(
    "kind, says",
    [
        ("cut", "cannot be read"),
        ("no identity", "no column identity"),
        ("same row", "the row_id '0/frontal/0' twice"),
        ("another kind of file", "cannot be read"),
        ("numbers for names", "int64 in the column row_id, which should hold string"),
        ("lists for poses", "in the column pose, which should hold string"),
        ("a short box", "rows whose box_xyxy is not 4 numbers"),
        ("no name", "a row without row_id"),
    ],
)
def test_damaged_rows_are_one_sentence(folder, kind, says):
    damage_rows(folder, kind)
    message = sentence(lambda: FaceDataset.open(folder).rows())
    assert str(folder) in message and says in message and "build it again" in message


def test_damaged_pairs_are_one_sentence(folder):
    for content in (b"no parquet", None):
        file = folder / "pairs.parquet"
        file.write_bytes(content) if content else pq.write_table(pa.table({"fold": [1]}), file)
        message = sentence(lambda: FaceDataset.open(folder).pairs())
        assert "pairs.parquet" in message and "build it again" in message


@pytest.mark.parametrize("damage", ["no picture", "cut", "nothing"])
def test_a_damaged_picture_is_named_by_its_row(folder, damage):
    file = folder / "data-00000.parquet"
    rows = pq.read_table(file).to_pylist()
    whole = rows[5]["image"]["bytes"]
    rows[5]["image"]["bytes"] = {"no picture": b"no picture", "cut": whole[:40], "nothing": None}[damage]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(file)), file)
    message = sentence(lambda: embed_dataset(FaceDataset.open(folder), ColourEmbedder()))
    assert "the picture of row 0/three_quarter/1 cannot be read" in message and "build the dataset again" in message


def test_landmarks_of_another_number_are_named_by_their_row(folder):
    file = folder / "data-00000.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[0]["landmarks_xy"] = [1.0, 2.0]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(file)), file)
    message = sentence(lambda: list(FaceDataset.open(folder).pictures({"0/frontal/0"})))
    assert "row 0/frontal/0" in message and "build the dataset again" in message


def test_a_dataset_that_is_damaged_while_its_pictures_are_read(folder):
    dataset = FaceDataset.open(folder)
    damage_rows(folder, "cut")
    message = sentence(lambda: list(dataset.pictures({"0/frontal/0"})))
    assert "was replaced or removed since it was opened: open it again" in message


@pytest.mark.parametrize("made_by", [b"{", b"[]", None])
def test_embeddings_without_their_origin_are_refused(tmp_path, made_by):
    file = tmp_path / "e.parquet"
    Embeddings(np.array(["a"], object), np.ones((1, 3), np.float32), np.ones(1, bool)).save(file)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({"made_by": made_by} if made_by else None), file)
    message = sentence(lambda: Embeddings.load(file))
    assert str(file) in message and "python -m sfpn embed" in message


def test_embeddings_with_a_hole_are_refused(tmp_path):
    file, kind = tmp_path / "e.parquet", pa.list_(pa.float32(), 2)
    columns = {"row_id": ["a", "b"], "acquired": [True, True], "embedding": pa.array([[1.0, 2.0], None], kind)}
    pq.write_table(pa.table(columns).replace_schema_metadata({"made_by": "{}"}), file)
    assert str(file) in sentence(lambda: Embeddings.load(file))


@pytest.mark.parametrize(
    "name, content",
    [
        ("pack.json", b"{"),
        ("pack.json", b"{}"),
        ("pack.json", b"[]"),
        ("rows.parquet", b"no parquet"),
        ("crops.npy", b"no array"),
        ("crops.npy", b""),
    ],
)
def test_a_damaged_pack_is_one_sentence(tmp_path, name, content):
    random_pack(tmp_path / "pack")
    (tmp_path / "pack" / name).write_bytes(content)
    message = sentence(lambda: load_pack(tmp_path / "pack"))
    assert str(tmp_path / "pack") in message and "python -m sfpn train pack" in message


def test_a_pack_whose_crops_would_have_to_be_unpickled_is_refused(tmp_path):
    random_pack(tmp_path / "pack")
    np.save(tmp_path / "pack" / "crops.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert "python -m sfpn train pack" in sentence(lambda: load_pack(tmp_path / "pack"))


def test_a_pack_of_other_rows_is_refused(tmp_path):
    random_pack(tmp_path / "pack")
    pd.DataFrame({"row_id": ["a"], "identity": ["b"], "pose": ["frontal"]}).to_parquet(tmp_path / "pack/rows.parquet")
    assert "does not fit its 1 rows" in sentence(lambda: load_pack(tmp_path / "pack"))


def test_a_dataset_card_names_what_else_it_holds(folder):
    record = json.loads((folder / "dataset.json").read_text()) | {"licence": "CC0"}
    (folder / "dataset.json").write_text(json.dumps(record))
    assert FaceDataset.open(folder).card["licence"] == "CC0"
