"""What visitors send becomes bytes in one place, which opens and deletes uploads only; its bounds in memory."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import gradio as gr
import pytest
from helpers.drawn_people import drawn, save_drawn
from PIL import Image

from demo.api import photo_argument
from demo.api import verify as verify_api
from demo.common import events, photo_memory
from demo.common.photo_inputs import PhotoButton, PhotoInput
from demo.common.uploads import MAX_FILES, discard, locate, size_of, take_upload, upload_paths
from demo.verify import photos as seen
from sfpn.errors import UserError
from sfpn.photos import photo as photo_module
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import EncodedPhoto, count_pixels


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The upload folder; its neighbours in tmp_path are none of the visitors' business."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def upload(folder: Path, name: str = "a.jpg", content: bytes = b"content") -> Path:
    """A file where Gradio puts uploads."""
    file = folder / "own" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


def test_an_upload_is_read_once_and_leaves_nothing(folder):
    file = upload(folder)
    assert size_of(str(file)) == 7 and take_upload(str(file)) == ("a.jpg", b"content")
    assert not list(folder.iterdir())
    with pytest.raises(UserError, match="a.jpg: the upload was lost; give it again"):
        take_upload(str(file))


def test_an_upload_folder_may_lie_behind_a_link(folder, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "link"))
    upload(folder)
    assert take_upload(str(tmp_path / "link" / "own" / "a.jpg")) == ("a.jpg", b"content")


def hostile(folder: Path, tmp_path: Path) -> dict[str, object]:
    """Things that are no uploads, by what they are."""
    outside = tmp_path / "outside.txt"
    outside.write_text("not yours")
    os.mkfifo(tmp_path / "pipe")
    (folder / "own").mkdir()
    os.mkfifo(folder / "own" / "pipe")
    (folder / "own" / "link").symlink_to(outside)
    socket.socket(socket.AF_UNIX).bind(str(tmp_path / "socket"))
    (folder / "linked").symlink_to(tmp_path)
    return {
        "outside": str(outside),
        "missing": str(tmp_path / "nowhere"),
        "pipe": str(tmp_path / "pipe"),
        "own pipe": str(folder / "own" / "pipe"),
        "link": str(folder / "own" / "link"),
        "linked folder": str(folder / "linked" / "outside.txt"),
        "up": f"{folder}/own/../../outside.txt",
        "folder": str(folder / "own"),
        "upload folder": str(folder),
        "socket": str(tmp_path / "socket"),
        "relative": "outside.txt",
        "empty": "",
        "null": f"{folder}/\0",
        "surrogate": f"{folder}/\ud800",
        "long": f"{folder}/{'a' * 5000}",
        "neighbour": f"{folder}2/a",
        "root": "/",
        "none": None,
        "number": 3,
        "bytes": b"/",
        "list": [str(outside)],
        "file address": f"file://{outside}",
        "dict": {"path": str(outside)},
    }


def tree(folder: Path) -> set[str]:
    """All names below a folder."""
    return {str(file) for file in folder.rglob("*")}


def test_nothing_else_is_opened_or_deleted(folder, tmp_path):
    given = hostile(folder, tmp_path)
    before = tree(tmp_path)
    for what, path in given.items():
        with pytest.raises(UserError):
            pytest.fail(f"{what}: {take_upload(path)}")
        with pytest.raises(UserError):
            size_of(path)
    discard(list(given.values()))
    assert tree(tmp_path) == before and (tmp_path / "outside.txt").read_text() == "not yours"


def test_the_answer_does_not_tell_whether_there_is_such_a_file(folder, tmp_path):
    given = hostile(folder, tmp_path)
    sentences = set()
    for what in ("outside", "missing", "pipe", "socket"):
        with pytest.raises(UserError) as error:
            take_upload(given[what])
        sentences.add(str(error.value))
    assert len(sentences) == 1


def test_files_served_to_all_are_no_uploads(folder):
    file = upload(folder, "script.js")
    gr.set_static_paths([file])
    with pytest.raises(UserError):
        take_upload(str(file))
    discard([str(file)])
    assert file.read_bytes() == b"content"


def test_components_hand_over_uploads_only(folder, tmp_path):
    good, bad = str(upload(folder)), str(tmp_path / "outside")
    for component, payload in (
        (PhotoInput(), lambda path: PhotoInput.data_model(path=path)),
        (
            photo_argument.PhotoArgument(label="a", file_count="multiple"),
            lambda path: [{"path": path, "meta": {"_type": "gradio.FileData"}}],
        ),
        (
            PhotoButton("a", file_count="multiple"),
            lambda path: PhotoButton("a", file_count="multiple").data_model(root=[gr.FileData(path=path)]),
        ),
    ):
        assert component.preprocess(payload(good)) in (good, [good]) and not component.preprocess(None)
        with pytest.raises(gr.Error, match="not uploaded here"):
            component.preprocess(payload(bad))
    assert PhotoInput().preprocess(PhotoInput.data_model(url="data:image/png;base64,")) is None
    with pytest.raises(gr.Error, match="too many"):
        upload_paths([good] * (MAX_FILES + 1))
    assert tree(folder) == {str(folder / "own"), good}


def png(width: int, height: int) -> bytes:
    """A picture of one colour, small as a file however many pixels it has."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


