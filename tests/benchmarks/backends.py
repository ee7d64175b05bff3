"""Ways to compute the same descriptors beside each other in one run: time, ratio to eager, largest difference.

python -m tests.benchmarks.backends
python -m tests.benchmarks.backends --model base --threads 1 --batch 16 --ways "eager, channels last" "ONNX Runtime"

For every network, number of threads and batch: the network alone, on random pixels less the mean, one pass (base's
mirrored crop, a second pass, is left out). All ways take turns, so that what disturbs one disturbs all. Two medians in
ms a face: of the clock, and of the time that the process had on processors (time.process_time, all threads together),
which other processes disturb less and which tells what a face costs, not how long it takes. Ratios are to eager of the
same row. Largest difference: of any number of the descriptors to eager's, and the lowest cosine of a face; int8 was
calibrated on the drawn people and is timed on the same random pixels as the others, so that its cosine says little:
tests/benchmarks/quantisation.py measures it on faces.

Batch normalisation is not among the ways: weights on disk are folded already (sfpn.network.model.fold_batch_norm).
A way that this machine cannot do is listed with the reason. Load averages are printed before and after. The last row
of a network and number of threads is what its multiplications alone would take at the speed of one large product of
matrices, in the same run.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from sfpn.commands.export import CALIBRATED_EACH, CHECKED_EACH, faces_of_all_poses
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.selection import Selection
from sfpn.errors import UserError, one_line
from sfpn.machine import backend_words
from sfpn.network import checkpoint
from sfpn.network.export import export
from sfpn.network.model import SFPN
from sfpn.network.onnx_writing import require_onnx, traced
from sfpn.network.processor import ProcessorNetwork

SIZE = 113
MATRIX, REPEATS = 2048, 5  # side of the product of matrices that tells the limit, and how often
Run = Callable[[torch.Tensor], np.ndarray]  # (B, 3, 113, 113) -> descriptors (B, D)
EAGER, CHANNELS_LAST, BF16 = "eager", "eager, channels last", "bf16 autocast"
COMPILED, FROZEN = "torch.compile", "jit.freeze, optimize_for_inference"
ONNX, INT8, OURS = "ONNX Runtime", "ONNX Runtime, int8", "ONNX Runtime, sfpn.network.processor"
WAYS = (EAGER, CHANNELS_LAST, BF16, COMPILED, FROZEN, ONNX, INT8, OURS)


def way(title: str, name: str, network: SFPN, threads: int, folder: Path) -> Run:
    """One way of computing, ready to run. Raises RuntimeError, UserError and what compilers raise."""
    if title == EAGER:
        return _torch(network, torch.contiguous_format)
    if title in (ONNX, INT8):
        return _onnx(title, name, network, threads, folder)
    if title == OURS:
        run = ProcessorNetwork(network)
        return lambda faces: run(faces.numpy())
    network = copy.deepcopy(network).to(memory_format=torch.channels_last)  # pyright: ignore (torch's stubs)
    if title == BF16:
        return _in_bf16(network)
    if title == COMPILED:
        return _torch(torch.compile(network), torch.channels_last)
    if title == FROZEN:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is old
            script = torch.jit.trace(network, torch.zeros(2, 3, SIZE, SIZE).to(memory_format=torch.channels_last))
            return _torch(torch.jit.optimize_for_inference(torch.jit.freeze(script)), torch.channels_last)
    return _torch(network, torch.channels_last)


def _torch(network: Callable, layout: torch.memory_format) -> Run:
    return lambda faces: network(faces.contiguous(memory_format=layout)).float().numpy()


def _in_bf16(network: SFPN) -> Run:
    run = _torch(network, torch.channels_last)

    def in_bf16(faces: torch.Tensor) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16):
            return run(faces)

    return in_bf16


def _onnx(title: str, name: str, network: SFPN, threads: int, folder: Path) -> Run:
    """The bare network in float32, or the exported int8 file, whose input are pixels and which mirrors by itself."""
    require_onnx()
    from sfpn.onnx_runtime import onnx_runtime

    file = folder / f"{name}-{title == INT8}.onnx"
    if not file.exists() and title == ONNX:
        free = {"face": {0: "faces"}, "out": {0: "faces"}}
        file.write_bytes(traced(network, ((2, 3, SIZE, SIZE),), ["face"], ["out"], free))
    if not file.exists():
        weights = checkpoint.resolve(name)
        drawn, preprocess = Selection.parse(str(DRAWN_PEOPLE)), checkpoint.load_checked_card(weights).preprocess
        check_on, calibrate_on = faces_of_all_poses(drawn, preprocess, CHECKED_EACH, CALIBRATED_EACH)
        export(weights, "onnx-int8", file, check_on, calibrate_on, drawn.title)
    options = onnx_runtime().SessionOptions()
    options.intra_op_num_threads = threads
    session = onnx_runtime().InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda faces: session.run(None, {"face": faces.numpy()})[0]


def views_of(title: str, name: str) -> int:
    """Passes of the network in one run: the exported int8 file of a model that sums the mirror image makes two."""
    return 2 if title == INT8 and checkpoint.load_checked_card(checkpoint.resolve(name)).mirror_sum else 1


def measure(runs: dict[str, Run], faces: torch.Tensor, rounds: int) -> dict[str, tuple[float, float]]:
    """Way -> median seconds a run, of the clock and of the process; all take turns, and the first is not timed."""
    taken: dict[str, list[tuple[float, float]]] = {title: [] for title in runs}
    for _ in range(rounds + 1):
        for title, run in runs.items():
            clock, process = time.perf_counter(), time.process_time()
            run(faces)
            taken[title].append((time.perf_counter() - clock, time.process_time() - process))
    return {
        title: (statistics.median(clock for clock, _ in times[1:]), statistics.median(spent for _, spent in times[1:]))
        for title, times in taken.items()
    }


def strays(title: str, found: np.ndarray, exact: np.ndarray) -> str:
    """How far descriptors are from eager's. The int8 file centres and mirrors them: not the same numbers."""
    if title == INT8:
        return "- (see quantisation.py)"
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    return f"{np.abs(found - exact).max():.1e} of {exact.max():.1f}, cosine {cosines.min():.7f}"


