"""ONNX networks from anywhere, each computed by a process of its own: it may take so long and so much memory, no more.

    model = GuardedModel(path)           # opened and tried there, as sfpn.network.onnx_model does it
    model.run(batch)                     # (B, 3, size, size) float32 -> (B, D) float32
    model.close()

A network that never ends, or wants all memory, or makes ONNX Runtime crash, ends its own process; whoever asked gets
one sentence, and the next question starts a new process. Bounded are the time of opening and of each pass, and on Linux
the memory. It is no sandbox: the process may read what this user may read.

Messages in both directions: 8 bytes for the length of the head, the head as JSON, and the float32 numbers of an array.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import queue
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from sfpn.errors import UserError
from sfpn.network.onnx_model import INPUT_TYPES, OnnxInput, OnnxModel, Undecided, external_files
from sfpn.onnx_runtime import onnx_runtime

SECONDS_BETWEEN_LOOKS = 0.2  # while waiting for an answer, so that whoever waits can be ended
MOST_HEAD = 10_000_000  # bytes of a message's head: hashes, names and shapes


@dataclass(frozen=True)
class Bounds:
    """What a network may take."""

    open_seconds: float = 120.0
    pass_seconds: float = 60.0
    memory_bytes: int = 4_000_000_000  # beyond what the process has before the file is opened


class GuardedModel:
    """The surface of OnnxModel (`run`, `size`, `descriptor_size`, `output`, `input`), computed elsewhere."""

    def __init__(
        self,
        path: Path,
        *,
        size: int | None = None,
        descriptor_size: int | None = None,
        output: str | None = None,
        expected: dict[str, Any] | None = None,
        threads: int = 0,
        bounds: Bounds | None = None,
    ) -> None:
        """Open a file and try it; the arguments are those of OnnxModel and, `expected`, of external_files.

        Raises UserError as they do (Undecided where a choice is open), and for a file that exceeds the bounds.
        """
        self.path, self.bounds = path, bounds or Bounds()
        self._question = {
            "path": str(path),
            "size": size,
            "descriptor_size": descriptor_size,
            "output": output,
            "expected": expected,
            "threads": threads,
            "memory_bytes": self.bounds.memory_bytes,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        with self._lock:
            found = self._open()
        self.size, self.descriptor_size, self.output = found["size"], found["descriptor_size"], found["output"]
        self.external: dict[str, str] = found["external"]  # name -> SHA-256 of the files that belong to it
        dtype = INPUT_TYPES[found["type"]]
        self.input = OnnxInput(found["input"], dtype, found["layout"], found["batch"])

    def run(self, batch: np.ndarray) -> np.ndarray:
        """(B, 3, size, size) float32 -> (B, D) float32. Raises UserError if it cannot be computed within the bounds."""
        with self._lock:
            if self._process is None:
                self._open()
            given = np.ascontiguousarray(batch, np.float32)
            head, content = self._ask({"shape": given.shape}, given.tobytes(), self.bounds.pass_seconds)
        return np.frombuffer(content, np.float32).reshape(head["shape"])

    def close(self) -> None:
        """End the process; another one is started when it is needed again."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream:
                        stream.close()

    def _open(self) -> dict[str, Any]:
        try:
            onnx_runtime()
        except ModuleNotFoundError as error:
            raise UserError(f"{self.path}: ONNX files need ONNX Runtime; run: pip install onnxruntime") from error
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],  # from where this package is found
        )
        try:
            return self._ask(self._question, b"", self.bounds.open_seconds)[0]
        except UserError:
            self.close()
            raise

    def _ask(self, head: dict[str, Any], content: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """The answer; the process ends with every failure to give one, and when whoever waits is ended."""
        process = self._process
        assert process
        answers: queue.Queue = queue.Queue()
        threading.Thread(target=_exchange, args=(process, head, content, answers), daemon=True).start()
        try:
            answer = self._wait(answers, seconds)
        except BaseException:
            self.close()
            raise
        if answer is None:
            self.close()
            most = f"{self.bounds.memory_bytes / 1e9:g} GB of memory"
            raise UserError(
                f"{self.path}: its process ended while it computed: it wants more than {most}, or ONNX Runtime fails "
                "on it; export a smaller network"
            )
        found, numbers = answer
        if "error" in found:
            raise (Undecided if found.get("undecided") else UserError)(found["error"])
        return found, numbers

    def _wait(self, answers: queue.Queue, seconds: float) -> tuple[dict[str, Any], bytes] | None:
        until = time.monotonic() + seconds
        while True:
            try:
                return answers.get(timeout=SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                if time.monotonic() > until:
                    raise UserError(
                        f"{self.path}: took more than {seconds:g} seconds and was ended; export a smaller network"
                    ) from None


def _exchange(process: subprocess.Popen[bytes], head: dict[str, Any], content: bytes, answers: queue.Queue) -> None:
    """Send and receive in a thread of its own: a process that hangs would block either."""
    try:
        assert process.stdin and process.stdout
        _send(process.stdin, head, content)
        answers.put(_receive(process.stdout))
    except (OSError, ValueError):
        answers.put(None)


def _send(stream: IO[bytes], head: dict[str, Any], content: bytes) -> None:
    encoded = json.dumps(head).encode()
    stream.write(struct.pack(">Q", len(encoded)) + encoded)
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Head and content; None where the other side has ended. Raises ValueError for what is no message."""
    start = stream.read(8)
    if len(start) < 8:
        return None
    (length,) = struct.unpack(">Q", start)
    if length > MOST_HEAD:
        raise ValueError("not a message")
    head = json.loads(stream.read(length))
    wanted = 4 * math.prod(head["shape"]) if "shape" in head else 0
    content = stream.read(wanted)
    return (head, content) if len(content) == wanted else None


def _serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """What the process does: open the file that the first message names, then compute one batch for each message."""
    waiting: queue.Queue = queue.Queue()
    threading.Thread(target=_listen, args=(questions, waiting), daemon=True).start()
    model: OnnxModel | None = None
    while True:
        head, content = waiting.get()
        try:
            if model is None:
                _bound_memory(head["memory_bytes"])
                model, described = _open_and_describe(head)
                _send(answers, described, b"")
            else:
                found = model.run(np.frombuffer(content, np.float32).reshape(head["shape"]))
                _send(answers, {"shape": found.shape}, np.ascontiguousarray(found, np.float32).tobytes())
        except UserError as error:
            _send(answers, {"error": str(error), "undecided": isinstance(error, Undecided)}, b"")
        except MemoryError:
            os._exit(1)  # said by whoever waits


def _listen(questions: IO[bytes], waiting: queue.Queue) -> None:
    """Hand over what comes; the process ends with the one that started it, whatever it is computing."""
    with contextlib.suppress(OSError, ValueError):
        while (message := _receive(questions)) is not None:
            waiting.put(message)
    os._exit(0)


def _open_and_describe(head: dict[str, Any]) -> tuple[OnnxModel, dict[str, Any]]:
    path = Path(head["path"])
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    external = external_files(path, encoded, head["expected"])
    asked = {name: head[name] for name in ("size", "descriptor_size", "output", "threads")}
    model = OnnxModel(path, encoded, external=external, **asked)
    kinds = {dtype: name for name, dtype in INPUT_TYPES.items()}
    return model, {
        "size": model.size,
        "descriptor_size": model.descriptor_size,
        "output": model.output,
        "input": model.input.name,
        "type": kinds[model.input.dtype],
        "layout": model.input.layout,
        "batch": model.input.batch,
        "external": {name: hashlib.sha256(content).hexdigest() for name, content in external.items()},
    }


def _bound_memory(most: int) -> None:
    """On Linux: no more than so many bytes beyond those there are, no dump, and the first to go where memory ends."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + most
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Serve on standard input and output; what libraries print goes elsewhere."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    onnx_runtime()  # before memory is bounded
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
