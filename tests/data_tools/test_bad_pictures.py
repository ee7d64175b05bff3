"""Whatever one picture raises is one line of the ledger, and the build goes on; dead workers are one sentence."""

from __future__ import annotations

import csv
import io
import os
import signal
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.data_tools_layouts import FAKE, encoded, fake_find, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_tools import annotate as annotate_module
from data_tools.annotate import Annotated, Detector, annotate, mtcnn
from data_tools.build import BuildConfig, build
from data_tools.sources.base import Item, Problem
from data_tools.sources.folder import open_folder
from data_tools.synthetic import dataset as synthetic
from data_tools.synthetic.draw import SyntheticConfig
from sfpn.errors import UserError

CONFIG = BuildConfig(command="python -m data_tools build", workers=0, progress=False)


def picture_of(size: tuple[int, int], kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, "orange").save(stream, kind)
    return stream.getvalue()


def lines_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "ledger.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def rows_of(folder: Path) -> set[str]:
    return set(pq.read_table(folder / "data-00000.parquet", columns=["row_id"])["row_id"].to_pylist())


SIZES = [(1, 1), (1, 400), (400, 1), (2, 2), (3, 5), (5, 3), (5, 5), (6, 6), (11, 900), (19, 19)]


def test_tiny_pictures_among_portraits_with_the_real_detector(tmp_path):
    write(tmp_path / "in/ann/portrait.jpg", encoded(1))
    for width, height in SIZES:
        for kind in ("PNG", "JPEG", "GIF"):
            write(tmp_path / f"in/ann/{width}x{height}.{kind.lower()}", picture_of((width, height), kind))
    build(open_folder(tmp_path / "in"), tmp_path / "out", mtcnn(), replace(CONFIG, keep_duplicates=True))
    noted = {line["path"] for line in lines_of(tmp_path / "out")}
    assert "ann/portrait.jpg" in rows_of(tmp_path / "out")
    assert len(noted - {"ann/portrait.jpg", "ann"}) == 3 * len(SIZES)
    assert all("\n" not in line["reason"] and line["reason"] for line in lines_of(tmp_path / "out"))


RAISED = [
    RuntimeError("torch.cat(): expected a non-empty list of Tensors"),
    KeyError("box"),
    IndexError("index 0 is out of bounds"),
    AssertionError(),
    MemoryError(),
    ZeroDivisionError("division by zero"),
    TypeError("two\nlines"),
    UserError("the picture is a drawing"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    OSError(5, "Input/output error", "/private/folder/1.jpg"),
    RecursionError("deep"),
    Image.DecompressionBombError("a bomb"),
    struct.error("unpack requires 4 bytes"),
    zlib.error("invalid stored block lengths"),
    OSError("name with \udcfc"),
]


@pytest.mark.parametrize("stage", ["read", "decode", "detect"])
@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_a_stage_raises_is_one_line(monkeypatch, stage, error):
    def fail(*_):
        raise error

    read = fail if stage == "read" else lambda: encoded(1)
    if stage == "decode":
        monkeypatch.setattr(annotate_module, "decode", fail)
    detector = Detector("failing", lambda: fail) if stage == "detect" else FAKE
    found = annotate(Item("a/1.jpg", "a", "a/1.jpg", read), "folder", detector)
    assert isinstance(found, Problem) and found.step == "annotate" and (found.path, found.row_id) == ("a/1.jpg",) * 2
    assert found.reason.encode("utf-8") and "\n" not in found.reason and "/private" not in found.reason
    assert ("looked for" in found.reason) == (stage == "detect")


@pytest.mark.parametrize("yaw", [float("nan"), float("inf"), None, "left"])
def test_a_face_that_makes_no_row_is_one_line(yaw):
    landmarks = np.zeros((5, 2), np.float32)
    face = SimpleNamespace(box_xyxy=(0, 0, 1, 1), landmarks_xy=landmarks, confidence=1.0, yaw_degrees=yaw, pose="x")
    detector = Detector("odd", lambda: lambda image: face)
    assert isinstance(annotate(Item("a", "a", "a.jpg", lambda: encoded(1)), "folder", detector), Problem)


def test_a_detector_that_cannot_be_loaded_is_no_fault_of_a_picture():
    def fail():
        raise UserError("facenet-pytorch is not installed")

    with pytest.raises(UserError, match="not installed"):
        annotate(Item("a", "a", "a.jpg", lambda: encoded(1)), "folder", Detector("none", fail))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda kind, at, junk: (lambda whole: whole[: at % len(whole)] + junk + whole[at % len(whole) :])(
                encoded(1, kind=kind)
            ),
            st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]),
            st.integers(0, 10_000),
            st.binary(min_size=1, max_size=20),
        ),
    )
)
def test_any_bytes_are_a_row_or_a_line(content):
    assert isinstance(annotate(Item("a", "a", "a.jpg", lambda: content), "folder", FAKE), Annotated | Problem)


