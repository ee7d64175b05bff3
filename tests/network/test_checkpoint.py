"""Weights and cards: what is saved is what is loaded, and nothing that does not fit gets in."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from helpers.small_models import random_card, save_random_model
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.card import Card, load_card, save_card
from sfpn.network.embedders import load_embedder
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "small.safetensors"
    save_random_model(path)
    return path


def noise_crops(count: int, size: int = 113) -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 255, (size, size, 3), dtype=np.uint8)) for _ in range(count)]


@pytest.mark.parametrize("depthwise, limit_mib", [(False, 4.41), (True, 2.5)])
def test_saved_and_loaded_networks_agree_to_half_precision(tmp_path, depthwise, limit_mib):
    path = tmp_path / "net.safetensors"
    save_random_model(path, depthwise)
    torch.manual_seed(0)
    model = SFPN(SFPNConfig(depthwise=depthwise)).eval()
    loaded, card = checkpoint.load(path)
    faces = torch.randn(2, 3, 113, 113) * 60
    with torch.inference_mode():
        torch.testing.assert_close(loaded(faces), model(faces), rtol=5e-3, atol=5e-3)
    assert path.stat().st_size < limit_mib * 2**20
    assert card.weights_sha256 == checkpoint.file_sha256(path)


def test_batch_normalisation_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="fold"):
        checkpoint.save(SFPN(SFPNConfig(batch_norm=True)), random_card(), tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_card_round_trip_keeps_everything_and_what_it_does_not_know(tmp_path):
    card = random_card(descriptor_mean=(0.5, 1.0), pose_direction=(0.6, 0.8), extra={"later_field": [1, 2]})
    save_card(card, tmp_path / "a.safetensors")
    assert load_card(tmp_path / "a.safetensors") == card
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_unknown_name_lists_what_there_is():
    with pytest.raises(UserError, match="bundled"):
        checkpoint.load("no-such-model")


def damaged(path, change):
    record = json.loads(path.with_suffix(".json").read_text())
    change(record)
    path.with_suffix(".json").write_text(json.dumps(record))


def test_a_missing_card_is_named(model_file):
    model_file.with_suffix(".json").unlink()
    with pytest.raises(UserError, match="small.json is missing"):
        checkpoint.load(model_file)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": "x"}', "null"])
def test_a_card_that_is_none_is_refused(model_file, content):
    model_file.with_suffix(".json").write_text(content)
    with pytest.raises(UserError, match="not a valid card"):
        checkpoint.load(model_file)


def test_changed_weights_are_refused(model_file):
    model_file.write_bytes(model_file.read_bytes()[:-4] + b"1234")
    with pytest.raises(UserError, match="SHA-256"):
        checkpoint.load(model_file)


def test_corrupt_weights_with_a_matching_hash_are_refused(model_file):
    model_file.write_bytes(b"not safetensors")
    damaged(model_file, lambda card: card.update(weights_sha256=checkpoint.file_sha256(model_file)))
    with pytest.raises(UserError, match="readable safetensors"):
        checkpoint.load(model_file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensor: tensor.to(torch.int8), "holds int8 numbers; quantised weights cannot be used"),
        (lambda tensor: tensor.to(torch.int64), "holds int64 numbers"),
        (lambda tensor: tensor * float("nan"), "not finite"),
        (lambda tensor: tensor + float("inf"), "not finite"),
        (lambda tensor: tensor.double() + 1e300, "not finite"),  # finite as it is, but not in float32
    ],
)
def test_weights_that_are_no_finite_floats_are_refused(model_file, change, words):
    tensors = safetensors.torch.load_file(model_file)
    tensors["layers.conv10.conv.bias"] = change(tensors["layers.conv10.conv.bias"])
    safetensors.torch.save_file(tensors, model_file)
    damaged(model_file, lambda card: card.update(weights_sha256=checkpoint.file_sha256(model_file)))
    with pytest.raises(UserError, match=f"the tensor layers.conv10.conv.bias .*{words}"):
        load_embedder(model_file)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damaged_headers_give_one_sentence(data):
    tensors = {"weight": torch.zeros(4), "bias": torch.ones(2)}
    encoded = bytearray(safetensors.torch.save(tensors))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([None, 0, 4, 8, 40, -3]))
    try:
        checkpoint.read_tensors(bytes(encoded[:cut]), Path("m.safetensors"))
    except UserError as error:
        assert "\n" not in str(error)


def test_another_architecture_is_refused(model_file):
    damaged(model_file, lambda card: card["architecture"].update(depthwise=False))
    with pytest.raises(UserError, match="another architecture"):
        checkpoint.load(model_file)
    damaged(model_file, lambda card: card["architecture"].update(type="ResNet"))
    with pytest.raises(UserError, match="'ResNet'"):
        checkpoint.load(model_file)


def test_a_descriptor_mean_of_another_length_is_refused(model_file):
    damaged(model_file, lambda card: card.update(descriptor_mean=[0.0] * 7))
    with pytest.raises(UserError, match="7 numbers"):
        checkpoint.load(model_file)


def test_embedding_is_centred_and_mirrored_as_the_card_says(tmp_path):
    crops = noise_crops(3)
    plain = tmp_path / "plain.safetensors"
    save_random_model(plain)
    raw = load_embedder(plain).embed(crops)
    mirrored = load_embedder(plain).embed([crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for crop in crops])
    centred = tmp_path / "centred.safetensors"
    save_random_model(centred, descriptor_mean=tuple([0.25] * 1000), mirror_sum=True)
    np.testing.assert_allclose(load_embedder(centred).embed(crops), raw + mirrored - 0.5, atol=1e-4)


def test_the_pose_direction_is_removed(tmp_path):
    direction = np.random.default_rng(0).normal(size=1000)
    direction /= np.linalg.norm(direction)
    for name, changes in (("plain", {}), ("removed", {"pose_direction": tuple(direction)})):
        save_random_model(tmp_path / f"{name}.safetensors", descriptor_mean=tuple([0.25] * 1000), **changes)
    plain, removed = (
        load_embedder(tmp_path / f"{name}.safetensors").embed(noise_crops(3)) for name in ("plain", "removed")
    )
    np.testing.assert_allclose(removed @ direction, 0, atol=1e-3)
    np.testing.assert_allclose(removed, [row - (row @ direction) * direction for row in plain], atol=1e-3)


def test_a_pose_direction_of_another_length_is_refused(model_file):
    damaged(model_file, lambda card: card.update(pose_direction=[0.0] * 5))
    with pytest.raises(UserError, match="pose direction of 5 numbers"):
        checkpoint.load(model_file)


def test_batch_equals_one_by_one(model_file):
    embedder, crops = load_embedder(model_file), noise_crops(5)
    alone = np.concatenate([embedder.embed([crop]) for crop in crops])
    np.testing.assert_allclose(embedder.embed(crops), alone, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError):
        embedder.embed([])


def test_onnx_file_with_a_card(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")
    onnx = pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["face"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["embedding"]),
        ],
        "mean color",
        [helper.make_tensor_value_info("face", kind, ["B", 3, 4, 4])],
        [helper.make_tensor_value_info("embedding", kind, ["B", 3])],
    )
    path = tmp_path / "color.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    preprocess = Preprocess("five_point", 4, 1.0, "black", (0.0, 0.0, 0.0), 1.0)
    card = Card(
        "color", "Mean color", {"type": "onnx"}, preprocess, "MIT", checkpoint.file_sha256(path), mirror_sum=True
    )
    save_card(card, path)
    embedded = load_embedder(path).embed([Image.new("RGB", (4, 4), (10, 20, 30))])
    np.testing.assert_allclose(embedded, [[20, 40, 60]])  # the picture and its mirror image
    path.write_bytes(b"junk")
    save_card(Card("color", "Mean color", {"type": "onnx"}, preprocess, "MIT", checkpoint.file_sha256(path)), path)
    with pytest.raises(UserError, match="readable ONNX"):
        load_embedder(path)


def test_no_weights_for_inception_is_said_plainly(monkeypatch):
    from sfpn.network import embedders
    from sfpn.photos.torchvision_ops import ensure_torchvision

    ensure_torchvision()
    import facenet_pytorch

    def refuse(**_):
        raise OSError("no route to host")

    monkeypatch.setattr(facenet_pytorch, "InceptionResnetV1", refuse)
    with pytest.raises(UserError, match="connect to a network"):
        embedders.load_embedder("inception-vggface2")
    with pytest.raises(UserError, match="known are"):
        embedders.load_embedder("inception-other")
