"""Requests and answers as the server hands them on (ASGI): what they are called, an answer, and a refusal."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from demo.common.visitor import COOKIE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Refused(Exception):
    """(status, sentence)"""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Answer:
    """`send`, with the security headers on each answer, and maybe a cookie."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers, self.started = send, headers, False
        self._kept: bytearray | None = None

    def cookie(self, visitor: str, secure: bool) -> None:
        """Give the visitor their secret."""
        kind = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
        self._headers = [*self._headers, (b"set-cookie", f"{COOKIE}={visitor}; Path=/; HttpOnly; {kind}".encode())]

    def keeping(self) -> Answer:
        """Itself, with a copy of what it sends."""
        self._kept = bytearray()
        return self

    def kept(self) -> Any:
        """The JSON that was sent, None if it was none."""
        try:
            return json.loads(bytes(self._kept or b"null"))
        except ValueError:
            return None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            ours = {name for name, _ in self._headers if name != b"set-cookie"}
            kept = [header for header in message.get("headers", []) if header[0].lower() not in ours]
            message = {**message, "headers": [*kept, *self._headers]}
        elif self._kept is not None and len(self._kept) < 1_000_000:
            self._kept += message.get("body", b"")
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """One sentence, as the page shows it."""
        if not self.started:
            await self.text(refused.status, json.dumps({"detail": refused.words}), b"application/json")

    async def text(self, status: int, words: str, kind: bytes) -> None:
        """A whole answer."""
        body = words.encode()
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if status in (429, 503):
            headers.append((b"retry-after", b"10"))
        if status == 413:  # the rest of the body is not read
            headers.append((b"connection", b"close"))
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})
