"""Pictures as they come: orientation, formats, broken files; and the map over worker processes."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pytest
from helpers.data_tools_layouts import FAKE, encoded, fake_find, picture
from helpers.paths import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_tools.annotate import Annotated, Detector, _is_kept, _reads_the_same, annotate, decode, mtcnn
from data_tools.sources.base import Item, Problem
from data_tools.workers import ordered_map
from sfpn.data.dataset import Picture
from sfpn.errors import UserError
from sfpn.photos.containers import pixels_only
from sfpn.photos.photo import decode_photo
from sfpn.schema import ROW_COLUMNS

ROTATED = 6  # EXIF: turn by 90 degrees clockwise to see it upright


def item(content: bytes, **labels: object) -> Item:
    return Item("a", "ann", "ann/a.jpg", partial(bytes, content), **labels)


def with_orientation(image: Image.Image) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = ROTATED
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_boxes_belong_to_the_picture_as_datasets_decodes_it():
    content = with_orientation(picture(1))
    stored, seen = decode(content)
    assert stored == content and seen.size == (56, 48)
    opened = datasets.Image().decode_example({"bytes": stored, "path": None})
    np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), np.asarray(seen))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_colour_mode_reaches_the_detector_as_rgb(mode):
    stream = io.BytesIO()
    picture(1).convert(mode).save(stream, "TIFF")
    stored, seen = decode(stream.getvalue())
    assert seen.mode == "RGB" and Image.open(io.BytesIO(stored)).format == "PNG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_no_cut_of_a_file_gets_through_as_anything_but_a_row_or_a_problem(kind):
    whole = encoded(3, kind=kind)
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        found = annotate(item(whole[:length]), "test", FAKE)
        assert isinstance(found, (Problem, Annotated))
        assert "0x" not in getattr(found, "reason", "")  # a memory address would change the ledger at every run


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG"]), st.booleans(), st.integers(0, 10_000), st.integers(0, 40), st.binary(max_size=9)
)
def test_a_file_of_nothing_but_pixels_is_kept_as_a_closer_look_says(kind, sideways, at, cut, put):
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = ROTATED
    picture(1).save(stream, kind, **({"exif": exif} if sideways else {}))
    whole = stream.getvalue()
    at %= len(whole)
    damaged = whole[:at] + put + whole[at + cut :]
    try:
        decode(damaged)
    except UserError:
        return
    assert _is_kept(damaged) == _reads_the_same(damaged, pixels_only(damaged))
    assert _is_kept(whole)


def test_a_row_has_exactly_the_contract_columns():
    for detector in (FAKE, None):
        found = annotate(item(encoded(1), pose="profile", yaw_degrees=-70.0, template="t"), "test", detector)
        assert list(found.row) == list(ROW_COLUMNS)
    assert found.row["yaw_source"] == "given" and found.row["quality"] is None


def test_a_detector_is_equal_after_pickling_so_that_a_worker_loads_it_once():
    for detector in (FAKE, mtcnn()):
        again = pickle.loads(pickle.dumps(detector))
        assert again == detector and hash(again) == hash(detector)


def test_angles_that_the_source_does_not_give_are_those_of_the_face():
    estimated = annotate(item(encoded(1)), "test", FAKE).row
    assert (estimated["pitch_degrees"], estimated["roll_degrees"]) == (10.0, -4.0)
    given = annotate(item(encoded(1), yaw_degrees=-70.0, pitch_degrees=30.0, roll_degrees=5.0), "test", FAKE).row
    assert (given["yaw_degrees"], given["pitch_degrees"], given["roll_degrees"]) == (-70.0, 30.0, 5.0)
    assert given["yaw_source"] == "given" and given["pose_estimated"] == "three_quarter"


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    os._exit(1)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_map_keeps_the_order_and_reads_ahead_a_little_only(workers):
    taken = []
    results = ordered_map(square, (taken.append(number) or number for number in range(1000)), workers)
    assert next(results) == 0 and len(taken) <= 64
    assert list(results) == [number * number for number in range(1, 1000)]


def test_a_killed_worker_is_one_clear_sentence():
    with pytest.raises(UserError, match="worker was killed"):
        list(ordered_map(die, range(3), 1))


def own_id(_: int) -> int:
    time.sleep(0.01)
    return os.getpid()


PARENT = """
import os, signal
from test_annotate import own_id
from data_tools.workers import ordered_map
if __name__ == "__main__":
    print(next(ordered_map(own_id, range(1000), 1)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to look at processes")
def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, tmp_path / "parent.py"], env=environment, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    for _ in range(600):
        if not is_running(int(done.stdout)):
            return
        time.sleep(0.1)
    pytest.fail("the worker goes on without its parent")


def is_running(process: int) -> bool:
    """Whether the process is at work; one that has ended may wait for its parent to notice."""
    status = Path("/proc", str(process), "stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def load_sideways():
    """A detector that finds a face in pictures turned by 90 degrees clockwise."""

    def find(image: Image.Image):
        found = fake_find(image)
        found.turned_degrees = 90
        return found

    return find


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_on_its_side_is_stored_so_that_every_reader_sees_it_upright(kind):
    content = encoded(1, kind=kind)
    found = annotate(item(content), "test", Detector("sideways", load_sideways))
    stored = found.row["image"]["bytes"]
    seen = datasets.Image().decode_example({"bytes": stored, "path": None}).convert("RGB")
    ours = Picture("a", stored, None).decode()
    expected = Image.open(io.BytesIO(content)).convert("RGB").transpose(Image.Transpose.ROTATE_270)
    for image in (seen, ours):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    assert any("lay on its side" in reason for _, reason in found.notes)


def test_odd_exif_is_stored_so_that_every_reader_can_read_it():
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112], exif[0x011A] = ROTATED, 72.0
    picture(1).save(stream, "JPEG", exif=exif)
    odd = stream.getvalue().replace(b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02")
    assert odd != stream.getvalue()
    found = annotate(item(odd), "test", FAKE)
    seen = datasets.Image().decode_example({"bytes": found.row["image"]["bytes"], "path": None})
    assert seen.size == Picture("a", found.row["image"]["bytes"], None).decode().size == (56, 48)


@pytest.mark.parametrize("depth", [np.uint16, np.int32, np.float32])
def test_build_and_dataset_see_what_verify_sees(depth):
    shares = np.linspace(0, 1, 48 * 56).reshape(56, 48)
    values = (shares * {np.uint16: 4095, np.int32: 65535, np.float32: 1}[depth]).astype(depth)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "TIFF" if depth is not np.uint16 else "PNG")
    _, seen = decode(stream.getvalue())
    stored = annotate(item(stream.getvalue()), "test", FAKE).row["image"]["bytes"]
    for image in (seen, Picture("a", stored, None).decode(), decode_photo(stream.getvalue(), "a").image):
        assert np.abs(np.asarray(image.convert("L"), float) - 255 * shares).max() < 1.1
