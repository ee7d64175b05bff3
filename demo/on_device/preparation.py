"""What the page asks for first: the manifest once everything is there, else in a sentence what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.common.apart import run_apart
from demo.common.pictures import file_address
from demo.examples import Example
from demo.on_device.bundle import make_bundle, manifest
from demo.on_device.runtime import FETCH, VERSION, is_fetched
from sfpn.errors import UserError

ABSENT = (
    f"This tab verifies in your own browser with ONNX Runtime {VERSION}, which is not part of the project and was not "
    "fetched to this computer yet (3.7 MB). Fetch it with the command below, then open this tab again:"
)
UNPREPARED = {"state": "preparing"}


class NotMade(Exception):
    """A network has to be exported, which takes 400 MB: not in this process."""


def _not_here() -> None:
    raise NotMade


class Preparation:
    """Makes the bundle in the background when first asked; `status` never waits."""

    def __init__(self, cache: Path, models: Mapping[str, Path | str], examples: Sequence[Example], cdn: bool) -> None:
        self._cache, self._models, self._examples, self._cdn = cache, models, examples, cdn
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._result: dict[str, Any] = UNPREPARED

    def status(self) -> dict[str, Any]:
        """{"state": "ready", "manifest": ...}, {"state": "preparing"}, or "absent" or "failed" with "words"."""
        if not self._cdn and not is_fetched(self._cache):
            return {"state": "absent", "words": ABSENT, "command": FETCH}
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=(self._make,), daemon=True)
                self._thread.start()
            elif not self._thread.is_alive() and self._result["state"] == "failed":
                result, self._thread = self._result, None  # the next visit tries again
                return result
        return self._result

    def _make(self) -> dict[str, Any]:
        try:
            bundle = make_bundle(self._cache, self._models, self._examples, _not_here)
        except NotMade:
            named = [word for name, weights in self._models.items() for word in ("--named", name, str(weights))]
            run_apart("demo.on_device", "make", "--cache", str(self._cache), *named)
            bundle = make_bundle(self._cache, self._models, self._examples)
        return {"state": "ready", "manifest": manifest(bundle, self._cache, file_address, self._cdn)}

    def _run(self, make: Callable[[], dict[str, Any]]) -> None:
        try:
            self._result = make()
        except UserError as error:
            self._result = {"state": "failed", "words": str(error)}
        except Exception as error:  # in a thread: nobody else would tell the page
            self._result = {"state": "failed", "words": f"The networks cannot be made ready: {error}"}
            raise
