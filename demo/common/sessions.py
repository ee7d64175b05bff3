"""Who is here, and that nothing of a visitor stays once they have left: photos, results, messages, unfinished work.

A session is one opened page. It is open while its heartbeat lasts, which the page keeps up by itself. All of it goes
LEFT_SECONDS after that ended, or UNUSED_SECONDS after the last thing done on a page that was only left open. Sessions
that nobody can have opened (no heartbeat, nothing to do) give way to others, first those of whoever has most of them.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
from gradio import caching
from gradio.utils import cancel_tasks

LEFT_SECONDS = 300
UNUSED_SECONDS = 7200
EVERY_SECONDS = 5
PAGES = 128  # open at once
PAGES_OF_ONE = 64  # from one address; a class or a company may share one
EVENTS = 40  # of one session, waiting or at work: another dataset changes about twenty things at once
EVENTS_OF_ONE = 200  # of one address
EVENTS_OF_ALL = 500
FULL = "Busy: as many pages are open as this app can serve. Try again in some minutes."
TOO_MANY_PAGES = "Busy: too many pages are open from your address. Close some of them."
TOO_MANY_EVENTS = "Busy: this page has {} requests waiting already. Wait for them."


@dataclass
class Session:
    """When it was last used, from which address, and how many heartbeats it has."""

    client: str
    used: float = field(default_factory=time.monotonic)
    open: int = 0


class Busy(Exception):
    """There is no room; the message is for the visitor."""


class Sessions:
    """All sessions of one running app (gradio.routes.App), by the ids that it knows them by."""

    def __init__(self) -> None:
        self.known: dict[str, Session] = {}
        self._forgotten = 0
        self._strays: dict[str, float] = {}  # ids that no page has: when they were first seen

    async def enter(self, app: Any, session: str, client: str) -> Session:
        """The session, which is new here or used again. Raises Busy."""
        if session not in self.known:
            if sum(known.client == client for known in self.known.values()) >= PAGES_OF_ONE:
                await self._make_room(app, [client], TOO_MANY_PAGES)
            if len(self.known) >= PAGES:
                clients = Counter(known.client for known in self.known.values())
                await self._make_room(app, [name for name, _ in clients.most_common()], FULL)
            self.known[session] = Session(client)
        found = self.known[session]
        found.used = time.monotonic()
        return found

    def full(self, app: Any) -> bool:
        """Whether a new page has no room."""
        return len(self.known) >= PAGES and all(self._in_use(app, name) for name in self.known)

    def check_events(self, app: Any, session: str, client: str) -> None:
        """Raise Busy if a session, an address or all of them have enough to wait for."""
        waiting = [event.session_hash for event in app.get_blocks()._queue.event_ids_to_events.values()]
        own = waiting.count(session)
        if own >= EVENTS:
            raise Busy(TOO_MANY_EVENTS.format(own))
        of_client = sum(name in self.known and self.known[name].client == client for name in waiting)
        if of_client >= EVENTS_OF_ONE or len(waiting) >= EVENTS_OF_ALL:
            raise Busy(f"Busy: {len(waiting)} requests are waiting already. Try again in some minutes.")

    def _in_use(self, app: Any, session: str) -> bool:
        events = app.get_blocks()._queue.event_ids_to_events.values()
        return self.known[session].open > 0 or any(event.session_hash == session for event in events)

    async def _make_room(self, app: Any, clients: list[str], words: str) -> None:
        for client in clients:
            own = [name for name, known in self.known.items() if known.client == client]
            idle = [name for name in own if not self._in_use(app, name)]
            if idle:
                await self.forget(app, min(idle, key=lambda name: self.known[name].used))
                return
        raise Busy(words)

    async def sweep(self, app: Any) -> bool:
        """Forget those who have left; whether there were any."""
        now, before = time.monotonic(), self._forgotten
        for name, session in list(self.known.items()):
            if now - session.used > (UNUSED_SECONDS if self._in_use(app, name) else LEFT_SECONDS):
                await self.forget(app, name)
        queue = app.get_blocks()._queue
        working = {event.session_hash for event in queue.event_ids_to_events.values()}
        everywhere = {*app.state_holder.session_data, *list(queue.pending_messages_per_session.keys())}
        strays = everywhere - set(self.known) - working
        self._strays = {name: self._strays.get(name, now) for name in strays}
        for name in [name for name, seen in self._strays.items() if now - seen > LEFT_SECONDS]:
            await self.forget(app, name)
        return self._forgotten > before

    async def forget(self, app: Any, session: str) -> None:
        """End its work and drop all that the process has of it."""
        blocks = app.get_blocks()
        queue = blocks._queue
        await queue.clean_events(session_hash=session)
        await cancel_tasks({f"{session}_{number}" for number in blocks.fns})
        app.state_holder.session_data.pop(session, None)
        app.state_holder.time_last_used.pop(session, None)
        for event_id in [i for i, event in queue.event_ids_to_events.items() if event.session_hash == session]:
            queue.event_ids_to_events.pop(event_id, None)
        for held in (
            queue.pending_messages_per_session,
            queue.pending_event_ids_session,
            blocks.pending_streams,
            blocks.pending_diff_streams,
            self.known,
            self._strays,
        ):
            held.pop(session, None)
        caching.clear_session_caches(session)
        for name in ("own_sets", "own_models"):
            if brought := getattr(blocks, name, None):
                await anyio.to_thread.run_sync(brought.close, session)
        self._forgotten += 1
