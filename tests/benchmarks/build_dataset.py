"""Time and memory of `python -m data_tools build` on a real folder, as one table row.

    python tests/benchmarks/build_dataset.py cfp ../shared/data/cfp-dataset --workers 2

CPU seconds an image hardly depend on what else the machine does; wall seconds do. Memory is the sum of the
proportional set sizes of the command and its workers, sampled twice a second (Linux only).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE_SECONDS = 0.5
TARGET_IMAGES = 7000


def process_tree(pid: int) -> list[int]:
    """The process and its descendants."""
    children = [int(word) for task in Path(f"/proc/{pid}/task").glob("*/children") for word in _read(task).split()]
    return [pid, *(descendant for child in children for descendant in process_tree(child))]


def memory_mib(pid: int) -> float:
    """Proportional set size of the process and its descendants, MiB."""
    lines = (
        line for process in process_tree(pid) for line in _read(Path(f"/proc/{process}/smaps_rollup")).splitlines()
    )
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def measure(command: list[str]) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds, peak MiB) of a command and its children. Raises CalledProcessError when it fails."""
    started, peak = time.monotonic(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, memory_mib(process.pid))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, used.ru_utime + used.ru_stime, peak


def main() -> None:
    """Build into a temporary folder and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind")
    parser.add_argument("source")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--limit", help="only the first N pictures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "dataset"
        words = [args.kind, args.source, "--out", str(out), "--workers", args.workers, "--quiet"]
        limit = ["--limit", args.limit] if args.limit else []
        seconds, cpu_seconds, peak = measure([sys.executable, "-m", "data_tools", "build", *words, *limit])
        rows = json.loads((out / "dataset.json").read_text())["rows"]
    minutes = TARGET_IMAGES * seconds / rows / 60
    print(
        f"| kind | images | workers | s | CPU s/image | minutes for {TARGET_IMAGES} | peak MiB |\n"
        "|---|---|---|---|---|---|---|"
    )
    print(
        f"| {args.kind} | {rows} | {args.workers} | {seconds:.0f} | {cpu_seconds / rows:.3f} | {minutes:.1f} | "
        f"{peak:.0f} |"
    )


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # the process has ended
        return ""


if __name__ == "__main__":
    main()
