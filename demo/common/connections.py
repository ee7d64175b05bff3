"""Connections to the app, before any request: how many an address may have, and how long they may say nothing.

The server that Gradio starts waits for ever for a request that somebody only begins, or never reads, and each such
connection takes a descriptor: a few thousand of them would shut everybody else out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from collections import Counter
from functools import lru_cache
from typing import Any

from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

REQUEST_SECONDS = 20  # for the head of a request, from the connection or from the answer before on
CONNECTIONS_OF_ONE = 512  # of an address: 64 pages with six each, as browsers open them, and some
CONNECTIONS_OF_ALL = 4096
PROXIES, LOOPBACK = "FORWARDED_ALLOW_IPS", "127.0.0.1"  # the server's own setting, and its default


class Connections(Counter[str]):
    """How many each address has open."""

    def admit(self, address: str) -> bool:
        """Count one more, unless there are enough; a proxy, which speaks for many, is bounded by the total alone."""
        if self.total() >= CONNECTIONS_OF_ALL:
            return False
        if self[address] >= CONNECTIONS_OF_ONE and not is_proxy(address, os.environ.get(PROXIES, LOOPBACK)):
            return False
        self[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count one less."""
        self[address] -= 1
        if self[address] <= 0:
            del self[address]


OPEN = Connections()


@lru_cache(maxsize=256)
def is_proxy(address: str, proxies: str) -> bool:
    """Whether an address is one of those, separated by commas, that may say on whose behalf they ask; *: all are."""
    with contextlib.suppress(ValueError):
        own = ipaddress.ip_network(address, strict=False)
        for name in map(str.strip, proxies.split(",")):
            if name == "*":
                return True
            with contextlib.suppress(ValueError):
                network = ipaddress.ip_network(name, strict=False)
                if own.version == network.version and own.overlaps(network):
                    return True
    return False


def network_of(host: str) -> str:
    """The address that counts as one visitor's; of IPv6 the network, which has billions of them."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.version == 6:
            return str(ipaddress.ip_network(f"{host}/64", strict=False))
    return host


class BoundedProtocol(AutoHTTPProtocol):
    """The server's own, but connections beyond the bound are closed, and those that begin no request in time."""

    loop: asyncio.AbstractEventLoop  # these three are the server's
    transport: asyncio.Transport
    cycle: Any
    _admitted: str | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        peer = transport.get_extra_info("peername")
        address = network_of(str(peer[0])) if peer else ""
        if not OPEN.admit(address):
            transport.abort()
            return
        self._admitted = address
        self.ws_protocol_class = None  # the page has no WebSockets
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._admitted is None:
            return
        OPEN.leave(self._admitted)
        self._admitted = None
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._admitted is None:
            return
        super().data_received(data)
        if self._asked():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """After an answer, the next request has its time too."""
        super().on_response_complete()  # pyright: ignore[reportAttributeAccessIssue]
        if not self._asked():
            self._wait()

    def _asked(self) -> bool:
        """Whether a request is at work."""
        cycle = getattr(self, "cycle", None)
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self._asked() and self._admitted is not None:
            self.transport.abort()


def bound_connections() -> None:
    """Make the server that Gradio starts use it. Call it before the app is launched."""
    if hasattr(AutoHTTPProtocol, "on_response_complete"):  # as h11's and httptools' have
        uvicorn_config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedProtocol.__name__}"
