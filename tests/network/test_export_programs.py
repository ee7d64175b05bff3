"""Programs for phones: their own runtime, given pixels, gives what Python gives with all that the card asks for."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from helpers.small_models import save_random_model
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import export_executorch, export_litert
from sfpn.network.card import load_card
from sfpn.network.embedders import load_embedder
from sfpn.network.exported import Exported


@dataclass(frozen=True)
class Kind:
    module: ModuleType
    export: Callable[[str | Path, Path, list[Image.Image]], Exported]
    package: str
    require: str
    encoded: str
    install: str

    @property
    def absent(self) -> bool:
        return importlib.util.find_spec(self.package) is None

    @property
    def name(self) -> str:
        return "out" + self.module.SUFFIX


KINDS = [
    Kind(
        export_executorch,
        export_executorch.export_executorch,
        "executorch",
        "require_executorch",
        "lowered",
        "needs the package executorch; run: pip install executorch",
    ),
    Kind(
        export_litert,
        export_litert.export_litert,
        "litert_torch",
        "require_litert",
        "converted",
        "run: pip install litert-torch ai-edge-litert",
    ),
]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.module.FORMAT)


def crops(count: int) -> list[Image.Image]:
    poses = ("frontal", "three_quarter", "profile")
    return [drawn_image(poses[n % 3], n // 3).resize((113, 113), Image.Resampling.BILINEAR) for n in range(count)]


@kinds
def test_the_program_alone_gives_the_same_embeddings_and_its_card_lies_beside(kind, tmp_path):
    if kind.absent:
        pytest.skip(f"needs {kind.package} (the extra {kind.module.FORMAT})")
    direction = np.random.default_rng(1).normal(size=1000)
    weights = tmp_path / "random.safetensors"
    card = save_random_model(
        weights,
        mirror_sum=True,
        descriptor_mean=tuple(np.linspace(0, 0.4, 1000).tolist()),
        pose_direction=tuple((direction / np.linalg.norm(direction)).tolist()),
    )
    done = kind.export(weights, tmp_path / kind.name, crops(2))
    assert done.lowest_cosine >= 0.9999
    pictures = crops(3)
    pixels = np.stack([np.asarray(picture, np.float32).transpose(2, 0, 1) for picture in pictures])
    run = kind.module.opened(done.path.read_bytes())  # which nobody here keeps
    wanted = load_embedder(weights).embed(pictures)
    np.testing.assert_allclose(run(pixels), wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    np.testing.assert_array_equal(run(pixels[1:2]), run(pixels)[1:2])
    beside = load_card(done.path)
    assert beside.weights_sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert (beside.name, beside.mirror_sum, beside.descriptor_mean) == (f"random-{kind.module.FORMAT}", False, None)
    assert beside.extra["exported"]["from_weights_sha256"] == card.weights_sha256


def pretend(kind: Kind, monkeypatch, change: float) -> None:
    """As if the package were there: the program is empty, and its runtime gives what Python does, changed so much."""

    def run(pixels: np.ndarray) -> np.ndarray:
        assert pixels.shape == (2, 3, 113, 113) and pixels.max() > 1
        exact = load_embedder("depthwise").embed(crops(2))
        return exact + change * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0)).numpy()

    monkeypatch.setattr(kind.module, kind.require, lambda: None)
    monkeypatch.setattr(kind.module, kind.encoded, lambda model, shape: b"program")
    monkeypatch.setattr(kind.module, "opened", {b"program": run}.__getitem__)


@kinds
def test_a_program_that_strays_is_not_left_behind(kind, monkeypatch, tmp_path):
    out = tmp_path / kind.name
    pretend(kind, monkeypatch, 5.0)
    with pytest.raises(UserError, match="not written.*lowest cosine of 2 faces is 0.[0-9]*, below 0.9999"):
        kind.export("depthwise", out, crops(2))
    assert list(tmp_path.iterdir()) == []
    pretend(kind, monkeypatch, 0.0)
    assert kind.export("depthwise", out, crops(2)).bytes == len(b"program")
    assert out.read_bytes() == b"program" and load_card(out).architecture["type"] == kind.module.FORMAT


@kinds
def test_what_cannot_be_exported_is_refused_in_a_sentence(kind, monkeypatch, tmp_path):
    pretend(kind, monkeypatch, 0.0)
    with pytest.raises(UserError, match=f"ends in {kind.module.SUFFIX}"):
        kind.export("depthwise", tmp_path / "out.onnx", crops(1))
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(b"")
    with pytest.raises(UserError, match="is an ONNX file"):
        kind.export(bare, tmp_path / kind.name, crops(1))


@kinds
def test_without_the_package_it_says_what_to_install(kind, tmp_path):
    if not kind.absent:
        pytest.skip(f"{kind.package} is installed")
    with pytest.raises(UserError, match=kind.install):
        kind.export("depthwise", tmp_path / kind.name, crops(1))
