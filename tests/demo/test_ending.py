"""The app ends within three seconds, whatever it is at, and leaves no file: on Ctrl-C and on a request to end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from helpers.browsing import wait_for
from helpers.paths import ROOT
from helpers.visiting import Visitor, free_port, handler_of

SECONDS = 3


def start(folder: Path) -> tuple[subprocess.Popen, Visitor]:
    """The app with a copy of the drawn people, which have no embeddings, and a visitor."""
    data = folder / "people"
    shutil.copytree(ROOT / "demo" / "assets" / "synthetic", data, ignore=shutil.ignore_patterns("embeddings", "*.webp"))
    (folder / "tmp").mkdir()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    command = [sys.executable, "app.py", "--model", "depthwise", "--dataset", str(data), "--port", str(port)]
    command += ["--report", str(ROOT / "demo" / "assets" / "reports" / "synthetic-depthwise")]
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=environment | {"TMPDIR": str(folder / "tmp")}
        )
    wait_for(f"http://127.0.0.1:{port}/", app, folder / "log")
    visitor = Visitor(f"http://127.0.0.1:{port}/")
    visitor.open()
    return app, visitor


def files_of(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_report_at_work_does_not_keep_the_app_and_leaves_nothing(tmp_path, number):
    app, visitor = start(tmp_path)
    try:
        before = files_of(tmp_path / "people")
        config = httpx.get(f"{visitor.address}config").json()
        handler = handler_of(config, "report-start", "click")
        visitor.upload(b"never read")
        visitor.join(handler["id"], ["depthwise", "all-pairs"])
        next(m for m in visitor.messages() if m["msg"] == "process_generating")
        with visitor.here():
            time.sleep(1)
            began = time.monotonic()
            app.send_signal(number)
            assert app.wait(30) == 0
            assert time.monotonic() - began < SECONDS
    finally:
        app.kill()
    assert files_of(tmp_path / "people") == before
    assert not list((tmp_path / "tmp").glob("squeezefaceposenet-app-*"))
    said = (tmp_path / "log").read_text()
    assert not any(word in said for word in ("Traceback", "Aborted", "Fatal", "terminate called"))


def test_an_app_that_was_killed_leaves_its_uploads_until_the_next_one_starts(tmp_path):
    app, visitor = start(tmp_path)
    visitor.upload(b"never read")
    app.kill()
    app.wait()
    assert list((tmp_path / "tmp").glob("squeezefaceposenet-app-*"))
    code = "from demo.start import *\nname_temporary_folder()\nwith own_temporary_folder(): pass"
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, env=os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "tmp")}
    )
    assert not list((tmp_path / "tmp").glob("squeezefaceposenet-app-*"))
