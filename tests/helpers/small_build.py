"""`python -m data_tools build` with small shards and a detector that needs no network, for builds by several processes.

BUILD_FAULT, in the environment, is what befalls the build. interrupt: Ctrl-C, at the launcher where there is one, while
the second shard is written. kill: the second process is killed at a picture. refuse: it is given another folder.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from data_tools import build as build_module
from data_tools import cli, together
from data_tools.__main__ import main
from data_tools.annotate import annotate
from helpers.data_tools_layouts import FAKE

ROWS = 20  # per shard
FAULT, RANK = os.environ.get("BUILD_FAULT"), os.environ.get("RANK")
LONG_SECONDS = 60.0  # more than a signal takes to come back
Items = list[Any]


def save_or_interrupt(rows: Items, file: Path) -> None:
    """Save a shard; at the second one, interrupt the launcher as a terminal does, which interrupts its processes."""
    if file.stem.endswith("1"):
        os.kill(os.getppid() if RANK else os.getpid(), signal.SIGINT)
        time.sleep(LONG_SECONDS)
    SAVE(rows, file)


def annotate_or_die(item: Any, **options: Any) -> Any:
    """Annotate a picture; die at one of the second process's."""
    if item.path.startswith("p6/"):
        os.kill(os.getpid(), signal.SIGKILL)
    return annotate(item, **options)


SAVE = build_module.save_shard

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background command is started without
    build_module.ROWS_PER_SHARD = ROWS
    together.ITEMS_PER_BLOCK = 3
    cli.mtcnn = lambda **_: FAKE
    if FAULT == "interrupt":
        build_module.save_shard = save_or_interrupt
    if RANK == "1" and FAULT == "kill":
        build_module.annotate = annotate_or_die
    if RANK == "1" and FAULT == "refuse":
        sys.argv[3] += "-elsewhere"
    sys.exit(main())
