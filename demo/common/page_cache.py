"""The page itself, made once: it is the same for all visitors who reach it by the same address.

Gradio copies and writes its whole configuration for each visitor who opens the page, which is much of what a page
costs. Only what it says to a plain request is kept, a few forms of it, and never a header that names a visitor.
It is kept gzipped for browsers that unpack, which are nearly all: Gradio packs its files, but not the page (650 kB).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.middleware.gzip import GZipMiddleware

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Key = tuple[Any, ...]

SAME_FOR_ALL = ("/", "/config")
ADDRESSED_BY = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")  # the page holds its address
READ_LATER = {"pair", "sample", "cell", "model", "__theme"}  # parameters that do not change the page itself
FORMS = 8
LARGEST = 20_000_000  # bytes


class PageCache:
    """The answers of an app to requests for its page, by the address that it was asked by."""

    def __init__(self) -> None:
        self._kept: dict[Key, list[Message]] = {}

    async def answer(self, app: Any, scope: MutableMapping[str, Any], receive: Any, send: Send, path: str) -> None:
        """Answer a GET or HEAD of a route as the app would."""
        key = _key(scope, path)
        if key is None:
            await app(scope, receive, send)
            return
        if key not in self._kept:
            messages: list[Message] = []

            async def keep(message: Message) -> None:
                messages.append(message)

            packed = key[1]
            await (GZipMiddleware(app, compresslevel=6) if packed else app)(scope, receive, keep)
            if not _is_whole_page(messages):
                for message in messages:
                    await send(message)
                return
            while len(self._kept) >= FORMS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = messages
        for message in self._kept[key]:
            await send({**message})


def _key(scope: MutableMapping[str, Any], path: str) -> Key | None:
    """By what the answer can differ; None for requests whose answer is not kept."""
    if scope["method"] != "GET" or path not in SAME_FOR_ALL:
        return None
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not READ_LATER.issuperset(name for name, _ in asked):
        return None
    headers = tuple((name, value) for name, value in scope["headers"] if name in ADDRESSED_BY)
    packed = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
    return path, packed, scope.get("scheme"), scope.get("root_path", ""), scope.get("server"), headers


def _is_whole_page(messages: list[Message]) -> bool:
    """Whether it is worth keeping: found, complete, bounded, and without a cookie."""
    if not messages or messages[0].get("status") != 200 or messages[-1].get("more_body"):
        return False
    named = {name.lower() for name, _ in messages[0].get("headers", ())}
    return b"set-cookie" not in named and sum(len(m.get("body", b"")) for m in messages) <= LARGEST
