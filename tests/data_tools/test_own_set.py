"""ZIPs that were made to do harm, and what an honest one becomes: compared with `build` of the same folder on disk."""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from helpers.drawn_people import drawn

from data_tools.annotate import mtcnn
from data_tools.build import BuildConfig, build
from data_tools.own_set import Bounds, build_own_set, name_of
from data_tools.sources.folder import open_folder
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError


def zipped(file: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP with these members."""
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def opened(file: Path, bounds: Bounds | None = None, **options) -> FaceDataset:
    """The dataset that is built beside the file."""
    seen, told = [], []
    out = file.parent / "out"
    build_own_set(file, file.name, out, lambda *p: seen.append(p), lambda *p: told.append(p), bounds=bounds, **options)
    dataset = FaceDataset.open(out)
    assert {row_id for row_id, _ in seen} >= set(dataset.rows()["row_id"]) and told[-1][0] == told[-1][1]
    return dataset


def ledger(dataset: FaceDataset) -> dict[str, str]:
    table = pd.read_csv(dataset.folder / "ledger.csv", keep_default_na=False)
    return dict(zip(table["path"], table["reason"], strict=True))


def faces() -> dict[str, bytes]:
    return {f"person {i}/{pose}.png": drawn(pose, i) for i in (1, 2) for pose in ("frontal", "profile")}


def test_a_zip_becomes_what_its_folder_becomes(tmp_path):
    for name, content in faces().items():
        file = tmp_path / "folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    build(open_folder(tmp_path / "folder"), tmp_path / "wanted", mtcnn(), BuildConfig("x", workers=0, progress=False))
    got = opened(zipped(tmp_path / "my.zip", faces()))
    wanted = FaceDataset.open(tmp_path / "wanted")
    assert got.fingerprint == wanted.fingerprint
    columns = ["row_id", "identity", "pose", "yaw_degrees", "quality", "split"]
    pd.testing.assert_frame_equal(got.rows()[columns], wanted.rows()[columns], rtol=1e-4)
    assert got.name == "my" and not ledger(got)


def test_folders_around_all_people_are_looked_through(tmp_path):
    members = {f"./Fotos\\2024/{name}": content for name, content in faces().items()}
    rows = opened(zipped(tmp_path / "a.zip", members | {"Fotos/notes.txt": b"x", "__MACOSX/x": b"x"})).rows()
    assert sorted(rows["identity"].unique()) == ["person 1", "person 2"]


def test_what_is_left_out_is_listed(tmp_path):
    bad = {
        "__MACOSX/person 1/._a.png": b"x",
        "person 1/Thumbs.db": b"x",
        "person 1/notes.txt": b"hello",
        "person 1/more.zip": b"PK",
        "person 1/broken.jpg": b"\xff\xd8\xff\xe0" + bytes(40),
        "alone.png": drawn("frontal", 3),
        "../../outside/person.png": drawn("frontal", 4),
        "/etc/person.png": drawn("frontal", 5),
        "C:\\person\\a.png": drawn("frontal", 6),
    }
    file = zipped(tmp_path / "a.zip", faces() | bad)
    link = zipfile.ZipInfo("person 1/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    dataset = opened(file)
    assert set(dataset.rows()["row_id"]) == set(faces())
    listed = ledger(dataset)
    assert len(listed) == len(bad) + 1
    assert "left by a computer" in listed["person 1/Thumbs.db"] and "not a picture" in listed["person 1/notes.txt"]
    assert "inside the archive" in listed["person 1/more.zip"] and "cannot be read" in listed["person 1/broken.jpg"]
    assert "a link" in listed["person 1/link.png"] and "identity" in listed["alone.png"]
    for name in ("../../outside/person.png", "/etc/person.png", "C:/person/a.png"):
        assert "leads out" in listed[name]
    assert {file.name for file in tmp_path.iterdir()} == {"a.zip", "out"}


def test_names_in_other_encodings(tmp_path):
    file = tmp_path / "a.zip"
    zipped(file, {"Jurgen/a.png": drawn("frontal", 1), "Zoe/a.png": drawn("frontal", 2)})
    content = file.read_bytes().replace(b"Jurgen", "Jürge".encode()).replace(b"Zoe", b"Zo\x89")
    file.write_bytes(content)  # UTF-8 without the flag, and code page 437
    assert set(opened(file).rows()["identity"]) == {"Jürge", "Zoë"}


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    file = zipped(tmp_path / "a.zip", {f"a/{i}.png": bytes(30_000_000) for i in range(4)})
    assert file.stat().st_size < 1_000_000
    with pytest.raises(UserError, match="unpacks to 120 MB, more than the 100 MB"):
        opened(file, Bounds(total_bytes=100_000_000))


def test_a_member_that_says_it_is_small_gives_no_more_than_it_said(tmp_path):
    content = drawn("frontal", 1)
    file = zipped(tmp_path / "a.zip", {"a/a.png": content, "b/b.png": bytes(50_000_000)})
    lie = file.read_bytes().replace(struct.pack("<L", 50_000_000), struct.pack("<L", 100))
    file.write_bytes(lie)
    assert "damaged" in ledger(opened(file))["b/b.png"]


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_listed(tmp_path, kind):
    file = zipped(tmp_path / "a.zip", faces())
    with zipfile.ZipFile(file, "a", kind) as archive:
        archive.writestr("person 1/x.png", drawn("frontal", 9))
    assert "deflate" in ledger(opened(file))["person 1/x.png"]


def test_bounds_on_pictures_members_and_pixels(tmp_path):
    with pytest.raises(UserError, match="has 4 pictures, more than the 3"):
        opened(zipped(tmp_path / "a.zip", faces()), Bounds(photos=3))
    with pytest.raises(UserError, match="has 14 members, more than the 12"):
        opened(zipped(tmp_path / "b.zip", {f"a/{i}.txt": b"" for i in range(14)}), Bounds(photos=3))
    dataset = opened(zipped(tmp_path / "c.zip", faces() | {"person 1/x.png": big()}), Bounds(pixels=500_000))
    assert "megapixels, more than the" in ledger(dataset)["person 1/x.png"]


def big() -> bytes:
    from PIL import Image

    stored = io.BytesIO()
    Image.new("RGB", (1200, 1000), "teal").save(stored, "PNG")
    return stored.getvalue()


def test_encrypted_damaged_and_other_files_are_refused_in_one_sentence(tmp_path):
    file = zipped(tmp_path / "a.zip", faces())
    with zipfile.ZipFile(file) as archive:
        info = archive.infolist()[0]
    content = bytearray(file.read_bytes())
    content[info.header_offset + 6] |= 1
    central = content.rindex(b"PK\x01\x02", 0, content.index(b"PK\x01\x02") + 4)
    content[central + 8] |= 1
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match="encrypted: pack it again without a password"):
        opened(file)
    for name, content, words in (
        ("b.zip", b"PK\x03\x04" + bytes(100), "not a ZIP that can be read"),
        ("c.jpg", drawn("frontal", 1), "neither a ZIP nor a Parquet"),
        ("d.zip", b"", "neither a ZIP nor a Parquet"),
        ("e.zip", zipped(tmp_path / "x", {"a.txt": b"x"}).read_bytes(), "holds no identity/image.jpg"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=words):
            opened(tmp_path / name)


def test_a_huge_list_of_members_is_not_read(tmp_path):
    file = zipped(tmp_path / "a.zip", {"a/a.png": b"x"})
    content = bytearray(file.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<L", 900_000_000)
    file.write_bytes(bytes(content))
    with pytest.raises(UserError):
        opened(file)


def test_a_table_in_the_zip_names_pictures_of_the_zip_only(tmp_path):
    (tmp_path / "secret.png").write_bytes(drawn("frontal", 8))
    table = (
        "file,who,pose\n"
        "pictures\\one.png,ann,frontal\n"
        "pictures/two.png,bob,profile\n"
        f"{tmp_path}/secret.png,eve,frontal\n"
        "../secret.png,eve,frontal\n"
    )
    members = {
        "faces.csv": table.encode(),
        "pictures/one.png": drawn("frontal", 1),
        "pictures/two.png": drawn("profile", 2),
    }
    dataset = opened(zipped(tmp_path / "a.zip", members), columns="image=file identity=who")
    assert sorted(dataset.rows()["identity"]) == ["ann", "bob"]
    assert list(ledger(dataset).values()).count("the file is absent") == 2


def test_parquet_with_its_pictures_opens_and_never_reads_a_file_that_it_names(tmp_path):
    (tmp_path / "secret.png").write_bytes(drawn("frontal", 8))
    rows = pd.DataFrame(
        {
            "image": [
                {"bytes": drawn("frontal", 1), "path": "a.png"},
                {"bytes": None, "path": str(tmp_path / "secret.png")},
            ],
            "identity": ["ann", "eve"],
        }
    )
    rows.to_parquet(tmp_path / "a.parquet")
    dataset = opened(tmp_path / "a.parquet")
    assert list(dataset.rows()["identity"]) == ["ann"] and "the file is absent" in ledger(dataset).values()
    with pytest.raises(UserError, match="neither a ZIP"):
        opened(tmp_path / "a.parquet", parquet=False)


def test_what_raises_in_progress_ends_the_build(tmp_path):
    class Enough(Exception):
        pass

    def progress(done: int, total: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        build_own_set(zipped(tmp_path / "a.zip", faces()), "a.zip", tmp_path / "out", lambda *_: None, progress)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["/etc", "../x", "synthetic", "demo/assets/synthetic", "a/b/c", "https://x.org/y", "a/..", ""]
)
def test_only_ids_of_the_hub_are_looked_up(tmp_path, name):
    with pytest.raises(UserError, match="not the id of a dataset"):
        build_own_set(None, name, tmp_path / "out", lambda *_: None, lambda *_: None)


def test_sentences_name_no_folder_of_this_computer(tmp_path):
    for members in ({"faces.csv": b"image;identity\n"}, {"faces.csv": b"image,identity\n"}, {"a/a.jpg": b"x"}):
        with pytest.raises(UserError) as failed:
            opened(zipped(tmp_path / "a.zip", members))
        assert str(tmp_path) not in str(failed.value) and tmp_path.name not in str(failed.value)
    assert "no picture could be kept; 1 were left out, a/a.jpg: cannot be read" in str(failed.value)


def test_names_of_sets():
    assert name_of("../../x y.zip") == "x-y" and name_of("") == "own" and name_of("\u202e.zip") == "own"


def spreadsheet(table: str) -> dict[str, bytes]:
    """A ZIP's members: a table as another country's spreadsheet writes it, pictures as another computer names them."""
    names = ("Jörg (1).PNG", "Zoë.png")
    return {
        "Fotos/Liste.csv": table.encode("utf-8-sig"),
        **{f"Fotos/Bilder/{unicodedata.normalize('NFD', name)}": drawn("frontal", i) for i, name in enumerate(names)},
        **{f"Fotos/{name}": b"left" for name in ("Thumbs.db", ".DS_Store", "desktop.ini")},
    }


TABLE = "Datei Name;Person ;yaw_degrees\r\nBilder\\jörg (1).png;Jörg Müller;12,5\r\nBilder/Zoë.png;Zoë;\r\n"


def test_a_table_of_a_spreadsheet_from_elsewhere(tmp_path):
    members = spreadsheet(TABLE)
    got = opened(zipped(tmp_path / "a.zip", members), columns='image="Datei Name" identity=Person')
    rows = got.rows()
    assert rows["identity"].tolist() == ["Jörg Müller", "Zoë"]
    assert rows["yaw_degrees"].iloc[0] == 12.5 and rows["yaw_source"].tolist() == ["given", "estimated"]


def test_a_table_whose_columns_are_not_named_says_which_it_has(tmp_path):
    for members in (spreadsheet(TABLE), {"Liste.csv": TABLE.encode(), "1.png": drawn("frontal")}):
        with pytest.raises(UserError, match="has the columns 'Datei Name', 'Person', 'yaw_degrees': say in the field"):
            opened(zipped(tmp_path / "a.zip", members))
