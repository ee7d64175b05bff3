"""What keeps the app's memory small: pools of the C library and of pyarrow, and work done by other processes."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers.paths import ROOT

from demo.common import apart, jobs
from demo.common.apart import run_apart
from demo.common.memory import give_memory_back
from demo.embeddings import neighbour_maps, projection
from demo.model.card_html import layers
from sfpn.errors import UserError
from sfpn.network import checkpoint

COUNT_POOLS = """import ctypes, sys, threading
from demo.common.memory import hold_little
hold_little()
barrier = threading.Barrier(12)
def work():
    barrier.wait()
    kept = [bytes(1000) for _ in range(1000)]
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.fclose.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
import pyarrow
print(pyarrow.default_memory_pool().backend_name)"""


def has_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not has_glibc(), reason="only glibc has pools per thread")
def test_twelve_threads_share_two_pools_and_pyarrow_has_none(tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "ARROW_"))}
    command = [sys.executable, "-c", COUNT_POOLS, str(tmp_path / "pools.xml")]
    said = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "system"
    assert 1 <= (tmp_path / "pools.xml").read_text().count("<heap nr=") <= 2


def test_memory_is_given_back_on_any_system(monkeypatch):
    give_memory_back()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())  # a C library that knows no such thing
    give_memory_back()


def test_a_process_apart_that_fails_says_why():
    with pytest.raises(UserError, match="^nowhere: no such model"):
        run_apart("demo.on_device", "make", "--named", "one", "nowhere")


def test_a_process_apart_ends_with_its_job(monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *given, **more) -> None:
            super().__init__(*given, **more)
            started.append(self)

    monkeypatch.setattr(apart.subprocess, "Popen", Recorded)
    steps = jobs.follow(lambda report: run_apart("http.server", "--bind", "127.0.0.1", "0"))
    next(steps)
    while not started:
        time.sleep(0.01)
    steps.close()
    assert started[0].wait(timeout=60) < 0  # by a signal


def test_maps_made_apart_are_those_made_here(tmp_path, monkeypatch):
    values = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
    monkeypatch.setattr(projection, "LANDMARKS", 40)
    found = projection.project(values, "t-SNE", tmp_path)
    here = neighbour_maps.between_landmarks(
        projection.pca(values, 12)[0], projection.drawn(60, 40), neighbour_maps.METHODS["t-SNE"]
    )
    np.testing.assert_allclose(found, here.astype(np.float32), rtol=1e-3, atol=1e-3)
    assert [file.name for file in tmp_path.iterdir()] == [projection.kept_file(values, "t-SNE", tmp_path).name]


@pytest.mark.parametrize("name", ["base", "depthwise"])
def test_layers_of_a_card_are_those_that_a_picture_passes(name):
    network, card = checkpoint.load(name)
    maps, passed = torch.zeros(1, 3, 113, 113), []
    for layer_name, layer in network.layers.named_children():
        maps = layer(maps)
        passed.append((layer_name, tuple(maps.shape[1:]), sum(p.numel() for p in layer.parameters())))
    assert layers(card) == [line for line in passed if line[0] != "dropout"]
