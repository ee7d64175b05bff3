"""What a stranger does to the wire: silent connections, bodies in drops, deep and endless JSON, invented ids."""

from __future__ import annotations

import contextlib
import gzip
import secrets
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from gradio import routes
from helpers.drawn_people import drawn
from helpers.evaluation_data import write_dataset
from helpers.small_models import save_random_model
from helpers.visiting import Visitor

import app
from demo.common import bodies, connections, gate, uploads
from demo.common.connections import OPEN
from sfpn.data.dataset import FaceDataset


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("strangers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        save_random_model(folder / "random.safetensors")
        dataset = FaceDataset.open(write_dataset(folder / "data"))
        options = app.parse(["--model", str(folder / "random.safetensors"), "--dataset", str(dataset.folder)])
        page = app.build(app.load(options))
        page.queue(**app.queue_settings())
        page.launch(**app.launch_settings(options), prevent_thread_lock=True, quiet=True)
        yield page.local_url
        page.close()


def wire(address: str, *said: bytes) -> socket.socket:
    """A connection on which this was said."""
    host, port = address[7:-1].split(":")
    connection = socket.create_connection((host, int(port)), timeout=15)
    for part in said:
        connection.sendall(part)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end hung up, with or without an answer."""
    try:
        while connection.recv(10_000):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def until(condition, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


POST = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET",
    ],
)
def test_a_connection_without_a_request_is_closed(address, monkeypatch, said):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    with contextlib.closing(wire(address, said)) as connection:
        assert is_closed(connection)
    assert until(lambda: OPEN["127.0.0.1"] <= 2)


def test_connections_of_an_address_are_bounded_and_the_count_is_right_afterwards(address, monkeypatch):
    assert until(lambda: OPEN["127.0.0.1"] == 0)
    monkeypatch.setattr(connections, "CONNECTIONS_OF_ONE", 5)
    monkeypatch.setenv(connections.PROXIES, "10.0.0.1")
    held = [wire(address, b"GET / HT") for _ in range(5)]
    assert until(lambda: OPEN["127.0.0.1"] == 5)
    with contextlib.closing(wire(address)) as one_more:
        assert is_closed(one_more)
    with pytest.raises(httpx.HTTPError):
        httpx.get(address, trust_env=False, timeout=10)
    for connection in held:
        connection.close()
    assert until(lambda: OPEN["127.0.0.1"] == 0)
    assert httpx.get(address, trust_env=False, timeout=30).status_code == 200


def test_a_proxy_speaks_for_many(monkeypatch):
    monkeypatch.setattr(connections, "CONNECTIONS_OF_ONE", 2)
    monkeypatch.setattr(connections, "CONNECTIONS_OF_ALL", 6)
    monkeypatch.setenv(connections.PROXIES, "10.0.0.0/8, nonsense")
    counted = connections.Connections()
    assert [counted.admit("1.2.3.4") for _ in range(3)] == [True, True, False]
    assert [counted.admit("10.1.1.1") for _ in range(5)] == [True] * 4 + [False]
    counted.leave("10.1.1.1")
    assert counted.admit("2001:db8::/64") and not counted.admit("10.1.1.1") and counted.total() == 6


def test_streams_of_an_address_are_bounded(address, monkeypatch):
    monkeypatch.setattr(gate, "STREAMS_OF_ONE", 2)
    visitor = Visitor(address)
    visitor.open()
    stream = f"{address}gradio_api/heartbeat/{visitor.session}"
    with visitor.client.stream("GET", stream), visitor.client.stream("GET", stream):
        assert visitor.client.get(stream).status_code == 429
    assert until(lambda: visitor.join(0, []).status_code == 200)


def test_an_upgrade_is_no_way_around_it(address):
    asked = b"GET /gradio_api/queue/data HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    asked += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    for _ in range(3):
        with contextlib.closing(wire(address, asked)) as connection:
            assert b"101 Switching" not in connection.recv(1000)
    assert until(lambda: OPEN["127.0.0.1"] == 0)


def test_an_open_page_and_its_stream_are_not_closed(address, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    visitor = Visitor(address)
    visitor.open()
    stream = f"{address}gradio_api/heartbeat/{visitor.session}"
    with visitor.client.stream("GET", stream) as answer:
        time.sleep(1)
        assert OPEN["127.0.0.1"] >= 1 and not answer.is_closed


def test_a_body_in_drops_is_refused(address, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE", 0.6)
    uploading = POST.replace(b"queue/join", b"upload").replace(b"application/json", b"multipart/form-data; boundary=x")
    begun = b"--x\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n"
    for head, body in ((POST, b""), (uploading, begun)):
        with contextlib.closing(wire(address, head + b"Content-Length: 100000\r\n\r\n" + body)) as connection:
            with contextlib.suppress(OSError):
                for _ in range(30):
                    connection.sendall(b" ")
                    time.sleep(0.1)
            connection.settimeout(5)
            assert b"408" in connection.recv(200)


def test_unfinished_bodies_take_little_memory(address, monkeypatch):
    monkeypatch.setattr(bodies, "ARRIVING_OF_ONE", 1_000_000)
    head = POST + b"Content-Length: 900000\r\n\r\n"
    with contextlib.closing(wire(address, head, b"a" * 800_000)):
        time.sleep(0.5)
        with contextlib.closing(wire(address, head, b"a" * 800_000)) as second:
            assert b"429" in second.recv(200)
    monkeypatch.undo()
    time.sleep(0.3)
    assert Visitor(address).join(0, []).status_code == 200


@pytest.mark.parametrize("depth", [90, 900, 930, 960, 975, 985, 990, 995, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_json_is_refused_without_a_failure(address, capfd, depth, opening):
    deep = opening * depth + "1" + ("]" if opening == "[" else "}") * depth
    visitor = Visitor(address)
    for body in (deep, f'{{"fn_index": 1, "session_hash": "{secrets.token_hex(8)}", "data": [{deep}]}}'):
        for route in ("queue/join", "call/verify", "call/search_samples", "cancel", "reset"):
            answer = visitor.client.post(
                f"{address}gradio_api/{route}", content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code < 500, (route, answer.status_code)
    time.sleep(0.3)
    assert "Traceback" not in capfd.readouterr().err


def test_compressed_bodies_are_not_unpacked(address):
    packed = gzip.compress(b"[" + b"0," * 20_000_000 + b"0]")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = httpx.post(f"{address}gradio_api/queue/join", content=packed, headers=headers, trust_env=False)
    assert answer.status_code == 400


def test_ids_of_uploads_are_not_kept_for_ever(address, monkeypatch):
    monkeypatch.setattr(uploads, "TRACKED", 5)
    tracked = routes.file_upload_statuses
    for _ in range(12):
        given = {"files": ("a.png", drawn("frontal"))}
        httpx.post(f"{address}gradio_api/upload?upload_id={secrets.token_hex(8)}", files=given, trust_env=False)
        with contextlib.suppress(httpx.TimeoutException):
            httpx.get(
                f"{address}gradio_api/upload_progress?upload_id={secrets.token_hex(8)}", trust_env=False, timeout=0.2
            )
    assert len(tracked._statuses) <= 5
    assert until(lambda: len(tracked._signals) <= 5)


def test_a_stream_of_an_invented_session_is_one_message(address, capfd):
    for session in (secrets.token_hex(8), "<script>" + "a" * 100):
        where = f"{address}gradio_api/queue/data"
        answer = httpx.get(where, params={"session_hash": session}, trust_env=False, timeout=10)
        assert "session_not_found" in answer.text and "script" not in answer.text
    assert httpx.get(where, trust_env=False, timeout=10).status_code < 500
    assert "Traceback" not in capfd.readouterr().err


def test_the_page_is_still_there(address):
    assert httpx.get(address, trust_env=False, timeout=30).status_code == 200
