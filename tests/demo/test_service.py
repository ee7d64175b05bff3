"""The app as a service: who may ask for what under which name, what is kept how long, and who waits for whom.

Everything is asked of the running app over HTTP, as a browser or a stranger would.
"""

from __future__ import annotations

import contextlib
import gc
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from helpers.drawn_people import drawn
from helpers.evaluation_data import write_dataset
from helpers.small_models import save_random_model
from helpers.visiting import META, Visitor, handler_of

import app
from demo.common import gate as gates
from demo.common import jobs, photo_memory, sessions, upload_door, uploads
from demo.common.gate import Gate
from demo.common.rules import Rules
from demo.common.visitor import COOKIE
from demo.embeddings import compute as embeddings_compute
from demo.embeddings import tab as embeddings
from demo.examples import ASSETS
from demo.pose_errors import compute as reports_compute
from demo.verify import side
from demo.verify.photos import SeenPhoto
from sfpn.data.dataset import FaceDataset

LOCAL = {"127.0.0.1", "localhost", "[::1]"}


@dataclass
class Running:
    """The app, started here, so that its memory can be looked at."""

    page: gr.Blocks
    address: str
    uploads: Path

    def visitor(self) -> Visitor:
        return Visitor(self.address)

    def handler(self, component: str, event: str) -> dict:
        """That of an event of the component with this elem_id."""
        return handler_of(httpx.get(f"{self.address}config").json(), component, event)

    @property
    def gate(self) -> Gate:
        """The one before this app."""
        layer = self.page.app.middleware_stack
        while not isinstance(layer, Gate):
            layer = layer.app
        return layer

    def until(self, condition: Any, seconds: float = 10) -> bool:
        """Whether a condition comes true in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.05)
        return False


@contextlib.contextmanager
def started(folder: Path, public: bool = False, options: app.Options | None = None) -> Iterator[Running]:
    save_random_model(folder / "random.safetensors")
    data = folder / "data"
    dataset = FaceDataset.open(data if data.is_dir() else write_dataset(data))
    arguments = ["--model", str(folder / "random.safetensors"), "--dataset", str(dataset.folder)]
    page = app.build(app.load(app.parse([*arguments, *(["--public"] if public else [])])))
    page.queue(**app.queue_settings())
    _, address, _ = page.launch(**app.launch_settings(options), prevent_thread_lock=True, quiet=True)
    yield Running(page, address, Path(uploads.get_upload_folder()))
    page.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        patch.setattr(gates, "EVERY_SECONDS", 0.2)
        with started(folder) as running:
            yield running


def give(running: Running, visitor: Visitor, photo: bytes) -> dict:
    """A photo for the first side."""
    handler = running.handler("input-a", "input")
    return visitor.ask(handler["id"], [None, visitor.upload(photo)])


# names, routes, headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:7860", "", "192.168.0.1"])
def test_a_foreign_host_is_refused(running, host):
    for path in ("", "config", "gradio_api/info"):
        assert httpx.get(f"{running.address}{path}", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:7860", "LOCALHOST", "localhost."])
def test_this_computer_is_not(running, host):
    assert httpx.get(f"{running.address}config", headers={"Host": host}).status_code == 200


def test_names_are_those_that_the_options_say(monkeypatch):
    rules = app.rules(app.parse(["--allowed-host", "Faces.example", "b.example"]))
    assert rules.serves("faces.example:443") and rules.serves("b.example") and not rules.serves("10.0.0.7")
    everywhere = app.rules(app.parse(["--host", "0.0.0.0"]))
    assert everywhere.serves("10.0.0.7:7860") and everywhere.serves("[fe80::1]") and not everywhere.serves("a.example")
    monkeypatch.setenv("SPACE_ID", "a/b")
    monkeypatch.setenv("SPACE_HOST", "a-b.hf.space")
    options = app.parse([])
    assert options.public and app.rules(options).serves("a-b.hf.space") and not app.parse(["--no-public"]).public
    assert (
        b"frame-ancestors 'self' https://huggingface.co"
        in dict(app.rules(options).headers())[b"content-security-policy"]
    )


def test_routes_that_the_page_does_not_need_are_closed(running):
    visitor = running.visitor()
    visitor.open()
    session = {"session_hash": visitor.session}
    for path in ("deep_link", "runs", "run-history/connect", "vibe-code", "proxy=http://127.0.0.1", "stream/a/b/c.ts"):
        assert visitor.get(f"gradio_api/{path}", params=session).status_code == 403, path
    for path in ("process_recording", "component_server", "vibe-edit", "stream/a", "stream/a/close"):
        assert visitor.post(path, session).status_code == 403, path
    for path in ("file=https://evil.example/", "file=//evil.example", "file= javascript:a"):
        assert visitor.get(f"gradio_api/{path}").status_code in (403, 404), path
    assert not list(running.uploads.glob("deep_links"))


def test_each_answer_tells_the_browser_to_keep_the_page_to_itself(running):
    for path in ("", "config", "theme.css", "nowhere", "gradio_api/deep_link"):
        headers = httpx.get(f"{running.address}{path}").headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
        assert "camera=(self)" in headers["permissions-policy"]
        assert headers["content-security-policy"].endswith("frame-ancestors 'self'")


def test_page_itself_is_sent_packed_to_browsers_that_unpack(running):
    plain, packed = (httpx.get(running.address, headers={"accept-encoding": kind}) for kind in ("identity", "gzip"))
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.headers["content-security-policy"] == plain.headers["content-security-policy"]


def test_handlers_are_reached_through_the_queue_only(running):
    handler = running.handler("input-a", "input")
    body = {"fn_index": handler["id"], "data": [None, None], "session_hash": secrets.token_hex(6)}
    assert running.visitor().post("run/predict", body).status_code == 404


def test_bodies_are_bounded(running):
    visitor = running.visitor()
    too_large = visitor.join(0, ["a" * gates.BODY_BYTES])
    assert too_large.status_code == 413 and "choose less" in too_large.json()["detail"]
    began = time.process_time()  # of client and server, whatever else the machine does
    many = visitor.join(0, [[{"path": f"/{i}", "meta": META} for i in range(20_000)]])
    assert many.status_code == 413 and "too many" in many.json()["detail"] and time.process_time() - began < 2
    deep = httpx.post(f"{running.address}gradio_api/queue/join", content="[" * 100_000)
    assert deep.status_code == 400
    assert visitor.post("queue/join", [1]).status_code == 400


def test_large_requests_are_few_at_a_time(running, monkeypatch):
    monkeypatch.setattr(gates, "LARGE_BYTES", 1000)
    visitor, number = running.visitor(), running.handler("input-a", "input")["id"]
    visitor.open()
    photo, released = visitor.upload(drawn("frontal")), threading.Event()
    with monkeypatch.context() as patch, contextlib.ExitStack() as after:
        after.callback(released.set)
        patch.setattr(side, "add_uploads", lambda *_: released.wait(20) and ((), []))
        answers = [visitor.join(number, [["a" * 2000], photo]) for _ in range(8)]
        assert [answer.status_code for answer in answers][-1] == 429 and "large" in answers[-1].json()["detail"]
    assert running.until(lambda: visitor.join(number, [["a" * 2000], None]).status_code == 200)


# whose session it is


def test_a_session_is_of_no_use_to_another_browser(running):
    mine, other = running.visitor(), running.visitor()
    assert "HttpOnly" in mine.open().headers["set-cookie"]
    other.open()
    assert mine.client.cookies[COOKIE] != other.client.cookies[COOKIE]
    give(running, mine, drawn("frontal"))
    show = running.handler("photos-a", "remove")
    stranger = other.ask(show["id"], [None], mine.session, event_data={"index": 0})
    assert not stranger["success"] and "data:image" not in json.dumps(stranger)
    last = list(running.visitor().messages(mine.session))[-1]
    assert last["msg"] == "unexpected_error" and last["session_not_found"]
    assert mine.ask(show["id"], [None], event_data={"index": 0})["success"]  # it is there, and was not touched


def test_without_cookies_an_id_must_be_hard_to_guess(running):
    assert running.visitor().join(0, [], "1").status_code == 400
    assert running.visitor().get("gradio_api/heartbeat/1").status_code == 400


def test_ids_of_sessions_and_secrets_are_no_part_of_the_page(running):
    visitor = running.visitor()
    page = visitor.open().text
    assert visitor.client.cookies[COOKIE] not in page and visitor.session not in page


# room


def test_invented_sessions_take_no_place_from_others(running, monkeypatch):
    monkeypatch.setattr(sessions, "PAGES_OF_ONE", 12)
    monkeypatch.setattr(sessions, "PAGES", 12)
    mine = running.visitor()
    mine.open()
    choose = running.handler("photos-a", "select")["id"]
    with mine.here():
        give(running, mine, drawn("frontal"))
        stranger = running.visitor()
        for _ in range(40):
            stranger.ask(choose, [None], secrets.token_hex(8), event_data={"index": [0, 0]})
        assert len(running.gate.sessions.known) <= 12
        assert mine.ask(choose, [None], event_data={"index": [0, 0]})["success"]


def test_when_all_places_are_taken_the_page_says_so_and_counts_who_waits(running, monkeypatch):
    monkeypatch.setattr(sessions, "PAGES", 2)
    running.gate.sessions.known.clear()
    inside = [running.visitor() for _ in range(2)]
    with contextlib.ExitStack() as stack:
        for visitor in inside:
            assert visitor.open().status_code == 200
            stack.enter_context(visitor.here())
        first, second = running.visitor(), running.visitor()
        answers = [first.open(), second.open(), first.open()]
        assert [answer.status_code for answer in answers] == [503] * 3
        assert ["place 1 in the queue" in answers[i].text for i in range(3)] == [True, False, True]
        assert "place 2 in the queue" in answers[1].text and 'http-equiv="refresh"' in answers[1].text
        assert "Busy" in first.join(0, []).json()["detail"]
    assert running.until(lambda: first.open().status_code == 200)


def test_one_page_cannot_fill_the_queue(running, monkeypatch):
    visitor, slow = running.visitor(), running.handler("input-a", "input")["id"]
    visitor.open()
    photo, released = visitor.upload(drawn("frontal")), threading.Event()
    with monkeypatch.context() as patch, contextlib.ExitStack() as after:
        after.callback(released.set)
        patch.setattr(side, "add_uploads", lambda *_: released.wait(20) and ((), []))
        answers = [visitor.join(slow, [None, photo]).status_code for _ in range(65)]
        assert answers.count(200) <= sessions.EVENTS + 10 and set(answers) == {200, 429}
    other = running.visitor()
    other.open()
    assert give(running, other, drawn("frontal"))["success"]


# nothing stays


def remains(content: str) -> list[str]:
    """The objects of this process that still hold a text."""
    gc.collect()
    found = []
    for thing in gc.get_objects():
        if isinstance(thing, (dict, list, tuple)):
            values = thing.values() if isinstance(thing, dict) else thing
            with contextlib.suppress(RuntimeError):
                found += [type(thing).__name__ for value in values if isinstance(value, str) and content in value]
    return found


def test_nothing_of_a_visitor_stays_after_they_left(running, monkeypatch):
    monkeypatch.setattr(sessions, "LEFT_SECONDS", 0.5)
    assert running.until(lambda: not running.gate.sessions.known)  # of the tests before
    assert running.until(lambda: gc.collect() >= 0 and photo_memory.held_bytes() == 0)
    before = 0
    visitor = running.visitor()
    visitor.open()
    with visitor.here():
        name = f"portrait-{secrets.token_hex(4)}"
        handler = running.handler("input-a", "input")
        photo = visitor.upload(drawn("frontal", 7), f"{name}.png")
        visitor.ask(handler["id"], [None, photo])
        visitor.join(
            handler["id"], [None, visitor.upload(drawn("profile", 7), f"{name}.png")]
        )  # its answer is not read
        preview = next(p.preview for p in photo_memory._held.values() if p.name == f"{name}.png")[-260:-200]
        assert photo_memory.held_bytes() > before and len(preview) == 60
    app_ = running.page.app
    assert running.until(lambda: not running.gate.sessions.known)
    assert running.until(lambda: photo_memory.held_bytes() <= before)
    assert not app_.state_holder.session_data and not running.page._queue.pending_messages_per_session
    assert running.until(lambda: not [n for t in running.page.temp_file_sets for n in t])
    assert not [file for file in running.uploads.rglob("*") if file.is_file()]
    del photo
    assert not [seen for seen in gc.get_objects() if isinstance(seen, SeenPhoto) and seen.name.startswith(name)]
    assert remains(preview) in ([], ["list"], ["tuple"])  # of this test's own frame


def test_a_page_left_open_is_forgotten_too(running, monkeypatch):
    monkeypatch.setattr(sessions, "UNUSED_SECONDS", 0.5)
    visitor = running.visitor()
    visitor.open()
    with visitor.here():
        give(running, visitor, drawn("frontal"))
        assert running.until(lambda: not running.page.app.state_holder.session_data)


def test_uploads_that_nobody_reads_are_swept_by_age_whatever_lies_beside_them(running, monkeypatch):
    visitor = running.visitor()
    path = Path(visitor.upload(drawn("frontal"))["path"])
    (running.uploads / "a.png").mkdir()  # a folder named as a file
    (running.uploads / "a.png" / "b").mkdir()
    time.sleep(0.5)
    assert path.is_file()
    monkeypatch.setattr(uploads.sweep, "__defaults__", (0.2,))
    assert running.until(lambda: not list(running.uploads.iterdir()))
    monkeypatch.undo()
    path = Path(visitor.upload(drawn("frontal"))["path"])
    assert path.is_file()
    path.unlink()


def test_an_aborted_upload_leaves_nothing(running):
    import socket

    host, port = running.address[7:-1].split(":")
    with socket.create_connection((host, int(port))) as wire:
        head = "--x\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n" + "a" * 100_000
        wire.sendall(
            (
                "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
                f"Content-Type: multipart/form-data; boundary=x\r\n\r\n{head}"
            ).encode()
        )
        assert running.until(lambda: any(f.name.startswith("tmp") for f in running.uploads.iterdir()))
    assert running.until(lambda: not any(f.name.startswith("tmp") for f in running.uploads.iterdir()))


def test_the_disk_is_bounded_in_all_and_recovers_by_itself(running, monkeypatch):
    visitor = running.visitor()
    first = Path(visitor.upload(b"a" * 1000)["path"])
    with monkeypatch.context() as patch:
        patch.setattr(running.gate, "rules", replace(running.gate.rules, upload_bytes=1500))
        answer = visitor.client.post(f"{running.address}gradio_api/upload", files={"files": ("a", b"a" * 2000)})
        assert answer.status_code == 413
        patch.setattr(running.gate, "rules", replace(running.gate.rules, upload_bytes=2500))
        patch.setattr(upload_door, "UNREAD_BYTES", 1500)
        answer = visitor.client.post(f"{running.address}gradio_api/upload", files={"files": ("a", b"a" * 2000)})
        assert answer.status_code == 429
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "ALL_BYTES", 1500)
        answer = visitor.client.post(f"{running.address}gradio_api/upload", files={"files": ("a", b"a" * 2000)})
        assert answer.status_code == 507 and "try again" in answer.json()["detail"]
        first.unlink()
        assert Path(visitor.upload(b"a" * 900)["path"]).is_file()

    def full(self, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("starlette.datastructures.UploadFile.write", full)
        answer = visitor.client.post(f"{running.address}gradio_api/upload", files={"files": ("a", b"a" * 2000)})
        assert answer.status_code == 507 and not any(f.name.startswith("tmp") for f in running.uploads.iterdir())
    assert Path(visitor.upload(b"a" * 900)["path"]).is_file()


# long work


def test_verify_does_not_wait_for_long_work_which_ends_when_cancelled(running, monkeypatch):
    released, stopped = threading.Event(), threading.Event()

    def endless(*_: Any) -> None:
        try:
            while not released.wait(0.01):
                pass
        except jobs.Stopped:
            stopped.set()
            raise

    monkeypatch.setattr(embeddings.EmbeddingStore, "compute", endless)
    number, photo = running.handler("compute", "click")["id"], drawn("frontal")
    visitor, other, third = (running.visitor() for _ in range(3))
    for one in (visitor, other, third):
        one.open()
    event = visitor.join(number, ["random"]).json()["event_id"]
    assert running.until(lambda: any(job.working for job in jobs.LINE._jobs))
    began = time.monotonic()
    assert give(running, other, photo)["success"] and time.monotonic() - began < 5
    third.join(number, ["random"])
    waiting = next(m for m in third.messages() if "place 1 in the queue" in json.dumps(m))
    assert waiting["msg"] == "process_generating"
    body = {"session_hash": visitor.session, "fn_index": number, "event_id": event}
    assert visitor.post("cancel", body).status_code == 200
    assert running.until(stopped.is_set)
    released.set()
    assert running.until(lambda: not jobs.LINE._jobs)


def test_the_last_word_about_cancelled_work_comes_at_once_and_from_the_work(running, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(embeddings.EmbeddingStore, "compute", lambda *_: released.wait(30))  # it notices nothing
    visitor, other = running.visitor(), running.visitor()
    for one in (visitor, other):
        one.open()
    event = visitor.join(running.handler("compute", "click")["id"], ["random"]).json()["event_id"]
    assert running.until(lambda: any(job.working for job in jobs.LINE._jobs))
    cancel = running.handler("cancel-compute", "click")
    assert cancel["outputs"] == cancel["cancels"] == []
    assert other.ask(cancel["id"], [])["success"] and not any(job.stop.is_set() for job in jobs.LINE._jobs)
    visitor.join(cancel["id"], [])
    where, said = f"{visitor.address}gradio_api/queue/data", []
    with visitor.client.stream("GET", where, params={"session_hash": visitor.session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            said += [message] if message.get("event_id") == event else []
            if said and said[-1]["msg"] == "process_completed":
                break
    assert "<progress" in json.dumps(said[:-1]) and said[-1]["success"] and said[-1]["output"]["data"] == [""]
    assert not released.is_set() and jobs.LINE._jobs
    released.set()
    assert running.until(lambda: not jobs.LINE._jobs)


def test_long_work_of_a_visitor_who_left_ends(running, monkeypatch):
    stopped = threading.Event()

    def endless(*_: Any) -> None:
        try:
            while True:
                time.sleep(0.01)
        finally:
            stopped.set()

    monkeypatch.setattr(embeddings.EmbeddingStore, "compute", endless)
    visitor = running.visitor()
    visitor.open()
    visitor.join(running.handler("compute", "click")["id"], ["random"])
    for _ in zip(range(2), visitor.messages(), strict=False):
        pass  # then the stream is closed
    assert running.until(stopped.is_set) and running.until(lambda: not jobs.LINE._jobs)


def test_a_button_ends_the_work_of_its_own_page_and_name_only():
    line = jobs.Line()
    known = [jobs.Job("a", "c", "set"), jobs.Job("b", "d", "set"), jobs.Job(name="set")]
    for job in known:
        line.enter(job)
    for session, name in (("a", "report"), ("", "set"), ("c", "set")):
        line.end(session, name)
    assert not any(job.stop.is_set() for job in known)
    line.end("a", "set")
    assert [job.stop.is_set() for job in known] == [True, False, False]


def test_jobs_of_a_page_and_of_an_address_are_bounded():
    line = jobs.Line()
    mine = [jobs.Job("a", "c") for _ in range(5)]
    for job in mine:
        line.enter(job)
    assert [job.stop.is_set() for job in mine] == [True] * 4 + [False]
    for job in mine:
        line.leave(job)
    for name in "abc":
        line.enter(jobs.Job(name, "c"))
    with pytest.raises(Exception, match="from your address"):
        line.enter(jobs.Job("d", "c"))
    for number in range(jobs.PLACES - 2):
        line.enter(jobs.Job(f"{number}", f"{number}"))
    with pytest.raises(Exception, match="jobs are waiting"):
        line.enter(jobs.Job("e", "e"))


# a public page, and folders that cannot be written


def files_of(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*")}


def test_a_public_page_offers_no_heavy_work_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    write_dataset(tmp_path / "data")
    before = files_of(tmp_path / "data")
    with started(tmp_path, public=True) as running:
        config = httpx.get(f"{running.address}config").json()
        shown = {c["props"].get("elem_id"): c["props"].get("visible", True) for c in config["components"]}
        assert shown["map"] and not shown["compute"] and not shown["compute-report"]  # of a visitor's own set only
        visitor = running.visitor()
        visitor.open()
        for handler in config["dependencies"]:
            if handler["backend_fn"]:
                data = [
                    next(c for c in config["components"] if c["id"] == i)["props"].get("value")
                    for i in handler["inputs"]
                ]
                visitor.ask(handler["id"], data, trigger_id=(handler["targets"] or [[None]])[0][0])
    assert files_of(tmp_path / "data") == before


def test_bundled_embeddings_are_used_on_a_fresh_checkout():
    loaded = app.load(app.parse(["--model", "base"]))
    from demo.common.dataset_view import DatasetView
    from demo.common.embedding_store import EmbeddingStore

    store = EmbeddingStore(DatasetView.open(loaded.dataset), loaded.models)
    assert store.get("base") is not None
    assert store.cache("base") == ASSETS / "synthetic" / "embeddings" / "base.parquet"  # reports start from it too


def test_embeddings_of_a_folder_that_cannot_be_written_are_kept_elsewhere(tmp_path):
    from helpers.explorer_data import make_store

    store = make_store(tmp_path, computed=False)
    object.__setattr__(store, "writable", False)
    store.compute("colour")
    assert not (store.view.dataset.folder / "embeddings").exists()
    kept = store.cache("colour")
    assert kept.is_file() and kept.is_relative_to(store.view.thumbnails)
    store._kept.clear()
    assert store.get("colour") is not None
    assert app.can_write(tmp_path) and not app.can_write(tmp_path / "nowhere") and not app.can_write(Path("/proc"))


def test_a_page_over_such_a_folder_says_so_beforehand(tmp_path, monkeypatch):
    save_random_model(tmp_path / "random.safetensors")
    arguments = ["--model", str(tmp_path / "random.safetensors"), "--dataset", str(write_dataset(tmp_path / "data"))]
    monkeypatch.setattr(app, "can_write", lambda folder: False)
    text = json.dumps(app.build(app.load(app.parse(arguments))).get_config_file(), default=str)
    assert embeddings_compute.NOT_KEPT in text and reports_compute.NOT_KEPT in text
    monkeypatch.undo()
    text = json.dumps(app.build(app.load(app.parse(arguments))).get_config_file(), default=str)
    assert "cannot be written" not in text


def test_rules_have_no_addresses_unless_told():
    assert Rules().serves("127.0.0.1:1") and not Rules().serves("8.8.8.8") and not Rules().serves("a b")
