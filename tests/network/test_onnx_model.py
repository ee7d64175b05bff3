"""ONNX files as others export them: each kind gives the numbers that numpy gives, and the rest one sentence."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

onnx = pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.drawn_networks import TYPES, WEIGHTS, Kind, encode, expected, make, save  # noqa: E402

from sfpn.errors import UserError  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402
from sfpn.network.onnx_model import OnnxModel, external_files  # noqa: E402

helper, TensorProto = onnx.helper, onnx.TensorProto

kinds = st.builds(
    Kind,
    layout=st.sampled_from(["NCHW", "NHWC"]),
    dtype=st.sampled_from(sorted(TYPES)),
    batch=st.sampled_from([None, 1, 2, 3, 4, 7]),
    output=st.sampled_from(["flat", "square", "middle"]),
    norm=st.booleans(),
    open_size=st.booleans(),
    size=st.sampled_from([2, 8, 13]),  # not 3: nothing would tell channels from rows
    name=st.sampled_from(["input.1", "data", "face:0", "serving_default_x"]),
)


def crops(count: int, size: int, seed: int = 0) -> list[Image.Image]:
    random = np.random.default_rng(seed)
    return [Image.fromarray(random.integers(1, 255, (size, size, 3), dtype=np.uint8)) for _ in range(count)]


@settings(deadline=None, max_examples=60)
@given(kinds, st.integers(1, 9))
def test_every_kind_of_export_gives_the_same_numbers(kind, count):
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "net.onnx", make(kind), kind.size, descriptor_size=5)
        pictures = crops(count, kind.size)
        found = load_embedder(path).embed(pictures)
    wanted = expected(np.stack([np.asarray(picture) for picture in pictures]))
    assert found.shape == (count, 5) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=0.2)  # float16 pictures hold about three digits


def test_one_picture_without_an_axis_for_the_batch(tmp_path):
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["face"], ["colours"], axes=[0, 1], keepdims=0),
            helper.make_node("MatMul", ["colours", "weights"], ["embedding"]),
        ],
        "one",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, [8, 8, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [5])],
        [onnx.numpy_helper.from_array(WEIGHTS, "weights")],
    )
    pictures = crops(3, 8)
    found = load_embedder(save(tmp_path / "one.onnx", encode(graph))).embed(pictures)
    np.testing.assert_allclose(found, expected(np.stack([np.asarray(p) for p in pictures])), rtol=1e-4)


def test_the_norm_is_never_taken_for_the_embedding(tmp_path):
    without = save(tmp_path / "without.onnx", make(Kind(norm=True)))  # its card does not say how long the embedding is
    assert load_embedder(without).embed(crops(2, 8)).shape == (2, 5)
    named = save(tmp_path / "named.onnx", make(Kind(norm=True)), output="norm", descriptor_size=1)
    assert load_embedder(named).embed(crops(2, 8)).shape == (2, 1)


def two_embeddings() -> bytes:
    names = ("raw", "scaled")
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["face"], ["colours"], axes=[2, 3], keepdims=0),
            helper.make_node("MatMul", ["colours", "weights"], ["raw"]),
            helper.make_node("Add", ["raw", "raw"], ["scaled"]),
        ],
        "two",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 5]) for name in names],
        [onnx.numpy_helper.from_array(WEIGHTS, "weights")],
    )
    return encode(graph)


def test_of_several_possible_outputs_the_card_has_to_name_one(tmp_path):
    with pytest.raises(UserError, match="several of its outputs may be the embedding: raw .*, scaled .*--output NAME"):
        load_embedder(save(tmp_path / "net.onnx", two_embeddings(), descriptor_size=5))
    plain = load_embedder(save(tmp_path / "raw.onnx", two_embeddings(), output="raw")).embed(crops(1, 8))
    scaled = load_embedder(save(tmp_path / "scaled.onnx", two_embeddings(), output="scaled")).embed(crops(1, 8))
    np.testing.assert_allclose(scaled, 2 * plain)


def of_input(shape: list, dtype: int = TensorProto.FLOAT, inputs: int = 1) -> bytes:
    """A network of one node with any input there may be."""
    names = [f"in{number}" for number in range(inputs)]
    nodes = [helper.make_node("Identity", [name], [f"out-{name}"]) for name in names]
    infos = [helper.make_tensor_value_info(name, dtype, shape) for name in names]
    out = [helper.make_tensor_value_info(f"out-{name}", dtype, shape) for name in names]
    return encode(helper.make_graph(nodes, "any", infos, out))


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (of_input(["N", 8]), "needs the axes of a picture"),
        (of_input(["N", 1, 8, 8]), r"\['\?', 1, 8, 8\], which is not a batch of colour pictures of 8x8"),
        (of_input(["N", 3, 9, 9]), "not a batch of colour pictures of 8x8"),
        (of_input([100_000, 3, 8, 8]), "not a batch of colour pictures"),
        (b"\x08\x08", "not a readable ONNX model"),
        (of_input(["N", 3, 8, 8], TensorProto.INT64), r"takes tensor\(int64\); pictures can be given as"),
        (of_input(["N", 3, 8, 8], TensorProto.STRING), r"takes tensor\(string\)"),
        (of_input(["N", 3, 8, 8], TensorProto.UINT8), "has no output that is an embedding of 5 numbers"),
        (of_input(["N", 3, 8, 8], inputs=2), "one input, the picture; this has 2: in0, in1"),
        (make(Kind())[:-40], "not a readable ONNX model"),
        (b"", "not a readable ONNX model"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path, encoded, words):
    with pytest.raises(UserError, match=words) as refused:
        load_embedder(save(tmp_path / "net.onnx", encoded, descriptor_size=5))
    assert "\n" not in str(refused.value) and "net.onnx" in str(refused.value)


@settings(deadline=None, max_examples=60, derandomize=True)  # what one run survives, so does the next
@given(st.data())
def test_damaged_files_give_one_sentence(data):
    encoded = bytearray(make(data.draw(st.sampled_from([Kind(), Kind(batch=2, norm=True)]))))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "net.onnx", bytes(encoded), descriptor_size=5)
        try:
            load_embedder(path).embed(crops(2, 8))
        except UserError as error:
            assert "\n" not in str(error)


def test_whole_pixels_allow_no_mean(tmp_path):
    path = save(tmp_path / "net.onnx", make(Kind(dtype="uint8")))
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"scale": 1.0', '"scale": 127.5'))
    with pytest.raises(UserError, match="write mean 0 and scale 1 into the card"):
        load_embedder(path)


def test_a_mean_of_another_length_than_the_embedding_is_refused(tmp_path):
    path = save(tmp_path / "net.onnx", make(Kind()))
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"descriptor_mean": null', '"descriptor_mean": [1, 2, 3]'))
    with pytest.raises(UserError, match="descriptor mean of 3 numbers, not 5"):
        load_embedder(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_embeddings_that_are_no_numbers_are_refused_with_the_models_name(tmp_path, value):
    model = onnx.load_model_from_string(make(Kind()))
    weights = np.full_like(WEIGHTS, value)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "weights"))
    path = save(tmp_path / "broken.onnx", model.SerializeToString())
    with pytest.raises(UserError, match="^model broken: .*(NaN or infinity|zeros)"):
        load_embedder(path).embed(crops(1, 8))


def with_external(location: str) -> bytes:
    model = onnx.load_model_from_string(make(Kind()))
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location
    return model.SerializeToString()


@pytest.mark.parametrize("location", ["../secret.bin", "sub/../../secret.bin", "{tmp}/secret.bin", "..\\secret.bin"])
def test_weights_outside_of_the_models_folder_are_never_read(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "model").mkdir()
    encoded = with_external(location.format(tmp=tmp_path))
    path = save(tmp_path / "model" / "net.onnx", encoded, external_data={"secret.bin": "0" * 64})
    for expected_hashes in ({}, None):
        with pytest.raises(UserError, match="a file outside of its folder"):
            external_files(path, encoded, expected_hashes)
    with pytest.raises(UserError, match="a file outside of its folder"):
        load_embedder(path)


def test_a_link_out_of_the_folder_is_not_followed_without_a_card(tmp_path):
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(UserError, match="a file outside of its folder"):
        external_files(tmp_path / "model" / "net.onnx", with_external("weights.bin"))


def test_weights_beside_the_model_belong_to_the_hash_in_the_card(tmp_path):
    import hashlib

    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    sha256 = hashlib.sha256(WEIGHTS.tobytes()).hexdigest()
    path = save(tmp_path / "net.onnx", with_external("weights.bin"), external_data={"weights.bin": sha256})
    pictures = crops(2, 8)
    wanted = expected(np.stack([np.asarray(picture) for picture in pictures]))
    np.testing.assert_allclose(load_embedder(path).embed(pictures), wanted, rtol=1e-4)
    (tmp_path / "weights.bin").write_bytes((2 * WEIGHTS).tobytes())
    with pytest.raises(UserError, match="weights.bin is not the file that the card describes"):
        load_embedder(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(UserError, match="weights.bin is missing beside it"):
        load_embedder(path)


def test_a_network_that_only_takes_one_face_whatever_it_states():
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["face"], ["colours"], axes=[2, 3], keepdims=0),
            helper.make_node("Reshape", ["colours", "to"], ["one"]),  # exported with a batch of one baked in
            helper.make_node("MatMul", ["one", "weights"], ["embedding"]),
        ],
        "baked",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 5])],
        [
            onnx.numpy_helper.from_array(WEIGHTS, "weights"),
            onnx.numpy_helper.from_array(np.array([1, 3], np.int64), "to"),
        ],
    )
    model = OnnxModel(Path("baked.onnx"), encode(graph))
    assert model.input.batch == 1 and model.size == 8
    faces = np.random.default_rng(0).uniform(0, 255, (3, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(model.run(faces), expected(faces.transpose(0, 2, 3, 1)), rtol=1e-4)


def test_the_channels_go_in_the_order_of_the_card(tmp_path):
    path = save(tmp_path / "net.onnx", make(Kind()))
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"RGB"', '"BGR"'))
    buffer = io.BytesIO()
    crops(1, 8)[0].save(buffer, "PNG")
    picture = Image.open(buffer)
    wanted = expected(np.asarray(picture)[None, ..., ::-1])
    np.testing.assert_allclose(load_embedder(path).embed([picture]), wanted, rtol=1e-4)
