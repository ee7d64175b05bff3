"""What ONNX Runtime computes on the processor is what PyTorch computes, which does it where that is not so."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from PIL import Image

pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements.txt)")

from sfpn.network import processor  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402
from sfpn.network.model import SFPN, SFPNConfig  # noqa: E402
from sfpn.network.onnx_graph import encode  # noqa: E402
from sfpn.network.processor import ProcessorNetwork, processor_network  # noqa: E402

POSES = ("frontal", "three_quarter", "profile")


def random_network(**config) -> SFPN:
    torch.manual_seed(1)
    return SFPN(SFPNConfig(**config)).eval()


def crops(count: int = 6) -> list[Image.Image]:
    return [drawn_image(POSES[n % 3], n // 3).resize((113, 113), Image.Resampling.BILINEAR) for n in range(count)]


@torch.inference_mode()
def torch_descriptors(network: SFPN, faces: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(faces)).numpy()


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("faces, size", [(1, 1000), (5, 37)])
def test_descriptors_are_those_of_pytorch(depthwise, faces, size):
    network = random_network(depthwise=depthwise, descriptor_size=size)
    batch = np.random.default_rng(faces).uniform(-130, 160, (faces, 3, 113, 113)).astype(np.float32)
    found, expected = ProcessorNetwork(network)(batch), torch_descriptors(network, batch)
    assert found.shape == (faces, size) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("name", ["base", "depthwise"])
def test_embeddings_of_the_bundled_networks_can_be_exchanged(name, monkeypatch):
    fast = load_embedder(name, device="cpu")
    monkeypatch.setattr("sfpn.network.embedders.processor_network", lambda network: None)
    plain = load_embedder(name, device="cpu")
    assert "ONNX Runtime" in fast.backend and "PyTorch" in plain.backend
    assert fast.precision == plain.precision == "float32" and fast.card == plain.card
    one, other = (embedder.embed(crops()).astype(np.float64) for embedder in (fast, plain))
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one, other))
    assert (one * other).sum(axis=1).min() > 0.9999999
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-5)  # the scores


@pytest.mark.parametrize("depthwise", [False, True])
def test_the_graph_is_an_onnx_file_that_copies_no_maps(depthwise):
    onnx = pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    network = random_network(depthwise=depthwise)
    model = onnx.load_from_string(encode(network))
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert "Concat" not in kinds
    weights = [onnx.numpy_helper.to_array(each) for each in model.graph.initializer]
    assert sum(each.size for each in weights) == sum(each.numel() for each in network.parameters())
    groups = {a.i for node in model.graph.node for a in node.attribute if a.name == "group"}
    assert groups == ({16, 32, 48, 64} if depthwise else set())
    from onnx.reference import ReferenceEvaluator

    faces = np.random.default_rng(0).uniform(-130, 160, (1, 3, 113, 113)).astype(np.float32)
    [found] = ReferenceEvaluator(model).run(None, {"faces": faces})  # pyright: ignore
    expected = torch_descriptors(network, faces)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())  # pyright: ignore


def test_batch_normalisation_has_to_be_folded_first():
    with pytest.raises(ValueError, match="fold the batch normalisation"):
        encode(random_network(batch_norm=True))


def test_without_onnx_runtime_pytorch_computes(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    embedder = load_embedder("depthwise", device="cpu")
    assert "PyTorch" in embedder.backend
    assert embedder.embed(crops(2)).shape == (2, 1000)


def test_a_processor_on_which_it_computes_something_else_is_left_to_pytorch(monkeypatch, caplog):
    network, other = random_network(depthwise=True), random_network(depthwise=True)
    with torch.no_grad():
        other.get_parameter("layers.conv10.conv.weight").mul_(1.01)
        other.get_parameter("layers.conv10.conv.bias").mul_(1.01)
    monkeypatch.setattr(processor, "encode", lambda _: encode(other))
    assert processor_network(network) is None and "other descriptors" in caplog.text
    monkeypatch.setattr(processor, "encode", lambda _: b"no network")
    assert processor_network(network) is None and "cannot be used" in caplog.text


def test_callers_at_once_share_the_threads_and_get_their_own(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    network = ProcessorNetwork(random_network(depthwise=True, descriptor_size=8))
    chance = np.random.default_rng(0)
    batches = [chance.uniform(-130, 160, (2, 3, 113, 113)).astype(np.float32) for _ in range(6)]
    alone = [network(batch) for batch in batches]
    with ThreadPoolExecutor(6) as visitors:
        together = list(visitors.map(network, batches))
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("embed-")]
    np.testing.assert_array_equal(np.stack(together), np.stack(alone))
    assert len(ours) <= 2 + torch.get_num_threads()  # also those of a test before this, which had another number


def test_bfloat16_and_graphics_processors_stay_with_pytorch():
    assert "PyTorch" in load_embedder("depthwise", device="cpu", bf16=True).backend
