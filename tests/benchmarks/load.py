"""How the app bears many visitors at once: answer times, errors, wrong answers, and its memory before and after.

PYTHONPATH=. python tests/benchmarks/load.py --visitors 50 --minutes 3
PYTHONPATH=. python tests/benchmarks/load.py --visitors 0 --costs 20

It starts the app itself and talks to 127.0.0.1 only. Each visitor opens the page, then compares two examples or filters
Explore, with a pause between; half of them give the same photos. An answer is wrong if it differs from the one that
the app gave when it was asked alone. --costs N first measures what one page, comparison or filter costs the processor,
as the mean of N, asked one after the other: the number that tells two versions apart on a busy computer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from demo.examples import load_examples

META = {"_type": "gradio.FileData"}
PATIENCE = 120  # seconds
ROOT = Path(__file__).parents[2]
PAGE, TIMES = "/proc/{}/status", "/proc/{}/stat"
USER_AND_SYSTEM = slice(11, 13)  # of the fields of TIMES after the name: ticks of the processor


@dataclass
class Pair:
    """Two photos, and what the app says of them when asked alone."""

    photos: tuple[bytes, bytes]
    answer: str = ""


@dataclass
class Log:
    """What all visitors saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"verify": [], "explore": [], "open": []})
    errors: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Visitor:
    """A browser with one page."""

    def __init__(self, address: str) -> None:
        self.address, self.session = address, secrets.token_hex(6)
        self.opened: set[str] = set()
        self.client = httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False)
        self.client.get("/").raise_for_status()
        config = self.client.get("config").json()
        self.handlers = config["dependencies"]
        self.components = {component["id"]: component for component in config["components"]}
        self.named = {c["props"].get("elem_id"): i for i, c in self.components.items()}
        for handler in self.handlers:  # what the page asks for by itself
            if handler["backend_fn"] and any(event == "load" for _, event in handler["targets"]):
                self.ask(handler, self.values(handler))

    def open_tab(self, name: str) -> None:
        """As a click on it, the first time: what the tab shows at first is computed."""
        if name in self.opened:
            return
        self.opened.add(name)
        tab = next(i for i, c in self.components.items() if c["type"] == "tabitem" and c["props"].get("id") == name)
        for select in self.started_by(tab, "select"):
            self.ask(select, self.values(select))
            for state in select["outputs"]:
                if self.components[state]["type"] == "state":
                    for handler in self.started_by(state, "change"):
                        self.ask(handler, self.values(handler))

    def started_by(self, component: int, event: str) -> list[dict]:
        """The handlers of an event of a component."""
        return [h for h in self.handlers if h["backend_fn"] and [component, event] in [list(t) for t in h["targets"]]]

    def handler(self, name: str, event: str) -> dict:
        """That of an event of the component with this elem_id."""
        return next(h for h in self.handlers if [self.named[name], event] in [list(t) for t in h["targets"]])

    def after(self, handler: dict) -> dict:
        """The one that follows."""
        return next(h for h in self.handlers if h["trigger_after"] == handler["id"])

    def values(self, handler: dict, **given: object) -> list:
        """The page's own values for its inputs, but for those of given elem_ids."""
        names = {number: name for name, number in self.named.items() if name}
        return [given.get(names.get(i, ""), self.components[i]["props"].get("value")) for i in handler["inputs"]]

    def ask(self, handler: dict, data: list) -> list:
        """The values that it answers."""
        body = {"fn_index": handler["id"], "data": data, "session_hash": self.session}
        answer = self.client.post("gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            raise RuntimeError(answer.json().get("detail", answer.status_code))
        event = answer.json()["event_id"]
        answered = None
        with self.client.stream("GET", "gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():  # to its end: who leaves earlier may take the next answer with them
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed" and message["event_id"] == event:
                    answered = message
                if message.get("msg") == "unexpected_error":
                    raise RuntimeError(message["message"][:100])
        if answered is None:
            raise RuntimeError("no answer came")
        if not answered["success"]:
            raise RuntimeError(str(answered["output"].get("error"))[:100])
        return answered["output"]["data"]

    def verify(self, pair: Pair) -> str:
        """Give both photos, compare; the score of the answer."""
        for name, photo in zip(("input-a", "input-b"), pair.photos, strict=True):
            upload = self.client.post("gradio_api/upload", files={"files": ("photo.webp", photo)})
            upload.raise_for_status()
            take = self.handler(name, "input")
            self.ask(take, [None, {"path": upload.json()[0], "meta": META}])
        compare = self.after(take)
        shown = self.ask(compare, self.values(compare))
        result = next(value for value in shown if isinstance(value, dict) and "score" in value)
        for name in ("clear-a", "clear-b"):
            self.ask(self.handler(name, "click"), [])
        return f"{result['score']:.6f}"

    def explore(self, pose: str) -> str:
        """Filter by a pose; the summary of the answer."""
        self.open_tab("explore")
        handler = self.handler("facet-pose", "change")
        shown = self.ask(handler, self.values(handler, **{"facet-pose": [pose]}))
        return str(shown[handler["outputs"].index(self.named["summary"])])

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """The page is open meanwhile."""
        with httpx.Client(base_url=self.address, timeout=None, trust_env=False, cookies=self.client.cookies) as client:
            with client.stream("GET", f"gradio_api/heartbeat/{self.session}") as stream:
                lines = stream.iter_lines()
                next(lines)
                yield
                lines.close()


def visit(address: str, pairs: list[Pair], summaries: dict[str, str], until: float, pause: float, log: Log) -> None:
    """One visitor's stay."""
    chance = random.Random()
    time.sleep(chance.uniform(0, min(10.0, pause * 2)))
    try:
        began = time.monotonic()
        visitor = Visitor(address)
        note(log, "open", began)
    except (httpx.HTTPError, RuntimeError, ValueError) as error:
        with log.lock:
            log.errors[f"open: {error!r:.100}"] += 1
        return
    with visitor.here():
        while time.monotonic() < until:
            kind = chance.choice(("verify", "explore"))
            pair = pairs[0] if chance.random() < 0.5 else chance.choice(pairs)
            pose = chance.choice(list(summaries))
            began = time.monotonic()
            try:
                right = (
                    visitor.verify(pair) == pair.answer
                    if kind == "verify"
                    else visitor.explore(pose) == summaries[pose]
                )
                note(log, kind, began)
                if not right:
                    with log.lock:
                        log.wrong[kind] += 1
            except (httpx.HTTPError, RuntimeError, ValueError, KeyError) as error:
                with log.lock:
                    log.errors[f"{kind}: {error!r:.100}"] += 1
            time.sleep(chance.uniform(0, 2 * pause))


def note(log: Log, kind: str, began: float) -> None:
    """One answer's time."""
    with log.lock:
        log.seconds[kind].append(time.monotonic() - began)


def memory_mb(process: int) -> float:
    """Resident memory of a process; nan where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(PAGE.format(process)).read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return float("nan")


def processor_seconds(process: int) -> float:
    """What a process has computed so far; nan where the system does not tell."""
    with contextlib.suppress(OSError):
        ticks = Path(TIMES.format(process)).read_text().rpartition(")")[2].split()[USER_AND_SYSTEM]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return float("nan")


def print_costs(address: str, process: int, pairs: list[Pair], poses: Sequence[str], count: int) -> None:
    """Print a Markdown table of the processor time of each kind of request."""
    visitor = Visitor(address)
    visitor.explore(poses[0])
    kinds: dict[str, Callable[[int], object]] = {
        "open": lambda _: Visitor(address),
        "verify": lambda i: visitor.verify(pairs[i % len(pairs)]),
        "explore": lambda i: visitor.explore(poses[i % len(poses)]),
    }
    print(f"| what | processor of the app, ms (mean of {count}) |\n|---|---|")
    for kind, ask in kinds.items():
        before = processor_seconds(process)
        for i in range(count):
            ask(i)
        print(f"| {kind} | {1000 * (processor_seconds(process) - before) / count:.0f} |", flush=True)


@contextlib.contextmanager
def serving(options: list[str], uploads: Path) -> Iterator[tuple[str, int]]:
    """Address and process of an app of our own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"GRADIO_TEMP_DIR": str(uploads)}
    command = [sys.executable, "app.py", "--port", str(port), *options]
    app = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(address, trust_env=False)
                break
            if app.poll() is not None:
                sys.exit("the app did not start")
            time.sleep(0.3)
        yield address, app.pid
    finally:
        app.terminate()
        app.wait(timeout=30)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--pause", type=float, default=10, help="mean seconds between two clicks of a visitor")
    parser.add_argument("--costs", type=int, default=0, metavar="N", help="measure processor times, each N times")
    parser.add_argument("--settle", type=float, default=30, help="seconds before the memory is read again at the end")
    args, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder, serving(options, Path(folder)) as (address, process):
        alone = Visitor(address)
        pairs = [Pair((e.first[0].encoded, e.second[0].encoded)) for e in load_examples()[:6]]
        for pair in pairs:
            pair.answer = alone.verify(pair)
        poses = ("frontal", "three_quarter", "profile")
        summaries = {pose: alone.explore(pose) for pose in poses}
        if args.costs:
            print_costs(address, process, pairs, poses, args.costs)
        if not args.visitors:
            return
        before, log = memory_mb(process), Log()
        until = time.monotonic() + 60 * args.minutes
        given = (address, pairs, summaries, until, args.pause, log)
        visitors = [threading.Thread(target=visit, args=given) for _ in range(args.visitors)]
        for visitor in visitors:
            visitor.start()
        most = before
        while any(visitor.is_alive() for visitor in visitors):
            most = max(most, memory_mb(process))
            time.sleep(1)
        time.sleep(args.settle)
        after = memory_mb(process)
        left = sum(file.is_file() and file.suffix != ".lock" for file in Path(folder).rglob("*"))
    print(
        f"{args.visitors} visitors, {args.minutes:g} minutes, {args.pause:g} s between clicks, load average "
        f"{os.getloadavg()[0]:.1f}\n\n| what | answers | median s | 95 % s | slowest s |\n|---|---|---|---|---|"
    )
    for kind, seconds in log.seconds.items():
        if len(seconds) > 1:
            p95 = statistics.quantiles(seconds, n=20)[-1]
            print(f"| {kind} | {len(seconds)} | {statistics.median(seconds):.2f} | {p95:.2f} | {max(seconds):.2f} |")
    print(f"\nerrors: {dict(log.errors) or 'none'}; wrong answers: {dict(log.wrong) or 'none'}")
    print(f"memory: {before:.0f} MB before, {most:.0f} at most, {after:.0f} after; uploads left on the disk: {left}")


if __name__ == "__main__":
    main()
