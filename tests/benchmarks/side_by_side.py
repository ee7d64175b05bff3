"""Light face networks beside each other in one run: size, multiplications, time, memory, and error rates where real.

python -m tests.benchmarks.side_by_side --weights ../shared/weights --reports demo/assets/reports/cfp-*

base and depthwise, their ONNX files in float32 and int8 (exported for this table), EdgeFace-XS and -XXS (the ONNX
files of --weights, left out where they are not there) and facenet-pytorch's InceptionResnetV1 with random weights,
which is as fast as with real ones. Crops are ready: no decoding and no detection.
* MACs: multiply-accumulates of convolutions and matrix products for one face, by torch.utils.flop_counter (half its
  FLOPs) or, for ONNX files, by the same rule over its shapes; the mirrored crop of base counts.
* ms a face: one at a time; images/s: 16 at a time. Medians of rounds in which all take turns, so that what disturbs
  the machine disturbs all: compare the ratios.
* memory: peak of a process that loads the model and embeds 16 faces, less that of one that only imports the library.
* EER on CFP: from the reports of protocol cfp that were made with exactly these weights.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sfpn.commands.export import CALIBRATED_EACH, CHECKED_EACH, faces_of_all_poses
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.selection import Selection
from sfpn.evaluation.report import Report
from sfpn.network import checkpoint
from sfpn.network.card import Card, save_card
from sfpn.network.embedders import OnnxEmbedder, SFPNEmbedder, load_embedder
from sfpn.network.export import FORMATS, export
from sfpn.onnx_runtime import onnx_runtime
from sfpn.photos.preprocess import Preprocess

RANDOM_INCEPTION = "InceptionResnetV1 (random weights)"
EDGEFACE = {"EdgeFace-XS": "edgeface_xs_float.onnx", "EdgeFace-XXS": "edgeface_xxs_float.onnx"}
BATCH = 16
PAIRS = ("frontal-frontal", "frontal-profile", "profile-profile")


class RandomInception:
    """facenet-pytorch's network as it is made, for its time only."""

    preprocess = Preprocess("box", 160, 1.2, "edge", (127.5, 127.5, 127.5), 128.0)

    def __init__(self) -> None:
        from sfpn.photos.torchvision_ops import ensure_torchvision

        ensure_torchvision()
        from facenet_pytorch import InceptionResnetV1

        self.model = InceptionResnetV1(pretrained=None).eval()

    @torch.inference_mode()
    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        return self.model(self.preprocess.tensor(crops)).numpy()


@dataclass(frozen=True)
class Model:
    """What stands in a row: a title, the file ('' for random weights), and how it is opened."""

    title: str
    file: str

    def open(self) -> Any:
        return load_embedder(self.file, device="cpu") if self.file else RandomInception()


def models(folder: Path, weights: Path | None) -> Iterator[Model]:
    """All that are at hand; exported files and cards that are missing are written into a folder."""
    for name in ("base", "depthwise"):
        file = checkpoint.resolve(name)
        yield Model(f"{name}, PyTorch", str(file))
        preprocess = checkpoint.load_checked_card(file).preprocess
        drawn = Selection.parse(str(DRAWN_PEOPLE))
        check_on, calibrate_on = faces_of_all_poses(drawn, preprocess, CHECKED_EACH, CALIBRATED_EACH)
        for format in FORMATS:
            out = folder / f"{name}-{format}.onnx"
            export(file, format, out, check_on, calibrate_on, drawn.title)
            yield Model(f"{name}, {format}", str(out))
    for title, name in EDGEFACE.items():
        if weights is None or not (weights / name).is_file():
            print(f"{title}: left out, there is no {name} in --weights", file=sys.stderr)
            continue
        file = folder / name
        file.write_bytes((weights / name).read_bytes())
        preprocess = Preprocess("five_point", 112, 1.0, "black", (127.5, 127.5, 127.5), 127.5)
        architecture = {"type": "onnx", "descriptor_size": 512}
        sha256 = checkpoint.file_sha256(file)
        save_card(Card(title, title, architecture, preprocess, "see its authors", sha256), file)
        yield Model(title, str(file))
    yield Model(RANDOM_INCEPTION, "")


def macs(model: Model) -> float:
    """Multiply-accumulates for one face, in convolutions and matrix products."""
    opened = model.open()
    if isinstance(opened, OnnxEmbedder):
        views = 2 if opened.card.mirror_sum else 1
        return views * onnx_macs(Path(model.file), opened.preprocess.size)
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network = opened._model if isinstance(opened, SFPNEmbedder) else opened.model
        with torch.no_grad():
            network(torch.zeros(1, 3, opened.preprocess.size, opened.preprocess.size))
    views = 2 if isinstance(opened, SFPNEmbedder) and opened.card.mirror_sum else 1
    return views * counter.get_total_flops() / 2


