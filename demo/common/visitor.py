"""Whose a request is: the browser, by a secret in a cookie, and the page, by the id of its session."""

from __future__ import annotations

import contextlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any

COOKIE = "visitor"  # that the gate gives to each browser
COOKIE_FORM = re.compile(r"[A-Za-z0-9_-]{32,64}")
NO_SESSION = "Reload the page: this request belongs to no open page."


def visitor_or_new(cookies: str) -> tuple[str, bool]:
    """The secret in a header of cookies, a new one if there is none, and whether there was one."""
    with contextlib.suppress(CookieError):
        morsel = SimpleCookie(cookies).get(COOKIE)
        if morsel and COOKIE_FORM.fullmatch(morsel.value):
            return morsel.value, True
    return secrets.token_urlsafe(32), False


def visitor_of(request: Any) -> str:
    """The secret of the browser at hand, '' if it sent none."""
    value = (getattr(request, "cookies", None) or {}).get(COOKIE, "")
    return value if COOKIE_FORM.fullmatch(value) else ""


def session_of(request: Any) -> str:
    """The id of the session at hand, '' if there is none."""
    return str(request.session_hash or "") if request else ""


def client_of(request: Any) -> str:
    """The address that a request came from, '' if it is not known."""
    return request.client.host if request and request.client else ""
