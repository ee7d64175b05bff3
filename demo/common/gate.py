"""What stands between the network and the page: every request passes here first.

Only known hosts, only the routes that the page needs, bodies of a bounded size, the headers that browsers need to keep
the page to itself. A session belongs to the browser that opened it: a cookie that no script can read is part of the id
under which the app knows it, so that whoever learns the id of a page, which stands in addresses, cannot use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import hmac
import ipaddress
import json
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio.to_thread
from starlette.responses import Response

from demo.common.connections import network_of
from demo.common.own_sets import COOKIE, COOKIE_FORM
from demo.common.page_cache import PageCache
from demo.common.sessions import EVERY_SECONDS, FULL, Busy, Sessions
from demo.common.uploads import MAX_FILES, arriving, check_disk, sweep, uploaded_bytes
from sfpn.errors import UserError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

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
UPLOAD_BYTES = 130_000_000  # of one request, which may bring both sides; more where sets may be larger
UNREAD_BYTES = 400_000_000  # of one address on the disk
UPLOADS_OF_ONE, UPLOADS_OF_ALL = 32, 64  # at a time
STREAMS_OF_ONE = 256  # answers that last, of an address: two for each of its pages, and uploads
ARRIVING_OF_ONE, ARRIVING_OF_ALL = 60_000_000, 300_000_000  # bytes of bodies that are not uploads, on their way
PATIENCE = 30  # seconds for the next part of a body
SLOWEST = 4_000  # bytes a second of a body, once PATIENCE has passed: who is slower keeps others out
SHORTEST_ID = 8  # of a page without cookies, whose id is all that protects it
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
BUSY_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width"><title>Busy</title>
<body style="font: 1.1rem system-ui; margin: 15vh auto; max-width: 32rem; padding: 0 1rem">
<h1>Busy: place {place} in the queue</h1><p>{words} This page looks again every ten seconds.</p></body></html>"""
NO_STREAM = 'data: {"msg": "unexpected_error", "message": "Reload the page.", "session_not_found": true}\n\n'
SELF = "'self'"
WAITS_SECONDS = 30  # since somebody in the queue last asked


