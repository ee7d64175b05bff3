"""Work that needs large libraries or much memory, done by a process of its own: at its end all of it is free again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from sfpn.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 0.2  # between looks whether whoever waits was stopped


def run_apart(module: str, *arguments: str) -> None:
    """Wait for `python -m module arguments`, which has this thread's priority and ends if the thread is stopped.

    Raises UserError with the last line that it wrote on stderr if it fails.
    """
    command = [sys.executable, "-m", module, *arguments]
    variables = {"OMP_WAIT_POLICY": "passive"} | os.environ  # its threads do not compute while they wait for each other
    none = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables, text=True, stdin=none, stdout=none, stderr=subprocess.PIPE
    )
    said: str | None = None
    try:
        while said is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, said = process.communicate(timeout=SECONDS)
    finally:
        if said is None:
            process.kill()
            process.communicate()
    if process.returncode:
        last = ((said or "").strip().splitlines() or [f"{module} ended with status {process.returncode}"])[-1]
        raise UserError(last.removeprefix(f"{module}: "))
