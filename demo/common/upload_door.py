"""Uploads on their way in: how many and how large, of one address and of all; nothing stays of one that broke off."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import Any

from demo.common.bodies import bounded
from demo.common.uploads import arriving, check_disk, uploaded_bytes
from demo.common.wire import Answer, Receive, Refused, Scope
from sfpn.errors import UserError

UNREAD_BYTES = 400_000_000  # of one address on the disk
UPLOADS_OF_ONE, UPLOADS_OF_ALL = 32, 64  # at a time


class UploadDoor:
    """What is on its way, and what nobody has read yet, by address."""

    def __init__(self) -> None:
        self._on_their_way: Counter[str] = Counter()
        self._unread: dict[str, str] = {}  # path of an upload: whose address

    async def take(self, app: Any, scope: Scope, receive: Receive, answer: Answer, client: str, most: int) -> None:
        """Let `app` take an upload of at most that many bytes. Raises Refused."""
        self._check(client, _stated_bytes(scope, most), most)
        self._on_their_way[client] += 1
        begun: list[str] = []
        token = arriving.set(begun)
        try:
            await app(scope, bounded(receive, most), answer.keeping())
        except OSError as error:
            raise Refused(507, "This computer's disk is full: try again in some minutes.") from error
        finally:
            arriving.reset(token)
            self._on_their_way[client] -= 1
            for path in begun:  # what came whole has been moved to its own place
                with contextlib.suppress(OSError):
                    os.unlink(path)
        paths = answer.kept()
        for path in paths if isinstance(paths, list) else []:
            self._unread[str(path)] = client

    def _check(self, client: str, size: int, most: int) -> None:
        if size > most:
            raise Refused(413, f"These photos have more than {most / 1e6:.0f} MB together; give fewer.")
        if self._on_their_way[client] >= UPLOADS_OF_ONE or self._on_their_way.total() >= UPLOADS_OF_ALL:
            raise Refused(429, "Busy: too many photos are on their way. Try again in a moment.")
        self._unread = {path: owner for path, owner in self._unread.items() if uploaded_bytes([path])}
        own = [path for path, owner in self._unread.items() if owner == client]
        if uploaded_bytes(own) + size > max(UNREAD_BYTES, most):
            raise Refused(429, "Busy: many of your photos wait to be read already. Try again in some minutes.")
        try:
            check_disk(size)
        except (UserError, OSError) as error:
            words = str(error) if isinstance(error, UserError) else "This computer's disk is full."
            raise Refused(507, words) from error


def _stated_bytes(scope: Scope, most: int) -> int:
    """The length that a request states; the most that it may have where it states none."""
    stated = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
    return int(stated) if stated.isdecimal() else most