def onnx_macs(file: Path, size: int) -> float:
    """The same of an ONNX file, from the shapes that are there when it computes one face."""
    import onnx

    onnxruntime = onnx_runtime()

    model = onnx.load(str(file))
    counted = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    face = model.graph.input[0].name
    shapes[face] = (1, 3, size, size)
    wanted = {name for node in counted for name in (node.output[0], *node.input[:2])} - shapes.keys()
    there = {each.name for each in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - there))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(sorted(wanted), {face: np.zeros(shapes[face], np.float32)})
    shapes |= {name: value.shape for name, value in zip(sorted(wanted), values, strict=True)}
    total = 0.0
    for node in counted:
        of_first, of_weight = (shapes[name] for name in node.input[:2])
        transposed = any(each.name == "transA" and each.i for each in node.attribute)
        each_output = np.prod(of_weight[1:]) if node.op_type == "Conv" else of_first[0 if transposed else -1]
        total += float(np.prod(shapes[node.output[0]]) * each_output)
    return total


def peak_megabytes(model: Model | None) -> float:
    """Peak resident memory of a process of its own."""
    argument = "" if model is None else model.file or RANDOM_INCEPTION
    command = [sys.executable, "-m", "tests.benchmarks.side_by_side", "--peak-of", argument]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(argument: str) -> None:
    """What `peak_megabytes` asks its process for."""
    if argument:
        opened = Model("", "" if argument == RANDOM_INCEPTION else argument).open()
        opened.embed(_crops(opened, BATCH))
    # Not getrusage, which remembers the size of the process that started this one. Linux only.
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak) / 1024)


def timed(opened: list[Any], count: int, rounds: int) -> list[float]:
    """Median seconds of embedding so many crops, of each model; all take turns."""
    crops = [_crops(each, count) for each in opened]
    taken: list[list[float]] = [[] for _ in opened]
    for _ in range(rounds + 1):
        for each, pictures, times in zip(opened, crops, taken, strict=True):
            start = time.perf_counter()
            each.embed(pictures)
            times.append(time.perf_counter() - start)
    return [statistics.median(times[1:]) for times in taken]


def _crops(opened: Any, count: int) -> list[Image.Image]:
    size = opened.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in pixels]


def rates(model: Model, reports: list[Report]) -> str:
    """'2.29 / 9.62 / 12.80', EER in % of the pose pairs; '-' where no report has these weights."""
    sha256 = checkpoint.file_sha256(Path(model.file)) if model.file else ""
    for report in reports:
        header = report.header
        of_these = header["weights_sha256"] == sha256 and header.get("precision") == "float32"
        if of_these and header["protocol"] == "cfp":
            eers = [report.cell(pair).rates().eer for pair in PAIRS]
            return " / ".join("-" if eer is None else f"{100 * eer:.2f}" for eer in eers)
    return "-"


def main() -> None:
    """Export, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="where EdgeFace's ONNX files lie")
    parser.add_argument("--reports", type=Path, nargs="+", default=[], metavar="REPORT")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of is not None:
        print_peak(args.peak_of)
        return
    reports = [Report.load(folder) for folder in args.reports]
    with tempfile.TemporaryDirectory() as folder:
        rows = list(models(Path(folder), args.weights))
        empty, opened = peak_megabytes(None), [row.open() for row in rows]
        single, batch = timed(opened, 1, args.rounds), timed(opened, BATCH, max(3, args.rounds // 3))
        if not args.json:
            print(f"{torch.get_num_threads()} threads")
            print("| model | bytes | M MACs | ms a face | of base | images/s | MB | EER % F-F / F-P / P-P |")
            print("|---|---|---|---|---|---|---|---|")
        for row, one, many in zip(rows, single, batch, strict=True):
            found = {
                "model": row.title,
                "bytes": Path(row.file).stat().st_size if row.file else None,
                "macs": macs(row),
                "ms_a_face": 1000 * one,
                "of_base": one / single[0],
                "images_per_second": BATCH / many,
                "megabytes": peak_megabytes(row) - empty,
                "eer_percent": rates(row, reports),
            }
            print(json.dumps(found) if args.json else _line(found), flush=True)


def _line(found: dict[str, Any]) -> str:
    size = "-" if found["bytes"] is None else f"{found['bytes']:,}"
    return (
        f"| {found['model']} | {size} | {found['macs'] / 1e6:.0f} | {found['ms_a_face']:.1f} | {found['of_base']:.2f} "
        f"| {found['images_per_second']:.0f} | {found['megabytes']:.0f} | {found['eer_percent']} |"
    )


if __name__ == "__main__":
    main()
