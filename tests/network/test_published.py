"""The authors' published file, rebuilt: parameters and similarities of their example images."""

import json

import numpy as np
import pytest
import torch
from helpers.shared_material import PUBLISHED, needs_published
from PIL import Image

from sfpn.__main__ import main
from sfpn.errors import UserError
from sfpn.network import published
from sfpn.network.embedders import load_embedder
from sfpn.network.model import count_parameters
from sfpn.photos.preprocess import Preprocess

pytest.importorskip("matio", reason="needs mat-io (requirements-dev.txt)")


@needs_published
def test_rebuilt_network_gives_the_similarities_of_the_example_images():
    model = published.read_published(PUBLISHED)
    assert count_parameters(model) == 694_056 and model.config.depthwise
    crops = [Image.open(PUBLISHED.with_name(f"image_example{i}.png")).convert("RGB") for i in (1, 2, 3)]
    with torch.inference_mode():
        unit = torch.nn.functional.normalize(model(Preprocess().tensor(crops)))
    similarity = (unit @ unit.T).double().numpy()
    # read off MATLAB's network once, see the paper's published example
    assert np.round(similarity[[0, 0, 1], [1, 2, 2]], 4).tolist() == [0.7464, 0.7597, 0.7532]


@needs_published
def test_import_writes_weights_and_card_that_load(tmp_path, capsys):
    out = tmp_path / "published.safetensors"
    assert main(["import-published", str(PUBLISHED), "--out", str(out)]) == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["preprocess"]["crop_factor"] == 1.35 and card["preprocess"]["padding"] == "edge"
    assert card["preprocess"]["mean"] == [131.0912, 103.8827, 91.4953]
    assert len(card["descriptor_mean"]) == 1000
    assert out.stat().st_size < 2.5 * 2**20
    assert load_embedder(out).embed([Image.new("RGB", (113, 113))]).shape == (1, 1000)


@pytest.mark.parametrize("content", [b"", b"not a MATLAB file at all", b"MATLAB 5.0 MAT-file" + bytes(2000)])
def test_other_files_are_refused_in_one_sentence(tmp_path, content, capsys):
    path = tmp_path / "other.mat"
    path.write_bytes(content)
    assert main(["import-published", str(path), "--out", str(tmp_path / "x.safetensors")]) == 2
    message = capsys.readouterr().err
    assert "other.mat" in message and message.count("\n") == 1
    assert not (tmp_path / "x.safetensors").exists()


def test_no_network_is_said_plainly(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise published.urllib.error.URLError("no network")

    monkeypatch.setattr(published.urllib.request, "urlopen", refuse)
    with pytest.raises(UserError, match="connect to a network"):
        published.fetch("depthwise", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_hash_is_refused(tmp_path):
    (tmp_path / published.FILES["depthwise"][0]).write_bytes(b"something else")
    with pytest.raises(UserError, match="SHA-256"):
        published.fetch("depthwise", tmp_path)


def test_matlab_weights_are_reordered():
    height, width, inputs, outputs = 3, 2, 4, 5
    plain = np.arange(height * width * inputs * outputs, dtype=np.float32).reshape(height, width, inputs, outputs)
    turned = published._to_torch(plain)
    assert turned.shape == (outputs, inputs, height, width) and turned[4, 3, 2, 1] == plain[2, 1, 3, 4]
    grouped = np.arange(3 * 3 * 1 * 4 * 2, dtype=np.float32).reshape(3, 3, 1, 4, 2)  # 2 groups of 4 filters
    turned = published._to_torch(grouped)
    assert turned.shape == (8, 1, 3, 3) and turned[4 + 3, 0, 2, 1] == grouped[2, 1, 0, 3, 1]
