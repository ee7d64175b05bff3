"""Identification runs by the command line: killed and continued, in two processes, both stages on real layouts."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from helpers.data_tools_layouts import encoded, make_ms1m, write
from helpers.evaluation_data import write_dataset
from helpers.launching import LAUNCHED
from helpers.paths import ROOT
from PIL import Image

from data_tools.__main__ import main as build_main
from sfpn.__main__ import main
from sfpn.network import checkpoint
from sfpn.training.identify.run import memory_advice
from sfpn.training.identify.trainer import IdentifyConfig, pair_consistency
from sfpn.training.log import read_log
from sfpn.training.loop import load_state

SMALL = ("--model", "depthwise", "--batch", "6", "--validation", "0.2", "--threads", "1", "--workers", "0")


@pytest.fixture(autouse=True)
def one_thread():
    """As in the processes that are killed; sums in another order would differ in the last digit."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "drawn")


def words(stage: str, dataset: Path, out: Path, *more: object) -> list[str]:
    return ["train", stage, str(dataset), "--out", str(out), *SMALL, *map(str, more)]


def start(arguments: list[str], launcher: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"} | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*launcher, "-m", "sfpn", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def log_of(folder: Path) -> list[dict]:
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in read_log(folder)]


@pytest.fixture(scope="module")
def unbroken(drawn, tmp_path_factory):
    """A whole run: one and a half epochs with dropout, a line every 24 images, the plateau's rates in a row."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert main(words("pretrain", drawn, folder, *LONG)) == 0
    return folder


LONG = ("--min-images", 2, "--epochs", 1.5, "--validate-every-images", 24, "--patience", 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_continues_to_the_same_loss(drawn, unbroken, tmp_path, number):
    arguments = words("pretrain", drawn, tmp_path, *LONG, "--save-every-seconds", 0)
    process = start(arguments)
    deadline = time.monotonic() + 300
    while not log_of(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    output = process.communicate(timeout=200)[0]
    if number == signal.SIGTERM:
        assert process.returncode == 0 and "the same command continues" in output
    assert len(log_of(tmp_path)) < len(log_of(unbroken)) and not (tmp_path / "depthwise.safetensors").exists()
    assert main(arguments) == 0
    assert log_of(tmp_path) == log_of(unbroken)
    one, other = (safetensors.torch.load_file(folder / "depthwise.safetensors") for folder in (unbroken, tmp_path))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_continued_run_must_have_the_same_settings(drawn, unbroken, capsys):
    assert main(words("pretrain", drawn, unbroken, *LONG, "--loss", "arcface")) == 2
    assert "other settings (loss)" in capsys.readouterr().err


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Pictures without flat areas: where neighbours are equal, rounding alone decides which max pooling takes."""
    folder, random = write_dataset(tmp_path_factory.mktemp("noise") / "noise"), np.random.default_rng(0)
    for file in folder.glob("data-*.parquet"):
        table = pq.read_table(file)
        rows = [row | {"image": {"bytes": noise_picture(random), "path": None}} for row in table.to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    return folder


def noise_picture(random: np.random.Generator) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_two_processes_equal_one_with_the_double_batch(noise, tmp_path):
    exact = ("--dropout", 0, "--freeze-batch-norm", "--epochs", 0.4, "--start-from", "depthwise", "--rates", 0.0001)
    process = start(words("finetune", noise, tmp_path / "two", *exact), LAUNCHED)  # 3 + 3 images a step
    assert main(words("finetune", noise, tmp_path / "one", *exact)) == 0  # 6
    assert main(words("finetune", noise, tmp_path / "parts", *exact, "--accumulate", 2)) == 0  # 3, then 3
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0 and "processes: 2" in output, output
    (wanted,), weights = log_of(tmp_path / "one"), trained(tmp_path / "one")
    moved = [float((weights[name] - value).abs().max()) for name, value in trained_start().items()]
    for folder in ("two", "parts"):
        assert log_of(tmp_path / folder) == [pytest.approx(wanted, rel=1e-5)]
        for name, value in trained(tmp_path / folder).items():
            assert float((weights[name] - value).abs().max()) < 0.01 * max(moved), (folder, name)


def trained(folder: Path) -> dict[str, torch.Tensor]:
    """The weights in a run's checkpoint, float32."""
    return load_state(folder)["recognizer"]


def trained_start() -> dict[str, torch.Tensor]:
    """The convolutions that the run started from."""
    network, _ = checkpoint.load("depthwise")
    return {f"network.{name}": value for name, value in network.state_dict().items() if name.endswith("conv.weight")}


def make_vggface2_train(root: Path, subjects: int = 3, images: int = 8) -> Path:
    """The layout of VGGFace2's train part."""
    names = [
        f"n{subject:06d}/{image:04d}_01.jpg" for subject in range(2, 2 + subjects) for image in range(1, images + 1)
    ]
    for seed, name in enumerate(names):
        write(root / "train" / name, encoded(seed))
    write(root / "train_list.txt", "\n".join(names) + "\n")
    return root


def test_both_stages_run_on_the_real_layouts(drawn, tmp_path, capsys):
    def build(kind: str, source: Path) -> Path:
        out = tmp_path / "datasets" / kind
        assert (
            build_main(["build", kind, str(source), "--no-detect", "--out", str(out), "--quiet", "--workers", "0"]) == 0
        )
        return out

    ms1m = build("ms1m", make_ms1m(tmp_path / "ms1m", per_identity=(9, 3, 8, 8)))
    vggface2 = build("vggface2", make_vggface2_train(tmp_path / "vggface2"))
    first, second = tmp_path / "runs" / "ms1m", tmp_path / "runs" / "vggface2"
    assert main(words("pretrain", ms1m, first, "--min-images", 8, "--epochs", 1)) == 0
    measured = ["--mean-from", str(drawn), "--set-on", str(drawn), "--measure-on", str(drawn)]
    balanced = ["--loss", "cosface", "--pose-balanced", "--consistency", 0.5, "--accumulate", 3]
    assert (
        main(words("finetune", f"{vggface2}:train", second, "--start-from", first, "--epochs", 1, *balanced, *measured))
        == 0
    )
    assert "3 of identities with too few images" in capsys.readouterr().out
    _, card = checkpoint.load(first / "depthwise.safetensors")
    assert (card.training["identities"], card.training["images"] + card.training["validation_images"]) == (3, 25)
    assert card.training["config"]["rates"] == [0.01, 0.005, 0.001, 0.0001] and card.training["from"] == "random"
    model, card = checkpoint.load(second / "depthwise.safetensors")
    assert card.training["from"] == "ms1m" and card.operating_points and card.results and card.descriptor_mean
    assert model(torch.zeros(1, 3, 113, 113)).shape == (1, 1000)
    assert {"identity", "pose", "validation_loss", "learning_rate", "epoch"} <= log_of(second)[-1].keys()
    assert card.training["last_validation"]["validation_loss"] == log_of(second)[-1]["validation_loss"]


def test_pair_consistency_is_the_mean_over_pairs_of_one_person():
    descriptors, labels = torch.randn(7, 5), torch.tensor([4, 4, 1, 2, 3, 3, 9])
    cosines = [float(torch.cosine_similarity(descriptors[i], descriptors[i + 1], dim=0)) for i in (0, 4)]
    assert float(pair_consistency(descriptors, labels)) == pytest.approx(
        sum(1 - value for value in cosines) / 3, abs=1e-6
    )


def test_too_little_memory_is_told_what_fits_more():
    assert memory_advice(IdentifyConfig(batch=128, accumulate=2), 4).startswith(
        "16 images at once do not fit; raise --accumulate 2"
    )


@pytest.mark.parametrize(
    "more, says",
    [
        (["--batch", 7, "--accumulate", 2], "give a multiple of 2"),
        (["--consistency", 1], "add --pose-balanced"),
        (["--validation", 2], "between 0 and 1"),
        (["--precision", "fp16"], "use another"),
        (["--set-on", "x"], "go together"),
        (["--start-from", "nowhere"], "no such model"),
    ],
)
def test_bad_options_are_one_sentence(drawn, tmp_path, capsys, more, says):
    assert main(words("pretrain", drawn, tmp_path, "--min-images", 2, *more)) == 2
    message = capsys.readouterr().err.strip()
    assert says in message.splitlines()[-1] and "Traceback" not in message
    assert not list(tmp_path.glob("*.pt"))
