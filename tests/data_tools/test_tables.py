"""Tables that are not as they should be: one sentence each, with the row and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import encoded, make_folder, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_tools.__main__ import main
from data_tools.sources.columns import Columns
from data_tools.sources.folder import open_folder
from data_tools.sources.hub import Hub
from sfpn.errors import UserError

HEADER = "image,identity"
GOOD = "ann/1.jpg,ann"


def table(folder: Path, lines: list[str], *, end: str = "\n", encoding: str = "utf-8") -> Path:
    make_folder(folder)
    return write(folder / "t.csv", (end.join(lines) + end).encode(encoding))


def sentence(file: Path) -> str:
    with pytest.raises(UserError) as caught:
        list(open_folder(file).items())
    text = str(caught.value)
    assert text.startswith(str(file)) and "\n" not in text and "Arrow" not in text and "Error" not in text
    return text


@pytest.mark.parametrize("before", [0, 1, 2000])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("ann/2.png,Lee, Ann", "3 cells where the header has 2"),
        ("ann/2.png", "1 cell where the header has 2"),
        ('ann/2.png,"Ann "the cat" Lee"', "quotation mark"),
        ('ann/2.png,"Ann', "quotation mark"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, before, bad, said):
    said_so = sentence(table(tmp_path, [HEADER, *[GOOD] * before, bad, *[GOOD] * 3]))
    assert f"row {before + 2} " in said_so and said in said_so and "quotes" in said_so


def test_quoted_commas_line_ends_and_empty_lines_are_fine(tmp_path):
    file = table(tmp_path, [HEADER, '"ann/1.jpg","Lee, Ann"', "", 'ann/2.png,"two\nlines"', GOOD], end="\r\n")
    assert [item.identity for item in open_folder(file).items()] == ["Lee, Ann", "two\nlines", "ann"]
    assert open_folder(file).total() == 3


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp437"])
@pytest.mark.parametrize("before", [0, 3000])
def test_other_encodings_are_named_with_their_row_and_remedy(tmp_path, encoding, before):
    text = sentence(table(tmp_path, [HEADER, *[GOOD] * before, "ann/1.jpg,Jürgen"], encoding=encoding))
    assert f"row {before + 2} " in text and "save it as UTF-8" in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wide_encodings_too(tmp_path, encoding):
    assert "save it as UTF-8" in sentence(table(tmp_path, [HEADER, GOOD], encoding=encoding))


def test_a_header_in_another_encoding(tmp_path):
    text = sentence(table(tmp_path, ["image,identity,größe", GOOD + ",1"], encoding="latin-1"))
    assert "row 1 " in text and "save it as UTF-8" in text


def test_a_byte_order_mark_is_no_letter(tmp_path):
    assert [item.identity for item in open_folder(table(tmp_path, [HEADER, GOOD], encoding="utf-8-sig")).items()] == [
        "ann"
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_other_separators_than_commas(tmp_path, separator, encoding):
    lines = [line.replace(",", separator) for line in (f"{HEADER} ,yaw_degrees", f"{GOOD},10", f"{GOOD},-20.5")]
    items = list(open_folder(table(tmp_path, lines, encoding=encoding)).items())
    assert [(item.identity, item.yaw_degrees) for item in items] == [("ann", 10), ("ann", -20.5)]


def test_a_comma_in_a_fraction(tmp_path):
    [item] = open_folder(table(tmp_path, ["image;identity;yaw_degrees", "ann/1.jpg;ann;12,5"])).items()
    assert item.yaw_degrees == 12.5


@pytest.mark.parametrize(
    ("content", "said"), [("", "is empty"), ("\n\n", "is empty"), (HEADER + "\n", "no rows below")]
)
def test_empty_tables(tmp_path, content, said):
    assert said in sentence(write(tmp_path / "t.csv", content))


@pytest.mark.parametrize("header", ["picture,who", "image,who", "identity"])
def test_missing_columns_are_named_with_the_remedy(tmp_path, header):
    text = sentence(write(tmp_path / "t.csv", f"{header}\n{','.join('a' * len(header.split(',')))}\n"))
    assert "has no column" in text and header.replace(",", ", ") in text and "--columns" in text


def test_a_column_twice(tmp_path):
    assert "'identity' twice" in sentence(write(tmp_path / "t.csv", "image,identity,identity\na,b,c\n"))


def test_a_folder_by_the_name_of_a_table_and_an_unreadable_one(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(UserError, match="holds no identity"):
        open_folder(tmp_path / "t.csv")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_one_sentence(tmp_path, content):
    file = write(tmp_path / "any.csv", b"image,identity\n" + content)
    try:
        list(open_folder(file).items())
    except UserError as error:
        assert "\n" not in str(error)


def parquet(folder: Path, rows: int = 500, **options) -> Path:
    content = [{"image": encoded(n), "identity": f"p{n}", "yaw_degrees": float(n)} for n in range(rows)]
    pq.write_table(pa.Table.from_pylist(content), folder / "t.parquet", row_group_size=100, **options)
    return folder / "t.parquet"


def damage(file: Path, start: float, length: int, *, group: int | None = None) -> None:
    """Random bytes over a part of the file: a share of its length, or the start of a row group's pictures."""
    content = bytearray(file.read_bytes())
    at = int(start * len(content))
    if group is not None:
        at = pq.read_metadata(file).row_group(group).column(0).data_page_offset
    content[at : at + length] = np.random.default_rng(1).bytes(length)
    file.write_bytes(content)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
