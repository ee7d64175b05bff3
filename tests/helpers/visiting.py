"""A visitor of the running app: what a browser sends for one page, over HTTP."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

META = {"_type": "gradio.FileData"}


@dataclass
class Visitor:
    """A browser: its cookies, and one page."""

    address: str
    session: str = field(default_factory=lambda: secrets.token_hex(6))
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def open(self) -> httpx.Response:
        return self.client.get(self.address)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(f"{self.address}{path}", **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.client.post(f"{self.address}gradio_api/{path}", json=body, **more)

    def upload(self, photo: bytes = b"", name: str = "a.png") -> dict:
        answer = self.client.post(f"{self.address}gradio_api/upload", files=[("files", (name, photo))])
        answer.raise_for_status()
        return {"path": answer.json()[0], "meta": META}

    def join(self, number: int, data: list, session: str | None = None, **more: Any) -> httpx.Response:
        return self.post(
            "queue/join", {"fn_index": number, "data": data, "session_hash": session or self.session, **more}
        )

    def messages(self, session: str | None = None) -> Iterator[dict]:
        """What the queue says, until all that was asked for is answered."""
        where = f"{self.address}gradio_api/queue/data"
        with self.client.stream("GET", where, params={"session_hash": session or self.session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] in ("process_completed", "unexpected_error"):
                        return

    def ask(self, number: int, data: list, session: str | None = None, **more: Any) -> dict:
        """The last message about it."""
        assert self.join(number, data, session, **more).status_code == 200
        return list(self.messages(session))[-1]

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """The page is open meanwhile."""
        with self.client.stream("GET", f"{self.address}gradio_api/heartbeat/{self.session}") as stream:
            lines = stream.iter_lines()
            next(lines)
            yield
            lines.close()


def handler_of(config: dict, component: str, event: str) -> dict:
    """The first that the server runs at an event of the component with this elem_id, in the app's configuration."""
    number = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == component)
    first = next(h for h in config["dependencies"] if [number, event] in [list(t) for t in h["targets"]])
    after = (h for h in config["dependencies"] if h["trigger_after"] == first["id"])
    return first if first["backend_fn"] else next(after)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