@torch.inference_mode()
def show(name: str, threads: int, batch: int, args: argparse.Namespace, folder: Path) -> None:
    """The rows of one network with so many threads and faces at once."""
    torch.set_num_threads(threads)
    network = checkpoint.load(name)[0]
    chance = torch.Generator().manual_seed(0)
    faces = torch.rand(batch, 3, SIZE, SIZE, generator=chance) * 255 - 110
    runs, absent, exact = {}, {}, _torch(network, torch.contiguous_format)(faces)
    found = {}
    for title in dict.fromkeys((EAGER, *args.ways)):
        try:
            run = way(title, name, network, threads, folder)
            runs[title], found[title] = run, run(faces)
        except (RuntimeError, UserError, ImportError, torch._dynamo.exc.TorchDynamoException) as error:
            absent[title] = one_line(error)
    times = measure(runs, faces, args.rounds)
    for title, (clock, spent) in times.items():
        faces_run = batch * views_of(title, name)
        ratios = clock / times[EAGER][0] * batch / faces_run, spent / times[EAGER][1] * batch / faces_run
        print(
            f"| {name}, {threads}, {batch} | {title} | {1000 * clock / faces_run:.2f} | {1000 * spent / faces_run:.2f} "
            f"| {ratios[0]:.2f}, {ratios[1]:.2f} | {strays(title, found[title], exact)} |",
            flush=True,
        )
    for title, why in absent.items():
        print(f"| {name}, {threads}, {batch} | {title} | not here: {why:.150} | | | |", flush=True)


@torch.inference_mode()
def show_limit(name: str, threads: int) -> None:
    """The row of the time that is left where every multiplication is as fast as in a product of large matrices."""
    torch.set_num_threads(threads)
    with FlopCounterMode(display=False) as counter:
        checkpoint.load(name)[0](torch.zeros(1, 3, SIZE, SIZE))
    operations, matrix = counter.get_total_flops(), torch.rand(MATRIX, MATRIX)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - start)
    speed = 2 * MATRIX**3 / min(times)  # operations a second
    print(
        f"| {name}, {threads}, - | limit: {operations / 1e9:.2f} GFLOP at {speed / 1e9:.0f} GFLOP/s "
        f"| {1000 * operations / speed:.2f} | | | |",
        flush=True,
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["base", "depthwise"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, metavar="WAY", help="; ".join(WAYS))
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    print(f"{backend_words('cpu')}; load {os.getloadavg()[0]:.1f}")
    print("| network, threads, batch | way | ms a face | processor ms a face | ratios | largest difference |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.model:
            for threads in args.threads:
                for batch in args.batch:
                    show(name, threads, batch, args, Path(folder))
                show_limit(name, threads)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
