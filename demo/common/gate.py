"""What stands between the network and the page: every request passes here first.

Only known hosts, only the routes that the page needs, bodies of a bounded size, the headers that browsers need to keep
the page to itself. A session belongs to the browser that opened it: a cookie that no script can read is part of the id
under which the app knows it, so that whoever learns the id of a page, which stands in addresses, cannot use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio.to_thread
from starlette.responses import Response

from demo.common.bodies import again, count_files, resized, whole
from demo.common.connections import network_of
from demo.common.memory import give_memory_back
from demo.common.page_cache import PageCache
from demo.common.rules import Rules
from demo.common.sessions import EVERY_SECONDS, FULL, Busy, Sessions
from demo.common.upload_door import UploadDoor
from demo.common.uploads import MAX_FILES, sweep
from demo.common.visitor import visitor_or_new
from demo.common.waiting_room import BUSY_PAGE, WaitingRoom
from demo.common.wire import Answer, Receive, Refused, Scope, Send
from sfpn.errors import UserError

API = "/gradio_api/"
READ = (  # what may be read, each with all below it where it ends with a slash
    *("/", "/config", "/config/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/pwa_icon"),
    *("/static/", "/assets/", "/svelte/"),
    *(API + name for name in ("info", "info/", "openapi.json", "app_id", "app_id/", "startup-events", "theme.css")),
    *(API + name for name in ("file=", "heartbeat/", "queue/data", "queue/status", "upload_progress", "call/", "mcp")),
    API + "mcp/",
)
WRITTEN = tuple(API + name for name in ("queue/join", "run/", "api/", "call/", "cancel", "reset", "mcp", "mcp/"))
UPLOAD = API + "upload"
BODY_BYTES = 20_000_000  # of a request that is no upload: photos as texts, a lasso around 100,000 points
LARGE_BYTES = 1_000_000
LARGE_OF_ONE, LARGE_OF_ALL = 4, 16  # of requests that are larger, waiting or at work
STREAMS_OF_ONE = 256  # answers that last, of an address: two for each of its pages, and uploads
SHORTEST_ID = 8  # of a page without cookies, whose id is all that protects it
NO_STREAM = 'data: {"msg": "unexpected_error", "message": "Reload the page.", "session_not_found": true}\n\n'


@dataclass
class Book:
    """What the gate knows of its visitors; Gradio may put up more than one gate for an app, which share it."""

    sessions: Sessions = field(default_factory=Sessions)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    streams: Counter[str] = field(default_factory=Counter)  # answers that last, by address
    arriving: Counter[str] = field(default_factory=Counter)  # bytes of bodies on their way, by address
    large: dict[str, str] = field(default_factory=dict)  # id of an event that brought much: whose address
    uploads: UploadDoor = field(default_factory=UploadDoor)
    queue: WaitingRoom = field(default_factory=WaitingRoom)
    page: PageCache = field(default_factory=PageCache)


class Gate:
    """ASGI middleware around the app of Gradio."""

    def __init__(self, app: Any, rules: Rules, book: Book) -> None:
        self.app, self.rules, self.book, self.sessions = app, rules, book, book.sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "lifespan":
            task = asyncio.create_task(self._sweep(scope["app"]))
            try:
                await self.app(scope, receive, send)
            finally:
                task.cancel()
        elif scope["type"] == "http":
            answer = Answer(send, self.rules.headers())
            try:
                await self._pass(scope, receive, answer)
            except Refused as refused:
                await answer.refuse(refused)
            except Busy as busy:
                await answer.refuse(Refused(429, str(busy)))

    async def _pass(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self.rules.serves(headers.get(b"host", "")):
            raise Refused(421, "This page is not served under that name: its owner can add it with --allowed-host.")
        path, method = _route(scope), scope["method"]
        client = _client(scope)
        visitor, known = visitor_or_new(headers.get(b"cookie", ""))
        if method in ("GET", "HEAD") and _listed(path, READ):
            if path == "/":
                if not known:
                    answer.cookie(visitor, self.rules.secure or scope.get("scheme") == "https")
                if method == "GET" and (place := self.book.queue.place(visitor, self.sessions.full(scope["app"]))):
                    page = BUSY_PAGE.format(place=place, words=FULL)
                    await answer.text(503, page, b"text/html; charset=utf-8")
                    return
            await self._read(scope, receive, answer, path, visitor if known else "", client)
        elif method == "POST" and path == UPLOAD:
            await self.book.uploads.take(self.app, scope, receive, answer, client, self.rules.upload_bytes)
        elif method == "POST" and _listed(path, WRITTEN):
            await self._write(scope, receive, answer, path, visitor if known else "", client)
        elif method == "DELETE" and _listed(path, (API + "mcp", API + "mcp/")):
            await self.app(scope, receive, answer)
        else:
            raise Refused(403, "This is not part of the page.")

    async def _read(self, scope: Scope, receive: Receive, answer: Answer, path: str, visitor: str, client: str) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if path.startswith(API + "file="):
            found = await self._file(scope, path[len(API + "file=") :], visitor)
            if isinstance(found, Response):
                await found(scope, receive, answer)
                return
            scope = found
        if path == API + "queue/data":
            named = [(name, self._named(value, visitor) if name == "session_hash" else value) for name, value in query]
            scope = {**scope, "query_string": urlencode(named).encode()}
            pending = scope["app"].get_blocks()._queue.pending_messages_per_session
            if not any(name == "session_hash" and value in pending for name, value in named):
                await answer.text(200, NO_STREAM, b"text/event-stream")
                return
        elif path.startswith(API + "heartbeat/"):
            given = path[len(API + "heartbeat/") :]
            session = self._named(given, visitor)
            await self._beat(_at(scope, given, session), receive, answer, session, client)
            return
        if path not in (API + "queue/data", API + "upload_progress"):
            await self.book.page.answer(self.app, scope, receive, answer, path)
            return
        with self._streaming(client):
            await self.app(scope, receive, answer)

    @contextlib.contextmanager
    def _streaming(self, client: str) -> Iterator[None]:
        """Count an answer that lasts. Raises Busy where its address has enough of them."""
        if self.book.streams[client] >= STREAMS_OF_ONE:
            raise Busy("Busy: too many pages are open from your address. Close some of them.")
        self.book.streams[client] += 1
        try:
            yield
        finally:
            self.book.streams[client] -= 1
            if not self.book.streams[client]:
                del self.book.streams[client]

    async def _file(self, scope: Scope, given: str, visitor: str) -> Scope | Response:
        """The request for a file that a visitor may read; a small picture is made when it is asked for.

        The answer itself where the picture cannot be kept on the disk. Raises Refused.
        """
        if re.match(r"(?i)[\s/]*[a-z][a-z+.-]*:", given):  # an address of another server, which Gradio would fetch
            raise Refused(403, "This is not part of the page.")
        sets = getattr(scope["app"].get_blocks(), "own_sets", None)
        if sets is None:
            return scope
        if not sets.may_read(given, visitor):
            raise Refused(403, "This is not part of the page.")
        try:
            made = await anyio.to_thread.run_sync(sets.picture_file, given)
        except UserError as error:
            raise Refused(404, str(error)) from error
        if isinstance(made, bytes):
            return Response(made, media_type="image/jpeg")
        return _at(scope, given, str(made)) if made else scope

    async def _beat(self, scope: Scope, receive: Receive, answer: Answer, session: str, client: str) -> None:
        known = await self.sessions.enter(scope["app"], session, client)
        sets = getattr(scope["app"].get_blocks(), "own_sets", None)
        known.open += 1
        if sets:
            sets.page_came(session)
        try:
            with self._streaming(client):
                await self.app(scope, receive, answer)
        finally:
            known.open -= 1
            known.used = time.monotonic()
            if sets and not known.open:
                sets.page_left(session)

    async def _write(
        self, scope: Scope, receive: Receive, answer: Answer, path: str, visitor: str, client: str
    ) -> None:
        body = await whole(receive, BODY_BYTES, self.book.arriving, client)
        if path.startswith(API + "mcp"):
            await self.app(resized(scope, body), again(body, receive), answer)
            return
        try:
            content = json.loads(body)
            files = count_files(content)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "This is not what the page sends.") from error
        if files > MAX_FILES:
            raise Refused(413, f"{files:,} files are too many: give at most {MAX_FILES} at once.")
        if not isinstance(content, dict):
            raise Refused(400, "This is not what the page sends.")
        given = content.get("session_hash")
        if given is not None:
            content["session_hash"] = session = self._named(given, visitor)
            await self.sessions.enter(scope["app"], session, client)
            body = json.dumps(content).encode()
        if path.startswith((API + "queue/join", API + "call/")):
            self.sessions.check_events(scope["app"], content.get("session_hash") or "", client)
        if len(body) <= LARGE_BYTES:
            await self.app(resized(scope, body), again(body, receive), answer)
            return
        waiting = scope["app"].get_blocks()._queue.event_ids_to_events
        self.book.large = {event: owner for event, owner in self.book.large.items() if event in waiting}
        if len(self.book.large) >= LARGE_OF_ALL or list(self.book.large.values()).count(client) >= LARGE_OF_ONE:
            raise Busy("Busy: too many large requests are waiting. Try again in a moment.")
        await self.app(resized(scope, body), again(body, receive), answer.keeping())
        event = answer.kept()
        if isinstance(event, dict):
            self.book.large[str(event.get("event_id"))] = client

    def _named(self, given: object, visitor: str) -> str:
        """The id by which the app knows a session."""
        if not isinstance(given, str) or len(given) > 200 or (not visitor and len(given) < SHORTEST_ID):
            raise Refused(400, "This is not what the page sends.")
        return hmac.new(self.book.secret, f"{visitor}|{given}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[
            :40
        ]

    async def _sweep(self, app: Any) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await anyio.to_thread.run_sync(sweep)
                await self.sessions.sweep(app)
                await anyio.to_thread.run_sync(give_memory_back)
                for names in app.get_blocks().temp_file_sets:  # of uploads, for a sweep that is not in use here
                    names.clear()
            except Exception as error:  # one failure must not end it for good
                print(f"app.py: clearing up failed: {error!r}", flush=True)


def _route(scope: Scope) -> str:
    path, root = scope["path"], (scope.get("root_path") or "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _listed(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or (name.endswith(("/", "=")) and name != "/" and path.startswith(name)) for name in names)


def _client(scope: Scope) -> str:
    """The address that counts as one visitor's."""
    return network_of((scope.get("client") or ("", 0))[0])


def _at(scope: Scope, given: str, session: str) -> Scope:
    path = scope["path"][: len(scope["path"]) - len(given)] + session
    return {**scope, "path": path, "raw_path": path.encode()}
