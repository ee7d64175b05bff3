"""Every handler of the running app, called as a stranger can call it: by number and by name, with whatever can be sent.

The handlers are those that the app's own configuration lists, so a new one is covered without a word here. All files
that are named are the test's own: should a door stand open, nothing else is lost.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from helpers.drawn_people import drawn, save_drawn
from helpers.evaluation_data import write_dataset
from helpers.explorer_data import make_report
from helpers.small_models import save_random_model

import app
from demo.common.uploads import NO_DOWNLOADS
from sfpn.data.dataset import FaceDataset

SECONDS = 2.0  # the longest that any such call may take
CANARY = "what-nobody-may-read"
META = {"_type": "gradio.FileData"}
TAKE_FILES = ("image", "file", "uploadbutton")
GESTURES = ("select", "remove", "lasso", "drag", "expand", "key_up")
NAN, HUGE = float("nan"), 10**300
VALUES = [
    None,
    -1,
    0.5,
    HUGE,
    NAN,
    True,
    "",
    "../../etc/passwd",
    "a" * 100_000,
    [],
    {},
    [[]],
    [NAN, "a", {}],
    [None] * 1000,
    {"__type__": "update"},
]
EVENTS = [
    None,
    3,
    "index",
    [],
    {},
    {"index": -1, "value": -1, "x": NAN, "points": 1, "input_value": 3},
    {"index": HUGE, "value": HUGE, "x": HUGE, "points": [1], "input_value": None},
    {"index": "01", "value": "ab", "x": "1", "points": "ab", "input_value": {}},
    {"index": [0, -1], "value": [NAN, NAN], "x": [1], "points": [{"value": {}}], "input_value": "a" * 100_000},
    {"index": ["pair"], "value": [], "x": None, "points": [{}] * 1000, "input_value": []},
    {"index": ["sample", {}], "value": [{}, {}], "x": {}, "points": {}},
    {"index": ["pair", "a"], "value": ["<b>", "<b>"], "x": True, "points": [None]},
    {"index": [[0], [0]], "value": {"a": 1}, "x": 10**400},
    {"value": 10**9, "of": "0" * 12, "chosen": "////"},
    {"value": 0, "of": "0" * 12, "chosen": "A" * 100_000},
    {"value": True, "of": {}, "chosen": [0]},
]


@dataclass
class Visitor:
    """Somebody at the other end of the wire, with a session of their own."""

    client: httpx.Client
    session: str

    def call(self, number: int, data: list, event: Any = None, trigger: int | None = None, queued: bool = True) -> str:
        """What a handler answers, as text; fails if that takes too long twice (once may be the machine's fault)."""
        for _ in range(2):
            text, seconds = self._timed(number, data, event, trigger, queued)
            if seconds < SECONDS:
                return text
        pytest.fail(f"handler {number} took {seconds:.1f} s for {str(data)[:200]} and {str(event)[:200]}")

    def _timed(self, number: int, data: list, event: Any, trigger: int | None, queued: bool) -> tuple[str, float]:
        body = {
            "fn_index": number,
            "data": data,
            "event_data": event,
            "session_hash": self.session,
            "trigger_id": trigger,
        }
        began = time.perf_counter()
        answer = self._post("queue/join" if queued else "run/predict", body)
        if queued and answer.status_code == 200:
            text = self._wait()
        else:
            text = answer.text
        return text, time.perf_counter() - began

    def _post(self, where: str, body: dict) -> httpx.Response:
        return self.client.post(
            f"gradio_api/{where}", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )

    def _wait(self) -> str:
        came = []
        with self.client.stream(
            "GET", "gradio_api/queue/data", params={"session_hash": self.session}, timeout=10
        ) as stream:
            for line in stream.iter_lines():
                came.append(line)
                if '"process_completed"' in line or '"unexpected_error"' in line:
                    break
        return "\n".join(came)

    def upload(self, *photos: tuple[str, bytes]) -> list[dict]:
        """Files as the page sends them."""
        answer = self.client.post("gradio_api/upload", files=[("files", photo) for photo in photos], timeout=30)
        return [{"path": path, "meta": META} for path in answer.json()]


@dataclass
class Running:
    """The app, its folder of uploads, and files near it that are nobody's business."""

    address: str
    uploads: Path
    text: Path
    photo: Path
    pipe: Path
    link: Path
    own_pipe: Path
    served: Path

    def visitor(self) -> Visitor:
        closing = {"Connection": "close"}  # the server closes it itself after some errors
        return Visitor(httpx.Client(base_url=self.address, timeout=20, headers=closing), secrets.token_hex(8))

    @property
    def config(self) -> dict:
        return httpx.get(f"{self.address}config", timeout=20).json()

    def handlers(self) -> list[dict]:
        """All of them, with their inputs as components."""
        config = self.config
        components = {component["id"]: component for component in config["components"]}
        return [handler | {"inputs": [components[i] for i in handler["inputs"]]} for handler in config["dependencies"]]

    def unharmed(self) -> bool:
        """Whether all files are as they were, and none of them has been copied to where uploads are served from."""
        known = (
            self.text.read_text() == CANARY and self.photo.read_bytes() == drawn("frontal") and self.link.is_symlink()
        )
        copies = [
            file
            for file in self.uploads.rglob("*")
            if file.is_file() and not file.is_symlink() and file.read_bytes() in (CANARY.encode(), drawn("frontal"))
        ]
        return known and not copies and all(file.exists() for file in (self.pipe, self.own_pipe, self.served))


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("doors")
    uploads = folder / "uploads"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        save_random_model(folder / "random.safetensors")
        dataset = FaceDataset.open(write_dataset(folder / "data-0"))
        reports = [make_report(folder, blur) and str(next(folder.glob(f"colour-{blur:g}-*"))) for blur in (0.0, 1.0)]
        loaded = app.load(
            app.parse(
                [
                    "--model",
                    str(folder / "random.safetensors"),
                    "--dataset",
                    str(dataset.folder),
                    "--own-model",
                    "--report",
                    *reports,
                ]
            )
        )
        page = app.build(loaded)
        page.queue(**app.queue_settings())
        _, address, _ = page.launch(**app.launch_settings(), prevent_thread_lock=True, quiet=True)
        (uploads / "somebody").mkdir(parents=True)
        near = Running(
            address,
            uploads,
            folder / "canary.txt",
            folder / "canary.png",
            folder / "pipe",
            uploads / "somebody" / "link",
            uploads / "somebody" / "pipe",
            folder / "served.js",
        )
        near.text.write_text(CANARY)
        near.served.write_text("for all")
        gr.set_static_paths([near.served])
        near.photo.write_bytes(drawn("frontal"))
        for pipe in (near.pipe, near.own_pipe):
            os.mkfifo(pipe)
        near.link.symlink_to(near.photo)
        yield near
        page.close()


def paths(running: Running) -> list[str]:
    """What a stranger might name."""
    files = [
        running.text,
        running.photo,
        running.pipe,
        running.link,
        running.own_pipe,
        running.uploads,
        running.uploads / "somebody",
        running.served,
    ]
    return [*map(str, files), f"{running.uploads}/somebody/../../canary.png", "http://127.0.0.1:9/a.png", "", "\0"]


def forms(path: str) -> list[Any]:
    """A path in the ways in which components take it."""
    return [
        {"path": path},
        {"path": path, "meta": META},
        [{"path": path}],
        [{"path": path, "meta": META}],
        path,
        {"path": path, "meta": META, "is_stream": True},
        {"url": path, "meta": META},
    ]


def targets_of(handler: dict) -> list[tuple[int | None, str]]:
    """(component, event) that set a handler off."""
    return [tuple(target) for target in handler["targets"]] or [(None, "")]


def test_the_configuration_lists_handlers_of_all_kinds(running):
    handlers = running.handlers()
    assert len(handlers) > 60
    assert {c["type"] for handler in handlers for c in handler["inputs"]} >= set(TAKE_FILES)
    assert {event for handler in handlers for _, event in targets_of(handler)} >= set(GESTURES) - {"key_up"}


def test_handlers_that_take_files_take_uploads_only(running):
    for handler in running.handlers():
        if not any(component["type"] in TAKE_FILES for component in handler["inputs"]):
            continue
        visitor = running.visitor()
        for path in paths(running):
            for form in forms(path):
                text = visitor.call(
                    handler["id"],
                    [form if c["type"] in TAKE_FILES else c["props"].get("value") for c in handler["inputs"]],
                )
                assert CANARY not in text and "data:image" not in text, (handler["id"], form)
                if (
                    isinstance(form, dict)
                    and path.startswith("http")
                    and form.get("path")
                    and form.get("meta")
                    and "is_stream" not in form
                ):
                    assert NO_DOWNLOADS in text
    assert running.unharmed()


def test_no_handler_gives_or_deletes_a_file_that_it_is_told_of(running):
    for handler in running.handlers():
        visitor = running.visitor()
        for path, queued in itertools.product(
            (str(running.text), str(running.pipe), str(running.served)), (True, False)
        ):
            text = visitor.call(
                handler["id"],
                [{"path": path, "meta": META}] * len(handler["inputs"]),
                {"index": {"path": path, "meta": META}, "value": path},
                queued=queued,
            )
            assert CANARY not in text, handler["id"]
    assert running.unharmed()


def test_no_handler_fails_on_what_it_is_sent(running, capfd):
    failed = {}
    for handler in running.handlers():
        visitor, (trigger, _), count = running.visitor(), targets_of(handler)[0], len(handler["inputs"])
        for value, event in itertools.zip_longest(VALUES, EVENTS):
            visitor.call(handler["id"], [value] * count, event, trigger, handler["queue"] is not False)
        visitor.call(handler["id"], [], None)
        visitor.call(handler["id"], [None] * 1000, None)
        printed = capfd.readouterr().err
        if "Traceback" in printed:
            failed[handler["id"]] = printed
    assert running.unharmed() and not failed, "\n".join(f"{number}: {text}" for number, text in failed.items())


def test_no_gesture_fails_on_what_it_brings(running):
    for handler in running.handlers():
        for trigger, event in targets_of(handler):
            if event in GESTURES:
                visitor = running.visitor()
                data = [component["props"].get("value") for component in handler["inputs"]]
                for brought in EVENTS:
                    text = visitor.call(handler["id"], data, brought, trigger, handler["queue"] is not False)
                    assert "data:image" not in text, (handler["id"], brought)  # no example and no photo was opened


def test_handlers_that_do_not_exist_are_refused(running):
    visitor = running.visitor()
    for number in (-1, 10**6, 10**18):
        visitor.call(number, [None])
    for name in ("verify", "take_one", "place_photo", "predict", "nothing"):
        for path in (str(running.photo), str(running.served)):
            answer = visitor._post(
                f"run/{name}",
                {"data": [[{"path": path, "meta": META}], [{"path": path, "meta": META}], "random", 0.001]},
            )
            assert CANARY not in answer.text
            answer = visitor._post(
                f"call/{name}",
                {"data": [[{"path": path, "meta": META}], [{"path": path, "meta": META}], "random", 0.001]},
            )
            if answer.status_code == 200:
                with visitor.client.stream("GET", f"gradio_api/call/{name}/{answer.json()['event_id']}") as stream:
                    assert next(stream.iter_lines()) == "event: error"
    assert running.unharmed()


def verify_handler(running: Running) -> int:
    return next(handler["id"] for handler in running.handlers() if handler["api_name"] == "verify")


def compare(running: Running, number: int, *photos: bytes) -> str:
    visitor = running.visitor()
    first, second = visitor.upload(*((f"{i}.png", photo) for i, photo in enumerate(photos)))
    visitor._post(
        "queue/join",
        {"fn_index": number, "data": [[first], [second], "random", 0.001], "session_hash": visitor.session},
    )
    return visitor._wait()


def test_visitors_with_the_same_photos_do_not_take_them_from_each_other(running):
    number, photos = verify_handler(running), (drawn("frontal", 1), drawn("profile"))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: compare(running, number, *photos), range(12)))
    assert all('"success":true' in answer.replace(" ", "") for answer in answers)
    assert {file.name for file in running.uploads.iterdir()} == {"somebody"}


def test_one_photo_named_often_is_no_burden(running, tmp_path):
    visitor, number = running.visitor(), verify_handler(running)
    (upload,) = visitor.upload(("a.png", save_drawn(tmp_path / "a.png", "frontal").read_bytes()))
    assert "give at most 10" in visitor.call(number, [[upload] * 16, [upload], "random", 0.001])
    assert "too many" in visitor.call(number, [[upload] * 1000, [upload], "random", 0.001])


def test_the_app_still_answers(running):
    assert httpx.get(running.address, timeout=20).status_code == 200
    assert '"success":true' in compare(running, verify_handler(running), drawn("frontal"), drawn("profile")).replace(
        " ", ""
    )
    assert running.unharmed()
