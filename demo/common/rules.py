"""Under which names the page is served, in whose frames, and what its answers allow browsers to do."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from dataclasses import dataclass

UPLOAD_BYTES = 130_000_000  # of one request, which may bring both sides; more where sets may be larger
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SELF = "'self'"


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
