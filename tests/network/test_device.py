"""Devices. This project's tests run where there is no GPU: torch is made to say that it has one, or the device is
"meta", on which torch checks that weights and faces are in the same place but computes nothing."""

from __future__ import annotations

import sys
from importlib.metadata import version

import numpy as np
import pytest
import torch
from PIL import Image

from sfpn.__main__ import main
from sfpn.errors import UserError
from sfpn.machine import choose_device
from sfpn.network import embedders


@pytest.fixture
def gpus(monkeypatch):
    """Makes torch say that it has so many CUDA devices, and MPS or not."""

    def pretend(count: int, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.delenv("LOCAL_RANK", raising=False)

    return pretend


@pytest.mark.parametrize(
    ("count", "mps", "chosen"), [(0, False, "cpu"), (0, True, "mps"), (1, True, "cuda:0"), (2, False, "cuda:0")]
)
def test_auto_takes_cuda_then_mps_then_the_processor(gpus, count, mps, chosen):
    gpus(count, mps)
    assert str(choose_device()) == chosen
    assert str(choose_device("cpu")) == "cpu"


def test_each_process_of_a_launch_takes_its_own_device(gpus, monkeypatch):
    gpus(2)
    for rank, index in enumerate([0, 1, 0]):  # three processes on two devices
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        assert choose_device() == torch.device("cuda", index)
        assert choose_device("cuda:1") == torch.device("cuda", 1)  # who names one gets that one


def test_cuda_convolves_in_all_bits(gpus, monkeypatch):
    gpus(1)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    choose_device("cpu")
    assert torch.backends.cudnn.allow_tf32  # who asks for no CUDA device finds PyTorch as it was
    choose_device("cuda")
    assert not torch.backends.cudnn.allow_tf32


def test_a_device_that_is_not_there_is_refused_in_a_sentence(gpus):
    gpus(0)
    for asked in ("cuda", "cuda:0", "mps"):
        with pytest.raises(UserError, match=f"device {asked}: this machine.*has none; give auto or cpu"):
            choose_device(asked)
    gpus(1)
    with pytest.raises(UserError, match="has none"):
        choose_device("cuda:1")
    for asked in ("gpu", "", "cuda:x", "meta"):
        with pytest.raises(UserError, match="not known; give auto"):
            choose_device(asked)


def test_weights_and_faces_go_to_the_device_and_embeddings_come_back(monkeypatch):
    monkeypatch.setattr(embedders, "choose_device", lambda asked: torch.device("meta"))
    seen = []

    def back(tensor: torch.Tensor) -> torch.Tensor:
        seen.append((tensor.device.type, tuple(tensor.shape)))
        return torch.ones(tensor.shape)

    embedder = embedders.load_embedder("depthwise")
    assert {each.device.type for each in embedder._model.parameters()} == {"meta"}
    monkeypatch.setattr(torch.Tensor, "cpu", back)
    found = embedder.embed([Image.new("RGB", (113, 113))] * 20)
    assert found.shape == (20, 1000) and found.dtype == np.float32
    assert seen == [("meta", (20, 1000))]  # one large batch, where a processor gets two


def test_the_processor_is_chosen_by_name(tmp_path, capsys):
    crop = Image.effect_mandelbrot((113, 113), (-2, -1, 1, 1), 90).convert("RGB")
    one, other = (embedders.load_embedder("depthwise", device=name).embed([crop]) for name in ("cpu", "auto"))
    cosine = float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))
    assert cosine == pytest.approx(1, abs=1e-3)  # 1 exactly where auto is the processor
    command = ["embed", "demo/assets/synthetic", "--model", "base", "--out", str(tmp_path / "e.parquet")]
    assert main([*command, "--device", "toaster"]) == 2
    assert "device 'toaster': not known" in capsys.readouterr().err


def test_onnx_files_stay_on_the_processor(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"x")
    with pytest.raises(UserError, match="computed by the processor here; give device auto or cpu, not cuda"):
        embedders.load_embedder(file, device="cuda")


def test_an_embedder_says_what_computes_it(monkeypatch):
    short = embedders.load_embedder("depthwise", device="cpu", bf16=True)
    assert f"PyTorch {version('torch')}, bfloat16 on cpu" in short.backend
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # with it: test_processor.py
    plain = embedders.load_embedder("depthwise", device="cpu")
    assert f"PyTorch {version('torch')}, float32 on cpu" in plain.backend