@dataclass(frozen=True)
class Rules:
    """Host names by which the page is served, whether by any IP address too, who may show it in a frame, and so on."""

    hosts: frozenset[str] = LOOPBACK
    addresses: bool = False
    frames: tuple[str, ...] = ()
    loads_from: tuple[str, ...] = ()  # other servers that the page may ask for files, e.g. a CDN
    secure: bool = False  # the page is reached over https, maybe inside another one's frame
    upload_bytes: int = UPLOAD_BYTES  # of one request

    def serves(self, host: str) -> bool:
        """Whether a Host header names this page; a page elsewhere may have made its own name lead here."""
        name = re.sub(r":\d*$", "", host.strip().lower()).strip("[]").rstrip(".")
        if name in self.hosts:
            return True
        with contextlib.suppress(ValueError):
            return bool(ipaddress.ip_address(name)) and self.addresses
        return False

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What each answer says to the browser."""
        policy = (
            "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
            "media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: "
            f"blob:{''.join(f' {each}' for each in self.loads_from)}; "
            "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
            f"frame-ancestors {' '.join((SELF, *self.frames))}"
        )
        return [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(self), microphone=(), geolocation=(), payment=(), usb=()"),
            (b"content-security-policy", policy.encode()),
        ]


class Refused(Exception):
    """(status, sentence)"""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass
class Book:
    """What the gate knows of its visitors; Gradio may put up more than one gate for an app, which share it."""

    sessions: Sessions = field(default_factory=Sessions)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    uploading: Counter[str] = field(default_factory=Counter)  # by address
    streams: Counter[str] = field(default_factory=Counter)  # answers that last, by address
    arriving: Counter[str] = field(default_factory=Counter)  # bytes of bodies on their way, by address
    unread: dict[str, str] = field(default_factory=dict)  # path of an upload: whose address
    large: dict[str, str] = field(default_factory=dict)  # id of an event that brought much: whose address
    queue: dict[str, tuple[float, float]] = field(default_factory=dict)  # visitor: when they first and last asked
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
            answer = _Answer(send, self.rules.headers())
            try:
                await self._pass(scope, receive, answer)
            except Refused as refused:
                await answer.refuse(refused)
            except Busy as busy:
                await answer.refuse(Refused(429, str(busy)))

    async def _pass(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self.rules.serves(headers.get(b"host", "")):
            raise Refused(421, "This page is not served under that name: its owner can add it with --allowed-host.")
        path, method = _route(scope), scope["method"]
        client = _client(scope)
        visitor, known = _visitor(headers)
        if method in ("GET", "HEAD") and _listed(path, READ):
            if path == "/":
                if not known:
                    answer.cookie(visitor, self.rules.secure or scope.get("scheme") == "https")
                if method == "GET" and await self._busy(scope["app"], visitor, answer):
                    return
            await self._read(scope, receive, answer, path, visitor if known else "", client)
        elif method == "POST" and path == UPLOAD:
            await self._upload(scope, receive, answer, headers, client)
        elif method == "POST" and _listed(path, WRITTEN):
            await self._write(scope, receive, answer, path, visitor if known else "", client)
        elif method == "DELETE" and _listed(path, (API + "mcp", API + "mcp/")):
            await self.app(scope, receive, answer)
        else:
            raise Refused(403, "This is not part of the page.")

    async def _busy(self, app: Any, visitor: str, answer: _Answer) -> bool:
        """Whether the page has no room; then the visitor is told so, and their place among those who wait."""
        now = time.monotonic()
        self.book.queue = {name: (a, b) for name, (a, b) in self.book.queue.items() if now - b < WAITS_SECONDS}
        if not self.sessions.full(app):
            self.book.queue.pop(visitor, None)
            return False
        first, _ = self.book.queue.get(visitor, (now, now))
        if visitor in self.book.queue or len(self.book.queue) < 10_000:
            self.book.queue[visitor] = first, now
        place = sum(began < first for began, _ in self.book.queue.values()) + 1
        await answer.text(503, BUSY_PAGE.format(place=place, words=FULL), b"text/html; charset=utf-8")
        return True

    async def _read(
        self, scope: Scope, receive: Receive, answer: _Answer, path: str, visitor: str, client: str
    ) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if path.startswith(API + "file="):
            found = await self._file(scope, path[len(API + "file=") :], visitor)
            if isinstance(found, Response):
                await found(scope, receive, answer)
                return
            scope = found
        if path.startswith(API + "file=") and re.match(r"(?i)[\s/]*[a-z][a-z+.-]*:", path[len(API + "file=") :]):
            raise Refused(403, "This is not part of the page.")
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

        The answer itself where the picture cannot be kept on the disk.
        """
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

    async def _beat(self, scope: Scope, receive: Receive, answer: _Answer, session: str, client: str) -> None:
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
        self, scope: Scope, receive: Receive, answer: _Answer, path: str, visitor: str, client: str
    ) -> None:
        body = await _whole(receive, BODY_BYTES, self.book.arriving, client)
        if path.startswith(API + "mcp"):
            await self.app(_resized(scope, body), _again(body, receive), answer)
            return
        try:
            content = json.loads(body)
            files = _count_files(content)
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
            await self.app(_resized(scope, body), _again(body, receive), answer)
            return
        waiting = scope["app"].get_blocks()._queue.event_ids_to_events
        self.book.large = {event: owner for event, owner in self.book.large.items() if event in waiting}
        if len(self.book.large) >= LARGE_OF_ALL or list(self.book.large.values()).count(client) >= LARGE_OF_ONE:
            raise Busy("Busy: too many large requests are waiting. Try again in a moment.")
        await self.app(_resized(scope, body), _again(body, receive), answer.keeping())
        event = answer.kept()
        if isinstance(event, dict):
            self.book.large[str(event.get("event_id"))] = client

    async def _upload(
        self, scope: Scope, receive: Receive, answer: _Answer, headers: dict[bytes, str], client: str
    ) -> None:
        length = headers.get(b"content-length", "")
        most = self.rules.upload_bytes
        size = int(length) if length.isdecimal() else most
        if size > most:
            raise Refused(413, f"These photos have more than {most / 1e6:.0f} MB together; give fewer.")
        if self.book.uploading[client] >= UPLOADS_OF_ONE or sum(self.book.uploading.values()) >= UPLOADS_OF_ALL:
            raise Refused(429, "Busy: too many photos are on their way. Try again in a moment.")
        self.book.unread = {path: owner for path, owner in self.book.unread.items() if uploaded_bytes([path])}
        own = [path for path, owner in self.book.unread.items() if owner == client]
        if uploaded_bytes(own) + size > max(UNREAD_BYTES, most):
            raise Refused(429, "Busy: many of your photos wait to be read already. Try again in some minutes.")
        try:
            check_disk(size)
        except (UserError, OSError) as error:
            raise Refused(
                507, str(error) if isinstance(error, UserError) else "This computer's disk is full."
            ) from error
        self.book.uploading[client] += 1
        begun: list[str] = []
        token = arriving.set(begun)
        try:
            await self.app(scope, _bounded(receive, most), answer.keeping())
        except OSError as error:
            raise Refused(507, "This computer's disk is full: try again in some minutes.") from error
        finally:
            arriving.reset(token)
            self.book.uploading[client] -= 1
            for path in begun:  # what came whole has been moved to its own place
                with contextlib.suppress(OSError):
                    os.unlink(path)
        paths = answer.kept()
        for path in paths if isinstance(paths, list) else []:
            self.book.unread[str(path)] = client

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
                if await self.sessions.sweep(app):
                    await anyio.to_thread.run_sync(give_memory_back)
                for names in app.get_blocks().temp_file_sets:  # of uploads, for a sweep that is not in use here
                    names.clear()
            except Exception as error:  # one failure must not end it for good
                print(f"app.py: clearing up failed: {error!r}", flush=True)


