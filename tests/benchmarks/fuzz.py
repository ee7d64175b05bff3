"""Reads thousands of damaged files of every kind: pictures, cards, weights, ONNX, datasets, embeddings, reports.

    python tests/benchmarks/fuzz.py --cases 5000      # so many pictures, and a fifth as many of every other kind

Each must be read or refused in one sentence, within 5 s of the processor and bounded memory. The reading happens in
a process of its own, so that a crash in a library below is seen as well; it goes on with the next kind then. What
failed is kept with --keep DIR. Exit status 1 if anything did.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5.0  # of the processor, for one file
HANGS = 60.0  # on the clock, of a machine that has other work
MORE_BYTES = 2 * 2**30  # of addresses, beyond those of the process as it starts
SHARE = 5  # as many pictures as of every other kind


def main() -> int:
    """Run the kinds in child processes; 0 if all files were read or refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="pictures (default: %(default)s)")
    parser.add_argument("--kind", nargs="+", help="only these")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args)
    failed, kinds = False, list(args.kind or ("picture", "card", "weights", "onnx", "dataset", "embeddings", "report"))
    while kinds:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--child", folder, "--cases", str(args.cases), "--kind", *kinds]
            command += ["--seed", str(args.seed), *(["--keep", str(args.keep)] if args.keep else [])]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            print(done.stdout, end="", flush=True)
            failed |= done.returncode != 0
            finished = [json.loads(line)["kind"] for line in done.stdout.splitlines() if line.startswith("{")]
            kinds = [kind for kind in kinds if kind not in finished]
            if kinds:
                now = json.loads((Path(folder) / "now.json").read_text())
                print(f"{kinds[0]}: the process ended with {done.returncode} at case {now['case']}: {now['damage']}")
                kinds = kinds[1:]
    return int(failed)


def child(args: argparse.Namespace) -> int:
    """All kinds, one after the other, one line of JSON for each."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    failed = False
    for kind in args.kind:
        cases = args.cases if kind == "picture" else max(1, args.cases // SHARE)
        result = run(kind, cases, args.seed, args.child, args.keep)
        for failure in result.pop("failures"):
            failed = True
            print(f"{kind}: {failure}")
        print(json.dumps(result), flush=True)
    return int(failed)


def run(kind: str, cases: int, seed: int, folder: Path, keep: Path | None) -> dict:
    """Read so many damaged files; gives counts, the slowest, memory, and distinct failures."""
    import hypothesis
    from helpers.fuzzing import KINDS, damaged, damages, ending
    from hypothesis import strategies as st

    made, place = folder / f"{kind}-sound", folder / f"{kind}-damaged"
    made.mkdir(), place.mkdir()
    sound = KINDS[kind].sound(made)
    for files in sound:
        if ending(KINDS[kind], place, files) != "read":
            raise RuntimeError(f"{kind}: a sound file was refused: {ending(KINDS[kind], place, files)}")
    limit_memory()
    count = {"read": 0, "refused": 0, "failed": 0}
    slowest, failures, before = 0.0, {}, memory()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.sampled_from(range(len(sound))), damages())
    def read_one(number, damage):
        nonlocal slowest
        files = damaged(sound[number], damage)
        (folder / "now.json").write_text(json.dumps({"case": sum(count.values()), "damage": repr(damage)[:2000]}))
        faulthandler.dump_traceback_later(HANGS, exit=True)
        began = time.process_time()
        try:
            end = ending(KINDS[kind], place, files)
            count["read" if end == "read" else "refused"] += 1
            failure = None
        except Exception as error:
            count["failed"] += 1
            failure = f"{where(error)}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        spent = time.process_time() - began
        faulthandler.cancel_dump_traceback_later()
        slowest = max(slowest, spent)
        if spent > SECONDS:
            failure = f"took {spent:.1f} s"
        if failure and failure.split(":")[:3] not in [known.split(":")[:3] for known in failures]:
            failures[failure] = repr(damage)[:500]
            if keep:
                kept = keep / f"{kind}-{len(failures)}"
                kept.mkdir(parents=True, exist_ok=True)
                for name, content in files.items():
                    (kept / name).write_bytes(content)

    read_one()
    more = (memory() - before) / 2**20
    return {
        "kind": kind,
        "cases": sum(count.values()),
        **count,
        "slowest_seconds": round(slowest, 2),
        "more_memory_mb": round(more),
        "failures": [f"{failure}; damage: {damage}" for failure, damage in failures.items()],
    }


def where(error: Exception) -> str:
    """The last line of our own code that the error passed through."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "/site-packages/" not in f.filename]
    frames = [f for f in ours if Path(f.filename).is_relative_to(ROOT)]
    last = frames[-1]
    return f"{Path(last.filename).relative_to(ROOT)} line {last.lineno}"


def limit_memory() -> None:
    """Let what is read take no more than so many addresses beyond those in use."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not Linux
        return
    most = pages * resource.getpagesize() + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def memory() -> int:
    """Bytes of the largest size that the process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
