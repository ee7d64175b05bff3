"""What goes wrong around the app while it runs: files that vanish or change, a full disk, another app, no network.

Real faults where this system lets us make them (`unshare`: a small file system, a network of one's own); the answers go
on from memory, or are one sentence, and all is well again when the fault is gone.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from helpers.browsing import wait_for
from helpers.drawn_people import drawn
from helpers.evaluation_data import write_dataset
from helpers.paths import ROOT
from helpers.small_models import save_random_model
from helpers.visiting import Visitor, free_port, handler_of
from PIL import Image

from demo import start
from demo.common.dataset_view import THUMBNAIL_SIDE, DatasetView
from demo.explore import tab as explore
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError

ROOM = "This computer has no room for more photos at the moment"
OWN_NAMESPACE = ["unshare", "--map-root-user", "--mount"]


def can(*command: str) -> bool:
    """Whether a command runs here."""
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class App:
    """The app as a process: `prepare` is shell that runs before it, in a mount namespace of its own where given."""

    def __init__(self, folder: Path, tmp: Path, prepare: str = "", **environment: str) -> None:
        self.folder, self.tmp, self.port = folder, tmp, free_port()
        self.log = folder / f"log-{self.port}"
        if not (folder / "data").is_dir():
            save_random_model(folder / "random.safetensors")
            write_dataset(folder / "data")
        options = ["--model", str(folder / "random.safetensors"), "--dataset", str(folder / "data")]
        command = [sys.executable, "app.py", *options, "--report", *REPORTS, "--port", str(self.port)]
        if prepare:
            command = [*OWN_NAMESPACE, "sh", "-c", f'{prepare} && exec "$@"', "sh", *command]
        given = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
        given |= {"TMPDIR": str(tmp)} | environment
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=given, stdout=self.log.open("w"), stderr=subprocess.STDOUT
        )
        self.address = f"http://127.0.0.1:{self.port}/"
        try:
            wait_for(self.address, self.process, self.log)
        except BaseException:
            self.process.kill()
            raise
        self.config = httpx.get(f"{self.address}config", trust_env=False, timeout=60).json()

    @property
    def seen_tmp(self) -> Path:
        """Its folder of temporary files, as it sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.tmp}")

    def ask_as_page(self, visitor: Visitor, component: str, event: str) -> dict:
        """The last message about an event, with the values that the page has at first."""
        values = {c["id"]: c["props"].get("value") for c in self.config["components"]}
        handler = handler_of(self.config, component, event)
        return visitor.ask(handler["id"], [values[number] for number in handler["inputs"]])

    def compare(self, visitor: Visitor) -> str:
        """The last message about a comparison of two photos of a fresh page."""
        number = next(h["id"] for h in self.config["dependencies"] if h["api_name"] == "verify")
        first, second = visitor.upload(drawn("frontal")), visitor.upload(drawn("profile"))
        return json.dumps(visitor.ask(number, [[first], [second], "random", 0.001]))

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


REPORTS = [str(ROOT / "demo" / "assets" / "reports" / "synthetic-depthwise")]


@contextlib.contextmanager
def running(*given, **more) -> Iterator[App]:
    app = App(*given, **more)
    try:
        yield app
    finally:
        app.process.kill()
        app.process.wait()


@pytest.fixture
def view(tmp_path):
    return DatasetView.open(FaceDataset.open(write_dataset(tmp_path / "data")), tmp_path / "thumbnails")


def shown_pictures(view: DatasetView, html: str) -> list[Path | bytes | None]:
    """The files of the pictures in it, as they are served."""
    return [view.picture_named(Path(part.partition('"')[0]).name) for part in html.split("gradio_api/file=")[1:]]


def test_a_cache_that_is_removed_is_made_again(view):
    facets = explore.clear_facets()
    first = explore.show_filtered(view, *facets)
    assert all(file.is_file() for file in shown_pictures(view, first.grid))
    for _ in range(2):
        shutil.rmtree(view.thumbnails)
        again = explore.show_filtered(view, *facets)
        assert again.grid == first.grid and all(file.is_file() for file in shown_pictures(view, again.grid))


@pytest.mark.skipif(os.name == "nt", reason="a file cannot be put in place of a folder there")
def test_pictures_of_a_cache_that_cannot_be_written_are_served_from_memory(view):
    view.thumbnails.rmdir()
    view.thumbnails.write_text("a file in its place")
    grid = explore.show_filtered(view, *explore.clear_facets()).grid
    pictures = shown_pictures(view, grid)
    assert len(pictures) == grid.count("<img") > 10
    for encoded in pictures:
        with Image.open(io.BytesIO(encoded)) as picture:
            assert picture.format == "JPEG" and max(picture.size) <= THUMBNAIL_SIDE


