"""How many processors may be used: affinity and quotas of control groups, from files laid out as the kernel does."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

from sfpn import machine
from sfpn.commands.stages.identify import default_workers


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def kernel(folder: Path, own: str, files: dict[str, str]) -> dict[str, Path]:
    """The arguments of cpu_quota: /proc/self/cgroup and /sys/fs/cgroup as folders of this test."""
    for name, text in files.items():
        write(folder / "cgroup" / name, text)
    return {"own": write(folder / "proc" / "cgroup", own), "root": folder / "cgroup"}


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/pod/box\n", {"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, 3.0),  # of a parent
        ("0::/pod/box\n", {"pod/box/cpu.max": "100000 100000\n", "pod/cpu.max": "300000 100000\n"}, 1.0),
        ("0::/of/the/host\n", {"cpu.max": "150000 100000\n"}, 1.5),  # a container sees its own group as the root
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ("4:cpuacct,cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "50000\n"}, 2.0),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("0::/\n", {}, None),
        ("", {}, None),
        ("nonsense\n", {"cpu.max": "many few\n"}, None),
        ("0::/\n", {"cpu.max": "100000 0\n"}, None),
    ],
)
def test_quota_of_control_groups(tmp_path, own, files, quota):
    assert machine.cpu_quota(**kernel(tmp_path, own, files)) == quota


def test_no_control_groups_is_no_quota(tmp_path):
    assert machine.cpu_quota(own=tmp_path / "none", root=tmp_path / "none") is None


@pytest.mark.parametrize(
    ("affinity", "quota", "most", "expected"),
    [(1, None, 16, 1), (64, None, 16, 16), (64, 2.0, 16, 2), (4, 8.0, 16, 4), (8, 0.5, 16, 1), (8, 2.9, 16, 2)],
)
def test_the_least_of_affinity_quota_and_cap_and_at_least_one(monkeypatch, affinity, quota, most, expected):
    monkeypatch.setattr(machine, "affinity", lambda: affinity)
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    assert machine.processors(most) == expected


def test_processors_are_shared_among_processes(monkeypatch):
    monkeypatch.setattr(machine, "affinity", lambda: 8)
    monkeypatch.setattr(machine, "cpu_quota", lambda: None)
    assert [machine.processors(16, share=n) for n in (1, 2, 3, 100)] == [8, 4, 2, 1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_process_bound_to_one_processor_has_one():
    one = min(os.sched_getaffinity(0))
    check = f"import os; os.sched_setaffinity(0, {{{one}}}); from sfpn.machine import processors; print(processors(64))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, check=True).stdout == b"1\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
@pytest.mark.parametrize("module", ["data_tools.cli", "data_tools.synthetic.cli"])
def test_the_default_of_workers_follows_the_affinity(module):
    one = min(os.sched_getaffinity(0))
    words = ["folder", "x", "--out", "y"] if module == "data_tools.cli" else ["--out", "y"]
    check = f"""
import os, argparse, importlib
os.sched_setaffinity(0, {{{one}}})
parser = argparse.ArgumentParser()
importlib.import_module({module!r}).add_arguments(parser)
print(parser.parse_args({words!r}).workers)
"""
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, check=True).stdout == b"1\n"


@pytest.mark.parametrize(("usable", "processes", "expected"), [(1, 1, 1), (64, 1, 8), (64, 16, 4), (8, 64, 1)])
def test_workers_of_training_are_a_process_share(monkeypatch, usable, processes, expected):
    monkeypatch.setattr(machine, "affinity", lambda: usable)
    monkeypatch.setattr(machine, "cpu_quota", lambda: None)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert default_workers() == expected


def test_one_line_says_what_computes_embeddings():
    from importlib.metadata import version

    import torch

    words = machine.backend_words("cpu", runtime="PyTorch")
    ours = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert ours and words.startswith(f"sfpn {ours[1]}, PyTorch {version('torch')}, float32 on cpu (")
    assert words.endswith(f", threads: {torch.get_num_threads()})") and "\n" not in words
    assert torch.backends.cpu.get_cpu_capability() in words
    there = importlib.util.find_spec("onnxruntime")
    fastest = f"ONNX Runtime {version('onnxruntime')}" if there else f"PyTorch {version('torch')}"
    assert f"{fastest}, float32 on cpu" in machine.backend_words("cpu")
    assert f"PyTorch {version('torch')}, bfloat16 on cpu" in machine.backend_words("cpu", "bfloat16")


def test_the_line_is_that_of_a_bundled_network():
    from sfpn.network.embedders import load_embedder

    assert load_embedder("depthwise", device="cpu").backend == machine.backend_words("cpu")


def test_the_line_names_a_graphics_processor(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Pretended {device.index}")
    assert machine.backend_words(torch.device("cuda", 1)).endswith("float32 on cuda:1 (Pretended 1)")


def test_the_version_is_that_of_the_checkout_else_of_what_is_installed(tmp_path, monkeypatch):
    ours = write(tmp_path / "pyproject.toml", '[project]\nname = "squeezefaceposenet"\nversion = "7.8.9"\n')
    assert machine.package_version(ours) == "7.8.9"
    other = write(tmp_path / "other.toml", '[project]\nname = "somebody"\nversion = "1.0"\n')
    monkeypatch.setattr(machine.importlib.metadata, "version", lambda name: f"installed {name}")
    for file in (other, tmp_path / "absent.toml"):
        assert machine.package_version(file) == "installed squeezefaceposenet"


def test_version_prints_the_line_and_ends():
    done = subprocess.run(
        [sys.executable, "-m", "sfpn", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"sfpn \S+, (PyTorch|ONNX Runtime) \S+, float32 on \S+ \(.+\)\n", done.stdout)
