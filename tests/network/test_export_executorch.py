"""ExecuTorch programs: its own runtime, given pixels, gives what Python gives with all that the card asks for."""

from __future__ import annotations

import hashlib
import importlib.util

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from helpers.small_models import save_random_model
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import export_executorch
from sfpn.network.card import load_card
from sfpn.network.embedders import load_embedder

absent = importlib.util.find_spec("executorch") is None
needs_executorch = pytest.mark.skipif(absent, reason="needs executorch (pip install executorch)")


def crops(count: int) -> list[Image.Image]:
    poses = ("frontal", "three_quarter", "profile")
    return [drawn_image(poses[n % 3], n // 3).resize((113, 113), Image.Resampling.BILINEAR) for n in range(count)]


@needs_executorch
def test_the_program_alone_gives_the_same_embeddings_and_its_card_lies_beside(tmp_path):
    direction = np.random.default_rng(1).normal(size=1000)
    weights = tmp_path / "random.safetensors"
    card = save_random_model(
        weights,
        mirror_sum=True,
        descriptor_mean=tuple(np.linspace(0, 0.4, 1000).tolist()),
        pose_direction=tuple((direction / np.linalg.norm(direction)).tolist()),
    )
    done = export_executorch.export_executorch(weights, tmp_path / "out.pte", crops(2))
    assert done.lowest_cosine >= 0.9999
    pictures = crops(3)
    pixels = np.stack([np.asarray(picture, np.float32).transpose(2, 0, 1) for picture in pictures])
    found, wanted = (
        export_executorch.run_program(done.path.read_bytes(), pixels),
        load_embedder(weights).embed(pictures),
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    beside = load_card(done.path)
    assert beside.weights_sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert (beside.name, beside.mirror_sum, beside.descriptor_mean) == ("random-executorch", False, None)
    assert beside.extra["exported"]["from_weights_sha256"] == card.weights_sha256


@pytest.fixture
def pretended(monkeypatch):
    """As if executorch were there: the program is empty, and its runtime gives what the test says."""
    monkeypatch.setattr(export_executorch, "require_executorch", lambda: None)
    monkeypatch.setattr(export_executorch, "lowered", lambda model, shape: b"program")

    def gives(change: float) -> None:
        def run(encoded: bytes, pixels: np.ndarray) -> np.ndarray:
            assert encoded == b"program" and pixels.shape == (2, 3, 113, 113) and pixels.max() > 1
            exact = load_embedder("depthwise").embed(crops(2))
            return exact + change * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0)).numpy()

        monkeypatch.setattr(export_executorch, "run_program", run)

    return gives


def test_a_program_that_strays_is_not_left_behind(pretended, tmp_path):
    out = tmp_path / "out.pte"
    pretended(5.0)
    with pytest.raises(UserError, match="not written.*lowest cosine of 2 faces is 0.[0-9]*, below 0.9999"):
        export_executorch.export_executorch("depthwise", out, crops(2))
    assert list(tmp_path.iterdir()) == []
    pretended(0.0)
    assert export_executorch.export_executorch("depthwise", out, crops(2)).bytes == len(b"program")
    assert out.read_bytes() == b"program" and load_card(out).architecture["type"] == "executorch"


def test_what_cannot_be_exported_is_refused_in_a_sentence(pretended, tmp_path):
    with pytest.raises(UserError, match="ends in .pte"):
        export_executorch.export_executorch("depthwise", tmp_path / "out.onnx", crops(1))
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(b"")
    with pytest.raises(UserError, match="is an ONNX file"):
        export_executorch.export_executorch(bare, tmp_path / "out.pte", crops(1))


@pytest.mark.skipif(not absent, reason="executorch is installed")
def test_without_the_package_it_says_what_to_install(tmp_path):
    with pytest.raises(UserError, match="needs the package executorch; run: pip install executorch"):
        export_executorch.export_executorch("depthwise", tmp_path / "out.pte", crops(1))
