"""Exported files: ONNX Runtime alone, given pixels, gives what Python gives with all that the card asks for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

onnx = pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.drawn_people import drawn_image  # noqa: E402
from helpers.small_models import random_card, save_random_model  # noqa: E402

from sfpn.errors import UserError  # noqa: E402
from sfpn.network import checkpoint, export, exported, onnx_writing  # noqa: E402
from sfpn.network.card import load_card, save_card  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402
from sfpn.network.model import SFPN, SFPNConfig  # noqa: E402
from sfpn.photos.preprocess import Preprocess  # noqa: E402
from sfpn.verification.verifier import Verifier  # noqa: E402

POSES = ("frontal", "three_quarter", "profile")


def crops(count: int, first: int = 0, size: int = 113) -> list[Image.Image]:
    """Drawn faces of all poses, about as large as in a crop."""
    return [
        drawn_image(POSES[n % 3], n // 3).resize((size, size), Image.Resampling.BILINEAR)
        for n in range(first, first + count)
    ]


def pixels(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(picture, np.float32).transpose(2, 0, 1) for picture in pictures])


def run_alone(path, batch: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["face"]
    assert [each.name for each in session.get_outputs()] == ["embedding"]
    return session.run(None, {"face": batch})[0]


def numpy_embedding(path, batch: np.ndarray) -> np.ndarray:
    """From the definition in the card's fields: only the network itself is the project's."""
    network, card = checkpoint.load(path)
    p = card.preprocess
    faces = (batch - np.array(p.mean, np.float32)[:, None, None]) / p.scale
    faces = faces[:, ::-1] if p.channels == "BGR" else faces
    views = [faces, faces[..., ::-1]] if card.mirror_sum else [faces]
    with torch.inference_mode():
        found = sum(network(torch.from_numpy(view.astype(np.float32).copy())).numpy().astype(float) for view in views)
    if card.descriptor_mean is not None:
        found = found - len(views) * np.array(card.descriptor_mean)
    if card.pose_direction is not None:
        v = np.array(card.pose_direction)
        found = found - (found @ v)[:, None] * v
    return found


def unit(size: int) -> tuple[float, ...]:
    vector = np.random.default_rng(1).normal(size=size)
    return tuple((vector / np.linalg.norm(vector)).tolist())


CARDS = {
    "as it is": {},
    "mirrored and centred": {
        "mirror_sum": True,
        "descriptor_mean": tuple(np.linspace(0, 0.4, 1000).tolist()),
        "pose_direction": unit(1000),
    },
    "BGR, scaled": {"preprocess": Preprocess(channels="BGR", mean=(127.5, 110.0, 90.0), scale=1.5)},
    "without mean": {"preprocess": Preprocess(mean=(0, 0, 0)), "mirror_sum": True},
}


@pytest.mark.parametrize("changes", CARDS.values(), ids=CARDS)
def test_the_file_alone_gives_the_same_embeddings(tmp_path, changes):
    weights = tmp_path / "random.safetensors"
    save_random_model(weights, **changes)
    pictures = crops(4)
    done = export.export(weights, "onnx", tmp_path / "out.onnx", pictures)
    assert done.lowest_cosine > 0.9999
    wanted = numpy_embedding(weights, pixels(pictures))
    for count in (1, 3, 4):  # any number of faces
        found = run_alone(done.path, pixels(pictures)[:count])
        np.testing.assert_allclose(found, wanted[:count], rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    again = load_embedder(done.path)  # through the card beside it
    np.testing.assert_allclose(again.embed(pictures), wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_the_card_goes_along_inside_and_beside(tmp_path):
    weights = tmp_path / "random.safetensors"
    card = save_random_model(weights, **CARDS["mirrored and centred"])
    done = export.export(weights, "onnx", tmp_path / "out.onnx", crops(2))
    beside, inside = load_card(done.path), onnx_writing.card_inside(done.path)
    assert beside.weights_sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert replace(beside, weights_sha256="") == inside  # a file cannot hold its own hash
    assert (beside.operating_points, beside.histograms) == (card.operating_points, card.histograms)
    assert (beside.name, beside.licence) == ("random-onnx", card.licence)
    assert beside.extra["exported"]["from_weights_sha256"] == card.weights_sha256
    assert (beside.mirror_sum, beside.descriptor_mean, beside.pose_direction) == (False, None, None)
    assert (beside.preprocess.mean, beside.preprocess.scale, beside.preprocess.channels) == ((0, 0, 0), 1, "RGB")
    assert beside.preprocess.crop_factor == card.preprocess.crop_factor
    properties = {each.key: each.value for each in onnx.load(str(done.path)).metadata_props}
    assert json.loads(properties["card"])["name"] == "random-onnx" and "0 to 255" in properties["face"]


def test_the_verifier_decides_the_same_with_the_file(tmp_path):
    done = export.export("depthwise", "onnx", tmp_path / "small.onnx", crops(2))
    a, b = drawn_image("frontal", 0), drawn_image("profile", 0)
    original, exported = (Verifier.from_pretrained(str(name))(a, b) for name in ("depthwise", done.path))
    assert exported.decision == original.decision and exported.score == pytest.approx(original.score, abs=1e-4)


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    return export.export("depthwise", "onnx-int8", folder / "small.onnx", crops(6, 24), crops(24), "drawn people")


def test_int8_is_small_and_close(int8):
    assert int8.bytes == int8.path.stat().st_size <= 800_000
    pictures = crops(6, 30)  # neither calibrated nor checked on
    found, wanted = run_alone(int8.path, pixels(pictures)), load_embedder("depthwise").embed(pictures)
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert np.median(cosines) > 0.985


def test_int8_weights_are_symmetric_one_scale_a_channel_and_the_first_layer_is_float(int8):
    model = onnx.load(str(int8.path))
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    made_by = {output: node for node in model.graph.node for output in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert constants[convolutions[0].input[1]].dtype == np.float32 and len(convolutions) == 26
    for node in convolutions[1:]:
        weight, scale, zero = (constants[name] for name in made_by[node.input[1]].input)
        assert weight.dtype == np.int8 and scale.shape == (len(weight),) and not zero.any()
        assert np.abs(weight.astype(int)).max() == 127
    network = SFPN.from_pretrained("depthwise")
    last = made_by[convolutions[-1].input[1]].input
    restored = constants[last[0]].astype(np.float32) * constants[last[1]][:, None, None, None]
    exact = network.get_submodule("layers.conv10.conv").weight.detach().numpy()
    assert np.abs(restored - exact).max() <= constants[last[1]].max() / 2 * 1.001  # half a step


def test_the_int8_card_says_that_its_rates_were_measured_in_float(int8):
    card = load_card(int8.path)
    assert card.name == "depthwise-int8" and card.results == [] and card.operating_points
    assert "not measured with this int8 file" in card.limits
    assert card.extra["exported"]["calibrated_on"] == "drawn people: 24 faces"
    assert load_embedder(int8.path).embed(crops(2)).shape == (2, 1000)


def test_a_file_that_strays_is_not_left_behind(tmp_path, monkeypatch):
    out = tmp_path / "out.onnx"
    other, _ = checkpoint.load("depthwise")
    with torch.no_grad():
        other.get_submodule("layers.fire5.expand1x1.conv").weight *= 1.1
    traced = export.traced
    monkeypatch.setattr(
        export, "traced", lambda model, *rest: traced(exported.FromPixels(other, other.card).eval(), *rest)
    )
    with pytest.raises(UserError, match="not written.*lowest cosine of 3 faces is 0.[0-9]*, below 0.9999"):
        export.export("depthwise", "onnx", out, crops(3))
    assert list(tmp_path.iterdir()) == []


def test_int8_that_was_calibrated_on_the_wrong_pictures_is_refused(tmp_path):
    black = [Image.new("RGB", (113, 113))] * 8
    with pytest.raises(UserError, match="not written.*median cosine.*calibrate on more faces of all poses"):
        export.export("depthwise", "onnx-int8", tmp_path / "out.onnx", crops(6), black)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="ends in .onnx"):
        export.export("depthwise", "onnx", tmp_path / "out.bin", crops(1))
    with pytest.raises(UserError, match="at least 8 faces"):
        export.export("depthwise", "onnx-int8", tmp_path / "out.onnx", crops(1), crops(7))
    done = export.export("depthwise", "onnx", tmp_path / "one.onnx", crops(1))
    with pytest.raises(UserError, match="is an ONNX file already"):
        export.export(done.path, "onnx-int8", tmp_path / "two.onnx", crops(1), crops(8))
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(b"")
    with pytest.raises(UserError, match="holds no card"):
        onnx_writing.card_inside(bare)


def test_batch_normalisation_is_gone_before_the_export(tmp_path):
    """Weights on disk are always folded; a network that still had it would not get there."""
    with pytest.raises(ValueError, match="fold batch normalisation"):
        checkpoint.save(SFPN(SFPNConfig(batch_norm=True)), random_card(), tmp_path / "bn.safetensors")
    weights = tmp_path / "folded.safetensors"
    save_card(random_card(), weights)
    SFPN(SFPNConfig(depthwise=True, batch_norm=True)).eval().save_pretrained(tmp_path / "model", random_card())
    done = export.export(tmp_path / "model", "onnx", tmp_path / "out.onnx", crops(2))
    assert not any(node.op_type == "BatchNormalization" for node in onnx.load(str(done.path)).graph.node)