def find_or_fail(image: Image.Image) -> SimpleNamespace | None:
    if image.width == 7:
        raise RuntimeError("no tensors")
    return fake_find(image)


def load_failing():
    return find_or_fail


def find_or_die(image: Image.Image) -> SimpleNamespace | None:
    if image.width == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return fake_find(image)


def load_dying():
    return find_or_die


def with_bad_one(root: Path) -> Path:
    for number in range(6):
        write(root / f"ann/{number}.jpg", encoded(number))
    write(root / "ann/3b.png", picture_of((7, 7)))
    return root


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_build_goes_on_after_a_failure_in_a_worker(tmp_path, workers):
    source, config = open_folder(with_bad_one(tmp_path / "in")), replace(CONFIG, workers=workers)
    card = build(source, tmp_path / "out", Detector("failing", load_failing), config)
    assert card["rows"] == 6 and card["ledger"]["dropped"] == {"annotate": 1}
    (line,) = (line for line in lines_of(tmp_path / "out") if line["status"] == "dropped")
    assert line["path"] == "ann/3b.png" and "no tensors" in line["reason"]


def test_a_killed_worker_is_one_sentence_and_the_build_can_go_on(tmp_path):
    source, config = open_folder(with_bad_one(tmp_path / "in")), replace(CONFIG, workers=1)
    with pytest.raises(UserError, match="killed .*memory.*--workers.*--resume") as caught:
        build(source, tmp_path / "out", Detector("same name", load_dying), config)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
    build(source, tmp_path / "out", Detector("same name", load_failing), replace(config, resume=True))
    assert len(rows_of(tmp_path / "out")) == 6


def die(number: int, config: SyntheticConfig):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_that_draws_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "draw_person", die)
    config = SyntheticConfig(identities=2, images_per_pose=1, size=64, detect=False, workers=1, progress=False)
    with pytest.raises(UserError, match="killed .*memory.*--workers.*--resume"):
        synthetic.synthesize(config, tmp_path / "drawn")


@pytest.mark.parametrize("left", ["nothing", "a text", "broken pictures"])
def test_a_source_without_pictures_is_told_apart_from_one_with_bad_ones(tmp_path, left):
    write(tmp_path / "in/ann/1.jpg", encoded(1))
    source = open_folder(tmp_path / "in")
    (tmp_path / "in/ann/1.jpg").unlink()
    if left == "a text":
        write(tmp_path / "in/ann/notes.txt", "hello")
    if left == "broken pictures":
        write(tmp_path / "in/ann/1.jpg", "broken")
    with pytest.raises(UserError) as caught:
        build(source, tmp_path / "out", FAKE, CONFIG)
    text = str(caught.value)
    if left == "nothing":
        assert "names no picture" in text and "ledger" not in text and not (tmp_path / "out.building").exists()
    else:
        assert "no picture of the source could be kept" in text
        assert str(tmp_path / "out.building/ledger.csv") in text and (tmp_path / "out.building/ledger.csv").is_file()
