"""One build by several processes, which `accelerate launch` or torchrun started on one machine or several.

Every process enumerates the source for itself and annotates every so many-th block of its items. Only the first one
filters, splits and writes. It asks the others for their blocks one after another, in the order of the source, so that
the bytes are those of one process, no disk need be shared, and memory holds one block beside each process's own work.

Each message is waited for at both ends: nobody runs ahead. A process that has ended breaks the connection, which ends
the others. Only the first one speaks.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import islice
from typing import Any

from data_tools.sources.base import Item, Problem
from data_tools.workers import ordered_map
from sfpn.data.shard import several_processes
from sfpn.errors import UserError

ITEMS_PER_BLOCK = 16
MOST_WAITING = timedelta(days=1)  # for a message: a broken connection ends it at once
COMPUTING = ("numpy", "pillow", "torch")  # packages on whose versions the bytes depend
UNNAMED = ("read", "decided")  # what of an item is not compared: how to read it, and what follows from the settings
FIRST = 0


class Gone(UserError):
    """Another process has ended before its work was done."""


@dataclass(frozen=True)
class Link:
    """Messages between the processes of a launch; of one process, nobody to talk to."""

    index: int = FIRST
    count: int = 1

    @classmethod
    def of_launch(cls) -> Link:
        """This process's place under a launcher. Raises UserError as `several_processes` does."""
        if not several_processes() or int(os.environ["WORLD_SIZE"]) == 1:
            return cls()
        import torch.distributed as distributed

        distributed.init_process_group("gloo", timeout=MOST_WAITING)  # whatever computes, messages are in memory
        link = cls(distributed.get_rank(), distributed.get_world_size())
        if link.index == FIRST:  # a launcher's SIGTERM, when another process has ended, is said as Ctrl-C is
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        return link

    @property
    def others(self) -> range:
        """All processes but the first."""
        return range(FIRST + 1, self.count)

    def send(self, message: Any, to: int) -> None:
        """Returns when the other process takes the message. Raises Gone."""
        from torch.distributed import send_object_list

        self._try(to, send_object_list, [message], to)

    def receive(self, of: int) -> Any:
        """The next message of another process. Raises Gone."""
        from torch.distributed import recv_object_list

        received: list[Any] = [None]
        self._try(of, recv_object_list, received, of)
        return received[0]

    def _try(self, other: int, call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except RuntimeError as error:
            raise Gone(
                f"the process of rank {other} has ended before its work was done: mend what it says, "
                "and repeat the command with --resume"
            ) from error


@dataclass(frozen=True)
class Work:
    """What there is to annotate, as one process sees it."""

    settings: dict[str, Any]  # what must be equal in all processes
    step: Callable[[Any], Any]  # annotates one item
    items: Callable[[int], Iterator[Item | Problem]]  # those of the source, after so many
    workers: int  # of this process


@dataclass(frozen=True)
class Task:
    """From the first process to the others at the start."""

    settings: dict[str, Any]
    skip: int  # items that an interrupted build has done


@dataclass(frozen=True)
class Mark:
    """How far a process has come in the source: equal where all see the same."""

    items: int = 0
    digest: bytes = b""  # SHA-256 of all that the items are named


@dataclass(frozen=True)
class Block:
    """From another process to the first: what has become of a block's items; None after the last block."""

    mark: Mark
    results: list[Any] | None = None


@dataclass(frozen=True)
class Failed:
    """From another process to the first, in place of a block: a sentence for the user."""

    why: str
    host: str


class Blocks:
    """The source in blocks, of which every `count`-th is one's own; enumerated as far as it is asked for."""

    def __init__(self, items: Iterable[Item | Problem], index: int, count: int) -> None:
        """index: 0 for whoever has the first block."""
        self._items, self._index, self._count = iter(items), index, count
        self._named, self._enumerated = hashlib.sha256(), 0
        self._own: deque[Item | Problem] = deque()
        self._marks: deque[Mark] = deque()
        self.end = Mark()  # of what is enumerated so far

    def own(self) -> Iterator[Item | Problem]:
        """The items of one's own blocks."""
        while self._own or self._enumerate():
            if self._own:
                yield self._own.popleft()

    def __iter__(self) -> Iterator[tuple[int, int, Mark]]:
        """(whose block, number of its items, mark at its end) for all blocks."""
        number = before = 0
        while self._marks or self._enumerate():
            mark = self._marks.popleft()
            yield number % self._count, mark.items - before, mark
            number, before = number + 1, mark.items

    def _enumerate(self) -> bool:
        """Enumerate one block more; False at the end of the source."""
        block = list(islice(self._items, ITEMS_PER_BLOCK))
        if not block:
            return False
        for item in block:
            self._named.update(_names(item))
        if self._enumerated % self._count == self._index:
            self._own.extend(block)
        self._enumerated += 1
        self.end = Mark(self.end.items + len(block), self._named.digest())
        self._marks.append(self.end)
        return True


def _names(item: Item | Problem) -> bytes:
    return repr([getattr(item, field.name) for field in fields(item) if field.name not in UNNAMED]).encode()


def start_others(link: Link, task: Task | None) -> None:
    """Tell every other process what to do; None where nothing is left to annotate."""
    for other in link.others:
        link.send(task and Task(task.settings | versions(), task.skip), other)


def gathered(work: Work, skip: int, link: Link) -> Generator[Any, None, None]:
    """In the first process: what becomes of all items after `skip`, in their order; the others do their share.

    Raises UserError where another process cannot do it, or sees another source.
    """
    start_others(link, Task(work.settings, skip))
    blocks = Blocks(work.items(skip), FIRST, link.count)
    with closing(ordered_map(work.step, blocks.own(), work.workers)) as own:
        for owner, size, mark in blocks:
            yield from islice(own, size) if owner == FIRST else _received(link, owner, mark)
    for other in link.others:
        _received(link, other, blocks.end, last=True)
    for other in link.others:
        link.send("thanks", other)


def _received(link: Link, other: int, mark: Mark, *, last: bool = False) -> list[Any]:
    message = link.receive(other)
    if isinstance(message, Failed):
        raise UserError(f"the process of rank {other} on {message.host}: {message.why}")
    if message.mark != mark or (message.results is None) != last:
        raise UserError(
            f"the process of rank {other} does not find the same pictures in the source as the first one: "
            "give every process the same files"
        )
    return message.results or []


def help_first(prepare: Callable[[], Work], link: Link) -> int:
    """What every process but the first does: 0 when its work is done; 2 or 130 when the build ends without it."""
    try:
        task = link.receive(FIRST)
        if task:
            try:
                work = prepare()
                require_equal(work.settings | versions(), task.settings)
                _send_blocks(work, task.skip, link)
            except Gone:
                raise
            except UserError as error:
                link.send(Failed(str(error), socket.gethostname()), FIRST)
            link.receive(FIRST)
    except Gone:  # the first process has said why, unless it was killed
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _send_blocks(work: Work, skip: int, link: Link) -> None:
    blocks = Blocks(work.items(skip), link.index, link.count)
    with closing(ordered_map(work.step, blocks.own(), work.workers)) as own:
        for owner, size, mark in blocks:
            if owner == link.index:
                link.send(Block(mark, list(islice(own, size))), FIRST)
    link.send(Block(blocks.end), FIRST)


def versions() -> dict[str, Any]:
    """Version by name of the packages on which the bytes of a dataset depend."""
    return {name: importlib.metadata.version(name) for name in COMPUTING}


def require_equal(settings: dict[str, Any], of_first: dict[str, Any]) -> None:
    """Raise UserError where the processes would not build the same."""
    differing = [name for name in of_first if settings.get(name) != of_first[name]]
    if differing:
        raise UserError(
            f"it differs from the first process in {', '.join(differing)}: "
            "start all with the same command, on the same data, with the same versions"
        )
