"""Programs for phones: their own runtime, given pixels, gives what Python gives with all that the card asks for."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from helpers.paths import ROOT
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


def in_a_process_of_its_own(program: str, *arguments: str) -> None:
    """The two runtimes crash when one process loads both (executorch 1.5.1, ai-edge-litert 2.3.0)."""
    script = f"import sys\nfrom pathlib import Path\n{program}"
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


EXPORT_AND_RUN = """
import numpy as np
from PIL import Image
from sfpn.network import {module}
weights, out, faces = map(Path, sys.argv[1:])
pixels = np.load(faces)
crops = [Image.fromarray(face.transpose(1, 2, 0).astype(np.uint8)) for face in pixels]
done = {module}.{module}(weights, out, crops[:2])
assert done.lowest_cosine >= 0.9999
np.save(faces, {module}.opened(out.read_bytes())(pixels))
"""


@kinds
def test_the_program_alone_gives_the_same_embeddings_and_its_card_lies_beside(kind, tmp_path):
    if kind.absent:
        pytest.skip(f"needs {kind.package} (the extra {kind.module.FORMAT})")
    direction = np.random.default_rng(1).normal(size=1000)
    weights, out, faces = tmp_path / "random.safetensors", tmp_path / kind.name, tmp_path / "faces.npy"
    card = save_random_model(
        weights,
        mirror_sum=True,
        descriptor_mean=tuple(np.linspace(0, 0.4, 1000).tolist()),
        pose_direction=tuple((direction / np.linalg.norm(direction)).tolist()),
    )
    pictures = crops(3)
    np.save(faces, np.stack([np.asarray(picture, np.float32).transpose(2, 0, 1) for picture in pictures]))
    program = EXPORT_AND_RUN.format(module=kind.module.__name__.rpartition(".")[2])
    in_a_process_of_its_own(program, str(weights), str(out), str(faces))
    found, wanted = np.load(faces), load_embedder(weights).embed(pictures)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    beside = load_card(out)
    assert beside.weights_sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
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
