"""ONNX networks in a process of their own: the same numbers and sentences, and none takes its caller down."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.drawn_networks import Kind, expected, make, save  # noqa: E402
from helpers.hostile_networks import endless, huge  # noqa: E402

from sfpn.errors import UserError  # noqa: E402
from sfpn.network.embedders import OnnxEmbedder, load_embedder  # noqa: E402
from sfpn.network.onnx_guarded import Bounds, GuardedModel  # noqa: E402
from sfpn.network.onnx_model import OnnxModel, Undecided  # noqa: E402

SHORT = Bounds(open_seconds=60, pass_seconds=2)


def written(folder: Path, encoded: bytes) -> Path:
    (folder / "net.onnx").write_bytes(encoded)
    return folder / "net.onnx"


def pixels(count: int = 5, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (count, 3, size, size)).astype(np.float32)


@pytest.mark.parametrize(
    "kind",
    [
        Kind(norm=True),
        Kind(layout="NHWC", batch=3, name="data"),
        Kind(dtype="uint8", batch=1, output="square"),
        Kind(layout="NHWC", dtype="uint8", output="middle", size=13, name="face:0"),
        Kind(dtype="float16", batch=4),
    ],
)
def test_odd_layouts_give_the_numbers_that_numpy_gives(tmp_path, kind):
    path = written(tmp_path, make(kind))
    batch = pixels(size=kind.size)
    model = GuardedModel(path)
    found = model.run(batch)
    model.close()
    here = OnnxModel(path, path.read_bytes())
    assert (model.size, model.descriptor_size, model.output) == (here.size, here.descriptor_size, here.output)
    assert model.input == here.input
    np.testing.assert_allclose(found, expected(batch.transpose(0, 2, 3, 1)), rtol=2e-3, atol=0.2)


def test_a_model_with_its_card_gives_the_same_embeddings_here_and_apart(tmp_path):
    path = save(tmp_path / "net.onnx", make(Kind()), descriptor_size=5)
    crops = [Image.fromarray(each.transpose(1, 2, 0).astype(np.uint8)) for each in pixels(20)]
    embedder = OnnxEmbedder(path, guarded=SHORT)
    np.testing.assert_array_equal(embedder.embed(crops), load_embedder(path).embed(crops))
    embedder.close()


@pytest.mark.parametrize(
    ("encoded", "choices"),
    [
        (b"no network", {}),
        (b"", {}),
        (make(Kind())[:-40], {}),
        (make(Kind()), {"size": 9}),
        (make(Kind()), {"output": "absent"}),
        (make(Kind(open_size=True)), {}),
        (make(Kind(batch=1000)), {}),
    ],
)
def test_what_does_not_fit_gets_the_sentence_that_the_command_gives(tmp_path, encoded, choices):
    path = written(tmp_path, encoded)
    with pytest.raises(UserError) as here:
        OnnxModel(path, encoded, **choices)
    with pytest.raises(type(here.value)) as apart:
        GuardedModel(path, **choices)
    assert str(apart.value) == str(here.value) and "\n" not in str(apart.value)


def test_a_size_that_is_not_stated_can_be_told(tmp_path):
    path = written(tmp_path, make(Kind(open_size=True)))
    with pytest.raises(Undecided, match="does not state the size"):
        GuardedModel(path)
    model = GuardedModel(path, size=8)
    assert model.run(pixels()).shape == (5, 5)
    model.close()


def test_a_network_that_never_ends_is_ended(tmp_path):
    path = written(tmp_path, endless())
    began = time.monotonic()
    with pytest.raises(UserError, match="took more than 3 seconds and was ended"):
        GuardedModel(path, bounds=Bounds(open_seconds=3))
    assert time.monotonic() - began < 30


def test_one_that_never_ends_only_on_real_pictures_too_and_can_be_asked_again(tmp_path):
    model = GuardedModel(written(tmp_path, endless(only_for_light=True)), bounds=SHORT)
    for _ in range(2):
        with pytest.raises(UserError, match="took more than 2 seconds"):
            model.run(pixels())
        assert model.run(np.zeros((2, 3, 8, 8), np.float32)).shape == (2, 5)
    model.close()


@pytest.mark.parametrize("numbers", [2**31, 2**40])
def test_one_that_wants_all_memory_gets_a_sentence(tmp_path, numbers):
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is bounded on Linux only")
    with pytest.raises(UserError, match="cannot be run on an empty picture|wants more than 1 GB of memory"):
        GuardedModel(written(tmp_path, huge(numbers)), bounds=Bounds(memory_bytes=1_000_000_000))


def test_whoever_waits_can_be_ended_and_takes_the_process_along(tmp_path):
    model = GuardedModel(written(tmp_path, endless(only_for_light=True)), bounds=Bounds(pass_seconds=60))
    process = model._process
    waiting = threading.Thread(target=lambda: pytest.raises(UserError, model.run, pixels()))
    waiting.start()
    time.sleep(0.5)
    model.close()
    waiting.join(10)
    assert not waiting.is_alive() and process.poll() is not None


def test_the_process_ends_with_the_one_that_started_it(tmp_path):
    path = written(tmp_path, make(Kind()))
    code = (
        "import sys, os; from sfpn.network.onnx_guarded import GuardedModel\n"
        f"model = GuardedModel(__import__('pathlib').Path({str(path)!r}))\n"
        "print(model._process.pid, flush=True); os._exit(0)"
    )
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    pid = int(started.stdout)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text()

    for _ in range(100):
        if gone():
            return
        time.sleep(0.1)
    pytest.fail(f"the process {pid} still runs")


def test_the_process_loads_no_torch():
    code = "import sys, sfpn.network.onnx_guarded; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
