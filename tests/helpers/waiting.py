"""Coroutines in tests: Playwright keeps an event loop running in their thread, so they get a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def wait_for(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, run in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
