"""Bodies of requests: read within bounds of size and time, and handed on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from demo.common.wire import Message, Receive, Refused, Scope

ARRIVING_OF_ONE, ARRIVING_OF_ALL = 60_000_000, 300_000_000  # bytes of bodies that are not uploads, on their way
PATIENCE = 30  # seconds for the next part of a body
SLOWEST = 4_000  # bytes a second of a body, once PATIENCE has passed: who is slower keeps others out


def count_files(content: object) -> int:
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


async def whole(receive: Receive, limit: int, arriving: Counter[str], client: str) -> bytes:
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


def bounded(receive: Receive, limit: int) -> Receive:
    """`receive` that raises Refused where a body has more than `limit` bytes or comes too slowly."""
    got, began = 0, time.monotonic()

    async def part() -> Message:
        nonlocal got
        message = await _next(receive)
        _check_pace(began, got)
        got += len(message.get("body", b""))
        if got > limit:
            raise Refused(413, f"These photos have more than {limit / 1e6:.0f} MB together; give fewer.")
        return message

    return part


def again(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives a body which was read already."""
    given = False

    async def first_the_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return first_the_body


def resized(scope: Scope, body: bytes) -> Scope:
    """The request with the length of another body."""
    kept = [header for header in scope["headers"] if header[0] not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*kept, (b"content-length", str(len(body)).encode())]}