def test_a_dataset_that_is_replaced_or_removed_is_never_mixed_with_the_old_one(view, tmp_path):
    row_ids = list(view.rows.index[:2])
    before = view.picture(row_ids[0]).encoded
    write_dataset(tmp_path / "other", seed=5)
    for file in (tmp_path / "other").iterdir():
        file.replace(view.dataset.folder / file.name)
    for ask in (
        lambda: view.picture(row_ids[0]),
        lambda: view.picture(row_ids[1]),
        lambda: list(view.dataset.pictures(set(row_ids))),
        view.dataset.rows,
    ):
        with pytest.raises(UserError, match="was replaced or removed since it was opened: open it again"):
            ask()
    fresh = DatasetView.open(FaceDataset.open(view.dataset.folder), tmp_path / "fresh")
    assert fresh.picture(row_ids[0]).encoded != before
    shutil.rmtree(view.dataset.folder)
    for ask in (lambda: fresh.picture(row_ids[0]), lambda: fresh.picture_named(f"{fresh.mark}-0.jpg")):
        with pytest.raises(UserError, match="was replaced or removed"):
            ask()


def test_the_folder_of_an_app_in_another_container_is_left_alone(tmp_path, monkeypatch):
    """Its number runs nowhere here, but its lock is held."""
    fcntl = pytest.importorskip("fcntl")
    other = tmp_path / f"{start.PREFIX}999999999-abc"
    other.mkdir()
    sets = tmp_path / f"{start.PREFIX}999999999-sets-abc"
    sets.mkdir()
    lock = other.with_name(f"{other.name}.lock")
    monkeypatch.setenv(start.TEMPORARY, str(tmp_path / f"{start.PREFIX}{os.getpid()}-mine"))
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with start.own_temporary_folder() as mine:
            assert other.is_dir() and sets.is_dir() and mine.is_dir()
            assert start._locked(start._lock_of(mine)) is None
    with start.own_temporary_folder():
        assert not other.exists() and not lock.exists() and not sets.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not can(*OWN_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"), reason="no file system to fill")
def test_on_a_full_disk_answers_go_on_or_are_one_sentence_and_it_recovers(tmp_path):
    (tmp_path / "tmp").mkdir()
    prepare = f"mount -t tmpfs -o size=230m none {tmp_path / 'tmp'}"
    with running(tmp_path, tmp_path / "tmp", prepare) as app:
        visitor = Visitor(app.address)
        visitor.open()
        right = app.compare(visitor)
        assert '"success": true' in right
        filling = app.seen_tmp / "filling"
        with contextlib.suppress(OSError), filling.open("wb", 0) as file:
            while True:
                file.write(bytes(1_000_000))
        answer = visitor.client.post(f"{app.address}gradio_api/upload", files={"files": ("a.png", drawn("frontal"))})
        assert answer.status_code == 507 and ROOM in answer.text
        shown = json.dumps(app.ask_as_page(visitor, "facet-pose", "change"))
        assert '"success": true' in shown
        picture = visitor.client.get(app.address + re.findall(r"gradio_api/file=[^\"\\]+", shown)[0])
        assert picture.status_code == 200 and picture.headers["content-type"] == "image/jpeg"
        saved = app.ask_as_page(visitor, "report-zip", "click")
        assert not saved["success"] and ("disk" in saved["output"]["error"] or "written" in saved["output"]["error"])
        filling.unlink()
        assert '"success": true' in app.compare(visitor)
        said = app.log.read_text()
        assert "Traceback" not in said, said


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_two_apps_share_a_folder_of_temporary_files(tmp_path):
    (tmp_path / "tmp").mkdir()
    with running(tmp_path, tmp_path / "tmp") as first, running(tmp_path, tmp_path / "tmp") as second:
        visitors = {app.port: Visitor(app.address) for app in (first, second)}
        for app in (first, second):
            visitors[app.port].open()
            assert '"success": true' in app.compare(visitors[app.port])
        waiting = Path(visitors[second.port].upload(drawn("frontal"))["path"])
        assert first.end() == 0 and waiting.is_file()
        assert '"success": true' in second.compare(visitors[second.port])
        assert second.end() == 0
    assert not list((tmp_path / "tmp").glob(f"{start.PREFIX}*"))


def test_weights_and_dataset_that_vanish_while_it_runs(tmp_path):
    (tmp_path / "tmp").mkdir()
    with running(tmp_path, tmp_path / "tmp") as app:
        visitor = Visitor(app.address)
        visitor.open()
        before = json.loads(app.compare(visitor))["output"]["data"][0]
        save_random_model(tmp_path / "random.safetensors")
        (tmp_path / "random.safetensors").unlink()
        shutil.rmtree(tmp_path / "data")
        after = json.loads(app.compare(visitor))["output"]["data"][0]
        assert before["score"] == after["score"] and before["model"] == after["model"]
        assert app.process.poll() is None
        said = app.log.read_text()
        assert "Traceback" not in said, said


@pytest.mark.skipif(not can(*OWN_NAMESPACE, "--net", "true"), reason="no network of one's own")
def test_without_a_network_and_with_a_home_that_cannot_be_written(tmp_path):
    home, code = tmp_path / "home", (ROOT / "tests" / "helpers" / "alone.py")
    home.mkdir()
    prepare = f"ip link set lo up; mount --bind {home} {home} && mount -o remount,ro,bind {home}"
    done = subprocess.run(
        [*OWN_NAMESPACE, "--net", "sh", "-c", f'{prepare} && exec "$@"', "sh", sys.executable, str(code)],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "network: none, home: read-only; " in done.stdout and "match, score" in done.stdout, done.stdout
    assert list(home.iterdir()) == []