class Counting(FaceDetector):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def detect(self, image):
        self.asked += 1
        return super().detect(image)


def test_one_upload_named_often_is_decoded_once(folder, monkeypatch):
    decoded, real = [], photo_module._decode
    monkeypatch.setattr(photo_module, "_decode", lambda *given: decoded.append(given) or real(*given))
    file = str(save_drawn(folder / "a.jpg", "frontal"))
    photos, refused = seen.add_uploads(FaceDetector(), (), [file] * 16)
    assert len(photos) == len(decoded) == 1 and refused == []


def test_the_endpoint_counts_before_it_reads(folder, monkeypatch):
    monkeypatch.setattr(photo_argument, "take_upload", lambda path: pytest.fail("was read"))
    file = str(upload(folder, content=png(100, 100)))
    with pytest.raises(gr.Error, match="the first side has 16 photos; give at most 10"):
        verify_api.verify({"m": None}, FaceDetector(), [file] * 16, [file], "m", 0.001)
    assert not list(folder.iterdir())
    monkeypatch.setattr(photo_argument, "SIDE_BYTES", 5)
    file = str(upload(folder, content=png(100, 100)))
    with pytest.raises(gr.Error, match="MB together"):
        verify_api.verify({"m": None}, FaceDetector(), [file], [file], "m", 0.001)
    assert not list(folder.iterdir())


def test_the_endpoint_adds_up_pixels_before_it_decodes(folder, monkeypatch):
    monkeypatch.setattr(photo_argument, "SIDE_PIXELS", 10_000)
    monkeypatch.setattr(photo_module, "_decode", lambda *given: pytest.fail("was decoded"))
    files = [str(upload(folder, f"{i}.png", png(100, 101))) for i in range(2)]
    with pytest.raises(gr.Error, match="megapixels together"):
        verify_api.verify({"m": None}, FaceDetector(), files[:1], files[1:], "m", 0.001)


@pytest.mark.parametrize("limit", ["SIDE_BYTES", "SIDE_PIXELS", "ALL_BYTES"])
def test_a_photo_without_room_is_refused_before_it_is_decoded(folder, monkeypatch, limit):
    detector = Counting()
    photo = seen.see(detector, "a.jpg", drawn("frontal"))
    used = {
        "SIDE_BYTES": len(photo.encoded),
        "SIDE_PIXELS": photo.size[0] * photo.size[1],
        "ALL_BYTES": photo_memory.held_bytes(),
    }
    monkeypatch.setattr(photo_memory, limit, used[limit] + 10)
    file = save_drawn(folder / "b.jpg", "profile")
    photos, refused = seen.add_uploads(detector, (photo,), [str(file)])
    assert photos == (photo,) and len(refused) == 1 and "; " in refused[0] and detector.asked == 1 and not file.exists()


def test_photos_count_until_they_are_forgotten():
    before = photo_memory.held_bytes()
    photo = seen.see(FaceDetector(), "a.jpg", bytes(bytearray(drawn("frontal"))))
    once = photo_memory.held_bytes()
    assert once > before + len(photo.encoded)
    again = photo.with_face(0)
    assert photo_memory.held_bytes() == once
    del photo, again
    assert photo_memory.held_bytes() == before


def test_headers_tell_pixels_and_encoded_photos_decode_when_asked():
    encoded = png(200, 100)
    assert count_pixels(encoded, "a") == 20_000 and EncodedPhoto("a", encoded, (200, 100)).image.size == (200, 100)
    with pytest.raises(UserError, match="megapixels"):
        count_pixels(png(10_000, 6_401), "a")


@pytest.mark.parametrize("value", [-1, 3, 10**30, 0.0, True, None, "0", [0], {}, float("nan")])
def test_places_are_within_the_list(value):
    assert events.place(2, 3) == 2
    with pytest.raises(gr.Error, match="reload"):
        events.place(value, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "1", None, [1], True])
def test_numbers_are_finite(value):
    assert events.number(1) == 1.0
    with pytest.raises(gr.Error, match="reload"):
        events.number(value)


def test_details_of_events_are_of_the_kinds_that_the_page_sends():
    assert events.texts(["a", "b"], 2) == ("a", "b")
    for wrong in ("ab", ["a"], ["a", 1], None, {"a": 1}):
        with pytest.raises(gr.Error):
            events.texts(wrong, 2)
    for data in (None, 3, "index", [], {}):
        with pytest.raises(gr.Error):
            events.detail(gr.EventData(None, data), "index")


def test_relative_to_nothing(folder):
    with pytest.raises(UserError):
        locate(str(folder) + "/")
