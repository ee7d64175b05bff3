"""Starting the app: an address it cannot listen on is one line; temporary files are private and go at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.small_models import save_random_model

import app
from demo.common import dataset_view
from demo.start import check_address, name_temporary_folder, own_temporary_folder
from sfpn.errors import UserError

needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid(), reason="only root can give a folder away")


@pytest.fixture
def busy():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def refused(capsys, *words: str) -> str:
    assert app.main([*words, "--model", "nowhere.safetensors"]) == 2  # said before anything is loaded
    error = capsys.readouterr().err
    assert error.startswith("app.py: ") and error.count("\n") == 1 and "nowhere" not in error
    return error


def test_a_busy_port_is_one_line(capsys, busy):
    assert f"--port {busy} is in use" in refused(capsys, "--port", str(busy))
    assert f"--port {busy} is in use" in refused(capsys, "--port", str(busy), "--host", "0.0.0.0")


@pytest.mark.parametrize("port", ["99999", "65536", "0", "-1"])
def test_a_port_that_is_none_is_one_line(capsys, port):
    assert f"--port {port}: give a number from 1 to 65535" in refused(capsys, f"--port={port}")


@pytest.mark.parametrize("host", ["192.0.2.1", "8.8.8.8", "no.such.host.invalid", "256.1.1.1", "a" * 300, "ü..x"])
def test_a_foreign_host_is_one_line(capsys, host):
    assert f"--host {host}" in refused(capsys, "--host", host)


def test_a_foreign_host_of_the_environment_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "192.0.2.1")
    assert "192.0.2.1 is not an address of this computer" in refused(capsys)


@pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0", "localhost"])
def test_own_addresses_are_fine(host):
    check_address(host, None)


def test_a_port_for_administrators_is_one_sentence(monkeypatch):
    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", deny)
    with pytest.raises(UserError, match="--port 80 is for administrators"):
        check_address(None, 80)


def test_no_free_port_is_one_line(capsys, monkeypatch, tmp_path):
    def nothing_free(*_, **__):
        raise OSError("Cannot find empty port in range: 7860-7959. ...")

    monkeypatch.setattr(app.gr.Blocks, "launch", nothing_free)
    monkeypatch.setattr(app, "build", lambda loaded: app.gr.Blocks())
    monkeypatch.setattr(app, "load", lambda options: None)
    assert app.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("app.py: no free port") and "--port" in error and error.count("\n") == 1


@pytest.mark.parametrize("place", ["TMPDIR", "GRADIO_TEMP_DIR"])
def test_the_temporary_folder_is_private_and_removed(tmp_path, monkeypatch, place):
    chosen = tmp_path / "my#tmp%20?x"
    chosen.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.setenv(place, str(chosen))
    monkeypatch.setattr("tempfile.tempdir", None)
    name_temporary_folder()
    assert not list(chosen.iterdir())
    with own_temporary_folder() as folder:
        assert folder.parent == chosen and folder.stat().st_mode & 0o777 == 0o700
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        (folder / "upload").mkdir()
        (folder / "upload" / "face.jpg").write_bytes(b"private")
    assert not list(chosen.iterdir())


def test_the_temporary_folder_goes_after_an_error_too():
    with pytest.raises(UserError, match="bad model"), own_temporary_folder() as folder:
        raise UserError("bad model")
    assert not folder.exists()


@pytest.mark.parametrize("place", ["file/below", "file", "/proc/none/below"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys, monkeypatch, place):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / place))
    assert app.main([]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no temporary files can be written" in error and "set TMPDIR" in error


@needs_root
@pytest.mark.parametrize("how", ["foreign", "a link", "a file"])
def test_thumbnails_are_not_kept_in_a_folder_of_somebody_else(tmp_path, monkeypatch, how):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = tmp_path / f"squeezefaceposenet-{os.getuid()}"
    if how == "a file":
        kept.write_text("")
    elif how == "a link":
        (tmp_path / "elsewhere").mkdir()
        kept.symlink_to(tmp_path / "elsewhere")
    else:
        kept.mkdir()
        os.chown(kept, 12345, 12345)
    folder = dataset_view.default_folder("f" * 64)
    assert kept not in folder.parents
    folder.mkdir(parents=True, exist_ok=True)
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_thumbnails_are_kept_in_a_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first = dataset_view.default_folder("f" * 64)
    assert first == dataset_view.default_folder("f" * 64) and first.parent.parent == tmp_path
    assert first.parent.stat().st_mode & 0o777 == 0o700


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_listens(process: subprocess.Popen, port: int, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"the app did not start: {process.poll()}")


@needs_root
def test_the_app_starts_beside_a_gradio_folder_of_another_user_and_leaves_nothing(tmp_path):
    """TMPDIR has letters that addresses quote, and Gradio's default folder there is a file: as closed as it gets."""
    temporary = tmp_path / "my#tmp%20?x"
    temporary.mkdir()
    (temporary / "gradio").write_text("not yours")
    save_random_model(tmp_path / "random.safetensors")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    command = [sys.executable, "app.py", "--model", str(tmp_path / "random.safetensors"), "--port", str(port)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            wait_until_it_listens(process, port)
            (own,) = (path for path in temporary.glob("squeezefaceposenet-app-*") if path.is_dir())
            assert Path(own).stat().st_mode & 0o777 == 0o700
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not list(temporary.glob("squeezefaceposenet-app-*"))