@pytest.mark.parametrize("opened", [open_folder, lambda file: Hub(str(file))])
def test_parquet_broken_in_the_middle_is_one_sentence_with_the_row(tmp_path, compression, opened):
    file = parquet(tmp_path, compression=compression, use_dictionary=False)
    damage(file, 0, 200, group=2)
    source, seen = opened(file), 0
    with pytest.raises(UserError) as caught:
        for _ in source.items():
            seen += 1
    text = str(caught.value)
    assert "\n" not in text and "damaged" in text and "make it again" in text and "Arrow" not in text
    assert f"row {seen + 1} " in text and seen <= 200
    assert seen or opened is not open_folder  # `datasets` reads ahead, and may raise before it gives a row


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.99])
def test_parquet_cut_off_or_empty(tmp_path, cut):
    file = parquet(tmp_path, 50)
    file.write_bytes(file.read_bytes()[: int(cut * file.stat().st_size)])
    assert "damaged" in sentence(file) or "is empty" in sentence(file)


def test_text_in_parquet_that_is_no_text(tmp_path):
    column = pa.array([b"ann", b"J\xfcrgen"], pa.binary()).view(pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"image": pa.array([encoded(1)] * 2), "identity": column}), tmp_path / "t.parquet")
    assert "row" in sentence(tmp_path / "t.parquet")


def test_parquet_without_rows(tmp_path):
    schema = pa.schema({"image": pa.binary(), "identity": pa.string()})
    pq.write_table(schema.empty_table(), tmp_path / "t.parquet")
    assert "no rows" in sentence(tmp_path / "t.parquet")


def test_the_command_says_it_in_one_line_and_goes_on_when_the_table_is_mended(tmp_path, capsys):
    file = parquet(tmp_path, use_dictionary=False)
    good = file.read_bytes()
    damage(file, 0, 200, group=4)
    words = ["build", "folder", str(file), "--out", str(tmp_path / "out"), "--no-detect", "--quiet", "--workers", "0"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    file.write_bytes(good)
    assert main([*words, "--resume"]) == 0
    assert "500 rows" in capsys.readouterr().out


def test_columns_mapping_still_works_on_csv(tmp_path):
    make_folder(tmp_path)
    file = write(tmp_path / "t.csv", "file,who,id\nann/1.jpg,007,NA\n")
    (item,) = open_folder(file, Columns(image="file", identity="who", row_id="id")).items()
    assert (item.identity, item.row_id) == ("007", "NA")
