"""One build by several processes: as threads that pass messages, and as real processes under a launcher."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from helpers.data_tools_layouts import encoded, write
from helpers.launching import ALONE, LAUNCHED
from helpers.paths import ROOT

from data_tools.__main__ import main
from data_tools.options import default_workers
from data_tools.sources.base import Item, Problem
from data_tools.together import ITEMS_PER_BLOCK, Gone, Link, Work, gathered, help_first
from sfpn.errors import UserError

ENDED = "ended"


@dataclass(frozen=True)
class Threads(Link):
    """The link of a process that is a thread here."""

    lines: defaultdict = field(default_factory=lambda: defaultdict(Queue))

    def send(self, message: Any, to: int) -> None:
        self.lines[self.index, to].put(message)

    def receive(self, of: int) -> Any:
        message = self.lines[of, self.index].get(timeout=20)
        if message == ENDED:
            raise Gone(f"{of} has ended")
        return message


def read() -> bytes:
    return b""


def named(number: int) -> Item | Problem:
    return Item(f"r{number}", "ann", f"{number}.jpg", read) if number % 5 else Problem(f"{number}.jpg", "odd")


def step(item: Item | Problem) -> str:
    return f"{item.path} is done"


def work(total: int, **changes: Any) -> Work:
    return replace(Work({"limit": None}, step, lambda skip: islice(map(named, range(total)), skip, None), 0), **changes)


def build_by(works: list[Work], skip: int = 0) -> tuple[list[str], list[int]]:
    """What the first process gets, and what the others return: each in a thread, as its own `Work` says."""
    lines, statuses = defaultdict(Queue), [-1] * len(works)
    for pair in ((one, other) for one in range(len(works)) for other in range(len(works))):
        _ = lines[pair]

    def other(index: int) -> None:
        statuses[index] = help_first(lambda: works[index], Threads(index, len(works), lines))

    threads = [threading.Thread(target=other, args=(index,)) for index in range(1, len(works))]
    for thread in threads:
        thread.start()
    try:
        results = list(gathered(works[0], skip, Threads(0, len(works), lines)))
    finally:
        for index in range(1, len(works)):
            lines[0, index].put(ENDED)
        for thread in threads:
            thread.join(20)
    return results, statuses[1:]


@pytest.mark.parametrize("processes", [2, 3, 5])
@pytest.mark.parametrize("items", [0, 1, ITEMS_PER_BLOCK, 2 * ITEMS_PER_BLOCK, 2 * ITEMS_PER_BLOCK + 1, 333])
@pytest.mark.parametrize("skip", [0, 7])
def test_the_results_are_in_the_order_of_the_source_and_whole(processes, items, skip):
    results, statuses = build_by([work(items)] * processes, skip)
    assert results == [step(named(number)) for number in range(skip, items)]
    assert statuses == [0] * (processes - 1)


def test_each_process_does_a_part_and_none_is_done_twice():
    done: dict[int, list[str]] = {}

    def noting(index: int):
        return lambda item: (done.setdefault(index, []).append(item.path), step(item))[1]

    build_by([work(200, step=noting(index)) for index in range(3)])
    assert sorted(sum(done.values(), [])) == sorted(f"{number}.jpg" for number in range(200))
    assert min(len(part) for part in done.values()) >= 200 // 3 - ITEMS_PER_BLOCK


def renamed(skip: int) -> Iterator[Item | Problem]:
    return islice((replace(named(n), path="another.jpg") if n == 150 else named(n) for n in range(200)), skip, None)


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("other", [work(199), work(201), work(0), work(500), work(200, items=renamed)])
def test_another_source_is_refused(which, other):
    works = [work(200)] * 3
    works[which] = other
    with pytest.raises(UserError, match="does not find the same pictures in the source as the first one"):
        build_by(works)


def broken(skip: int) -> Iterator[Item | Problem]:
    yield from map(named, range(skip, 100))
    raise UserError("the table is damaged")


def test_what_another_process_says_is_said_by_the_first():
    with pytest.raises(UserError, match="the process of rank 1 on .*: the table is damaged"):
        build_by([work(200), work(200, items=broken), work(200)])


def test_other_options_are_named():
    with pytest.raises(UserError, match="rank 2 on .*: it differs from the first process in limit: start all with"):
        build_by([work(200), work(200), work(200, settings={"limit": 3})])


def test_workers_are_shared_out_on_a_machine(monkeypatch):
    whole = default_workers()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert default_workers() == 1 <= whole


@pytest.mark.parametrize("command", [["check", "x"], ["poses", "x"], ["synthesize", "--out", "x"]])
def test_commands_that_share_nothing_are_refused(monkeypatch, capsys, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(command) == 2
    assert f"{command[0]} runs in one process and cannot share its work" in capsys.readouterr().err


# Real processes


def photos(root: Path) -> Path:
    """Ninety pictures of seven people: every third is there twice, every eleventh has no face, some are broken."""
    for number in range(90):
        write(root / f"p{number % 7}/{number:03d}.jpg", encoded(number % 60, dark=number % 11 == 0))
    write(root / "p1/000b.jpg", "no picture")
    write(root / "p3/cut.jpg", encoded(5)[:300])
    write(root / "p2/notes.txt", "hello")
    write(root / "lost.jpg", encoded(1))
    return root


def start(
    launcher: tuple[str, ...], folder: Path, out: Path, *options: str, fault: str = ""
) -> subprocess.CompletedProcess[str]:
    """The build under a launcher, with small shards."""
    free = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    words = ["build", "folder", str(folder), "--out", str(out), "--workers", "1", *options]
    return subprocess.run(
        [*launcher, "-m", "helpers.small_build", *words],
        cwd=ROOT,
        env=free | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "BUILD_FAULT": fault},
        capture_output=True,
        text=True,
        timeout=600,
    )


def content(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the build itself says, not its launcher."""
    return [line for line in done.stderr.splitlines() if line.startswith(("error: ", "interrupted"))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The folder of photos, and the files that one process makes of it."""
    folder = tmp_path_factory.mktemp("together")
    assert start(ALONE, photos(folder / "in"), folder / "alone" / "out").returncode == 0
    return folder / "in", content(folder / "alone" / "out")


def test_two_processes_give_the_bytes_of_one(whole, tmp_path):
    done = start(LAUNCHED, whole[0], tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "out") == whole[1] and len(whole[1]) == 7  # four shards, ledger, card, README
    assert done.stdout.count("\n") == 1 and done.stderr.count("100%") == 1


@pytest.mark.parametrize("first", [LAUNCHED, ALONE], ids=["two", "one"])
def test_an_interrupted_build_goes_on_with_another_number_of_processes(whole, tmp_path, first):
    stopped = start(first, whole[0], tmp_path / "out", fault="interrupt")
    assert stopped.returncode != 0 and said(stopped) == ["interrupted; an unfinished build goes on with --resume"]
    assert not (tmp_path / "out").exists() and not list(tmp_path.rglob("*.tmp"))
    assert [file.name for file in tmp_path.rglob("*.parquet")] == ["data-00000.parquet"]
    again = start(ALONE if first is LAUNCHED else LAUNCHED, whole[0], tmp_path / "out", "--resume")
    assert again.returncode == 0, again.stderr
    assert content(tmp_path / "out") == whole[1]


def test_a_killed_process_ends_the_other_and_the_build_goes_on(whole, tmp_path):
    stopped = start(LAUNCHED, whole[0], tmp_path / "out", "--workers", "0", fault="kill")
    assert stopped.returncode != 0 and not (tmp_path / "out").exists()
    (sentence,) = said(stopped)
    assert "the process of rank 1 has ended" in sentence or "interrupted" in sentence  # as fast as its launcher is
    assert start(LAUNCHED, whole[0], tmp_path / "out", "--resume").returncode == 0
    assert content(tmp_path / "out") == whole[1]


def test_what_a_process_has_not_is_said_once(whole, tmp_path):
    refused = start(LAUNCHED, whole[0], tmp_path / "out", fault="refuse")
    (sentence,) = said(refused)
    assert refused.returncode != 0 and "the process of rank 1 on" in sentence and "there is no" in sentence
    assert not (tmp_path / "out").exists()