def give_memory_back() -> None:
    """Return what was freed to the system, where its C library (glibc) can: it would keep it for itself."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class _Answer:
    """`send`, with the security headers on each answer, and maybe a cookie."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers, self.started = send, headers, False
        self._kept: bytearray | None = None

    def cookie(self, visitor: str, secure: bool) -> None:
        """Give the visitor their secret."""
        kind = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
        self._headers = [*self._headers, (b"set-cookie", f"{COOKIE}={visitor}; Path=/; HttpOnly; {kind}".encode())]

    def keeping(self) -> _Answer:
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


def _route(scope: Scope) -> str:
    path, root = scope["path"], (scope.get("root_path") or "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _listed(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or (name.endswith(("/", "=")) and name != "/" and path.startswith(name)) for name in names)


def _client(scope: Scope) -> str:
    """The address that counts as one visitor's."""
    return network_of((scope.get("client") or ("", 0))[0])


def _visitor(headers: dict[bytes, str]) -> tuple[str, bool]:
    """The visitor's secret, a new one if they have none, and whether they had it."""
    with contextlib.suppress(CookieError):
        morsel = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
        if morsel and COOKIE_FORM.fullmatch(morsel.value):
            return morsel.value, True
    return secrets.token_urlsafe(32), False


def _at(scope: Scope, given: str, session: str) -> Scope:
    path = scope["path"][: len(scope["path"]) - len(given)] + session
    return {**scope, "path": path, "raw_path": path.encode()}


def _count_files(content: object) -> int:
    """How many files a request names: Gradio looks at each of them before any handler can count."""
    count, waiting = 0, [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            count += "path" in part
            waiting.extend(value for value in part.values() if isinstance(value, (dict, list)))
        elif isinstance(part, list):
            waiting.extend(value for value in part if isinstance(value, (dict, list)))
    return count


async def _next(receive: Receive) -> Message:
    try:
        return await asyncio.wait_for(receive(), PATIENCE)
    except (TimeoutError, asyncio.TimeoutError) as error:
        raise Refused(408, "The request did not come to its end.") from error


def _check_pace(began: float, got: int) -> None:
    """Raise Refused for a body that comes in drops."""
    if got < SLOWEST * (time.monotonic() - began - PATIENCE):
        raise Refused(408, "The request came too slowly.")


async def _whole(receive: Receive, limit: int, arriving: Counter[str], client: str) -> bytes:
    """The body of a request; `arriving` counts the bytes of all that are on their way, by address."""
    body, more, began = bytearray(), True, time.monotonic()
    try:
        while more:
            message = await _next(receive)
            part = message.get("body", b"")
            more = message.get("more_body", False) and message["type"] != "http.disconnect"
            if len(body) + len(part) > limit:
                raise Refused(413, f"This is more than {limit / 1e6:.0f} MB: choose less at once.")
            if arriving[client] + len(part) > ARRIVING_OF_ONE or arriving.total() + len(part) > ARRIVING_OF_ALL:
                raise Refused(429, "Busy: too much is on its way already. Try again in a moment.")
            _check_pace(began, len(body))
            body += part
            arriving[client] += len(part)
        return bytes(body)
    finally:
        arriving[client] -= len(body)
        if not arriving[client]:
            del arriving[client]


def _bounded(receive: Receive, limit: int) -> Receive:
    got, began = 0, time.monotonic()

    async def bounded() -> Message:
        nonlocal got
        message = await _next(receive)
        _check_pace(began, got)
        got += len(message.get("body", b""))
        if got > limit:
            raise Refused(413, f"These photos have more than {limit / 1e6:.0f} MB together; give fewer.")
        return message

    return bounded


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _resized(scope: Scope, body: bytes) -> Scope:
    kept = [header for header in scope["headers"] if header[0] not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*kept, (b"content-length", str(len(body)).encode())]}
