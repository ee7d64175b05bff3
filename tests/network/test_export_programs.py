"""Programs for phones: their own runtime, given pixels, gives what Python gives with all that the card asks for."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from helpers.small_models import save_random_model
from PIL import Image

from sfpn.errors import UserError
from sfpn.network import export_executorch, export_executorch_int8, export_litert, export_litert_int8
from sfpn.network.card import load_card
from sfpn.network.embedders import load_embedder
from sfpn.network.exported import Exported, FromPixels
from sfpn.network.model import SFPN


@dataclass(frozen=True)
class Kind:
    module: ModuleType
    export: Callable[[str | Path, Path, list[Image.Image]], Exported]
    package: str
    require: str
    encoded: str
    install: str
    refused: str = "lowest cosine of 2 faces is 0.[0-9]*, below 0.9999"

    @property
    def absent(self) -> bool:
        return importlib.util.find_spec(self.package) is None

    @property
    def name(self) -> str:
        return "out" + self.module.SUFFIX


def crops(count: int, first: int = 0) -> list[Image.Image]:
    poses = ("frontal", "three_quarter", "profile")
    numbers = range(first, first + count)
    return [drawn_image(poses[n % 3], n // 3).resize((113, 113), Image.Resampling.BILINEAR) for n in numbers]


def pixels_of(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(picture, np.float32).transpose(2, 0, 1) for picture in pictures])


def litert_int8(name_or_path: str | Path, out: Path, check_on: list[Image.Image]) -> Exported:
    return export_litert_int8.export_litert_int8(name_or_path, out, check_on, crops(24), "drawn people")


def executorch_int8(name_or_path: str | Path, out: Path, check_on: list[Image.Image]) -> Exported:
    return export_executorch_int8.export_executorch_int8(name_or_path, out, check_on, crops(24), "drawn people")


INT8_STRAYS = "median cosine of 2 faces is 0.[0-9]*, below 0.99; calibrate on more faces.*, or use --format "
FLOAT_KINDS = [
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
LITERT_INT8 = Kind(
    export_litert_int8,
    litert_int8,
    "ai_edge_quantizer",
    "require_litert_int8",
    "quantised",
    "run: pip install litert-torch ai-edge-litert|needs the package ai-edge-quantizer",
    INT8_STRAYS + "litert",
)
EXECUTORCH_INT8 = Kind(
    export_executorch_int8,
    executorch_int8,
    "executorch",
    "require_executorch",
    "quantised",
    "needs the package executorch; run: pip install executorch",
    INT8_STRAYS + "executorch",
)
KINDS = [*FLOAT_KINDS, LITERT_INT8, EXECUTORCH_INT8]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.module.FORMAT)


@pytest.mark.parametrize("kind", FLOAT_KINDS, ids=lambda kind: kind.module.FORMAT)
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
    pixels = pixels_of(pictures)
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
    monkeypatch.setattr(kind.module, kind.encoded, lambda *_: b"program")
    monkeypatch.setattr(kind.module, "opened", {b"program": run}.__getitem__)


@kinds
def test_a_program_that_strays_is_not_left_behind(kind, monkeypatch, tmp_path):
    out = tmp_path / kind.name
    pretend(kind, monkeypatch, 20.0)
    with pytest.raises(UserError, match="not written.*" + kind.refused):
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


def test_int8_needs_the_quantiser_and_enough_faces_to_calibrate_on(monkeypatch, tmp_path):
    monkeypatch.setattr(export_litert_int8, "require_litert", lambda: None)
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(UserError, match="run: pip install ai-edge-quantizer"):
        litert_int8("depthwise", tmp_path / "out.tflite", crops(1))
    pretend(LITERT_INT8, monkeypatch, 0.0)
    with pytest.raises(UserError, match="at least 8 faces of all poses to calibrate on, got 7"):
        export_litert_int8.export_litert_int8("depthwise", tmp_path / "out.tflite", crops(1), crops(7))
    assert list(tmp_path.iterdir()) == []


def test_what_int8_adds_to_every_calibration_face_is_taken_off(monkeypatch):
    """With stand-ins: a file is the descriptor mean that was converted, and int8 adds 3 and then some of each face."""
    network = SFPN.from_pretrained("depthwise")
    assert network.card is not None
    model = FromPixels(network, network.card).eval()
    before = model.get_buffer("center").clone().numpy()
    faces = np.stack([np.full(1000, 1.0, np.float32), np.full(1000, 5.0, np.float32)])

    def opened(file: Any) -> Callable[[np.ndarray], np.ndarray]:
        center, numbers = file
        return lambda pixels: pixels - center + (3 + 0.1 * pixels if numbers == "int8" else 0)

    monkeypatch.setattr(export_litert_int8, "converted", lambda model, shape: model.get_buffer("center").numpy())
    monkeypatch.setattr(export_litert_int8, "opened", lambda file: opened(file if type(file) is tuple else (file, "")))
    monkeypatch.setattr(export_litert_int8, "_recipe", lambda model: None)
    monkeypatch.setattr(export_litert_int8, "_ranges", lambda *_: {})
    monkeypatch.setattr(export_litert_int8, "_with_ranges", lambda file, *_: (file, "int8"))
    monkeypatch.setattr(export_litert_int8, "_shortened", lambda file: file)
    made = export_litert_int8.quantised(model, (2, 1000), faces)
    np.testing.assert_allclose(opened(made)(faces).mean(axis=0), (faces - before).mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(model.get_buffer("center").numpy(), before)


def test_what_int8_adds_to_every_calibration_face_is_taken_off_the_other_too(monkeypatch):
    """With stand-ins: a program is the model itself, and int8 adds 3 to every number."""
    network = SFPN.from_pretrained("depthwise")
    assert network.card is not None
    model = FromPixels(network, network.card).eval()
    pixels = pixels_of(crops(2))

    def changed(model: FromPixels, _: np.ndarray) -> FromPixels:
        other = copy.deepcopy(model)
        other.get_buffer("center").sub_(3)
        return other

    def opened(program: FromPixels) -> Callable[[np.ndarray], np.ndarray]:
        return lambda pixels: program(torch.from_numpy(pixels)).numpy()

    monkeypatch.setattr(export_executorch_int8, "_with_int8_layers", changed)
    monkeypatch.setattr(export_executorch_int8, "lowered", lambda model, shape: model)
    monkeypatch.setattr(export_executorch_int8, "opened", opened)
    made: Any = export_executorch_int8.quantised(model, (1, 3, 113, 113), pixels)
    with torch.no_grad():
        exact = load_embedder("depthwise").embed(crops(2))
        np.testing.assert_allclose(opened(made)(pixels), exact, atol=1e-3)


@pytest.fixture(scope="module", params=[LITERT_INT8, EXECUTORCH_INT8], ids=lambda kind: kind.module.FORMAT)
def int8(request, tmp_path_factory):
    kind = request.param
    if kind.absent:
        pytest.skip(f"needs {kind.package} (the extra {kind.module.FORMAT.removesuffix('-int8')})")
    return kind, kind.export("depthwise", tmp_path_factory.mktemp("int8") / kind.name, crops(6, 24))


def test_int8_is_small_and_close(int8):
    kind, int8 = int8
    assert int8.bytes == int8.path.stat().st_size <= 800_000
    pictures = crops(6, 30)  # neither calibrated nor checked on
    found = kind.module.opened(int8.path.read_bytes())(pixels_of(pictures))
    wanted = load_embedder("depthwise").embed(pictures)
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert np.median(cosines) > 0.985
    card = load_card(int8.path)
    assert card.name == f"depthwise-{kind.module.FORMAT}" and card.results == [] and card.operating_points
    assert card.limits.endswith("not measured with this int8 file.")
    assert card.extra["exported"]["calibrated_on"] == "drawn people: 24 faces"


def weight_of(layer: str) -> np.ndarray:
    """Of the small network, (out, H, W, in) as LiteRT keeps them."""
    convolution = SFPN.from_pretrained("depthwise").get_submodule(layer)
    assert isinstance(convolution, torch.nn.Conv2d)
    return convolution.weight.detach().numpy().transpose(0, 2, 3, 1)


def test_int8_weights_are_symmetric_one_scale_a_channel_and_the_first_layer_is_float(int8):
    kind, int8 = int8
    if kind is not LITERT_INT8:
        pytest.skip("an ExecuTorch program does not show its layers")
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    interpreter = Interpreter(model_content=int8.path.read_bytes())
    weights = {}
    for each in interpreter.get_tensor_details():
        if len(each["shape"]) == 4 and each["quantization_parameters"]["scales"].size > 1:
            quantised = each["quantization_parameters"]
            weights[tuple(each["shape"])] = interpreter.get_tensor(each["index"]), quantised["scales"]
            assert each["dtype"] is np.int8 and not quantised["zero_points"].any()
    assert (64, 3, 3, 3) not in weights  # the first layer, whose weights are in the file as they are
    [first] = [each for each in interpreter.get_tensor_details() if tuple(each["shape"]) == (64, 3, 3, 3)]
    exact = weight_of("layers.conv1.conv")
    np.testing.assert_allclose(interpreter.get_tensor(first["index"]), exact, rtol=1e-6)
    values, scales = weights[1000, 1, 1, 512]
    exact = weight_of("layers.conv10.conv")
    assert np.abs(values * scales[:, None, None, None] - exact).max() <= scales.max() / 2 * 1.001  # half a step
    assert len(scales) == 1000 and np.abs(values.astype(int)).max() == 127


def run_with(file: bytes, resolver: str, face: np.ndarray) -> np.ndarray:
    """The embedding of one face, with XNNPACK (AUTO) or another of LiteRT's ways of computing an operation."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # pyright: ignore[reportMissingImports]

    interpreter = Interpreter(
        model_content=file, num_threads=1, experimental_op_resolver_type=getattr(OpResolverType, resolver)
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], face[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("name, most_bytes", [("base", 1_400_000), ("depthwise", 800_000)])
def test_shortening_an_int8_file_changes_no_embedding_nor_what_readers_see(name, most_bytes, monkeypatch):
    if LITERT_INT8.absent:
        pytest.skip("needs ai_edge_quantizer (the extra litert)")
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    network = SFPN.from_pretrained(name)
    assert network.card is not None
    shorten = export_litert_int8._shortened
    monkeypatch.setattr(export_litert_int8, "_shortened", lambda file: file)
    plain = export_litert_int8.quantised(
        FromPixels(network, network.card).eval(), (1, 3, 113, 113), pixels_of(crops(8))
    )
    short = shorten(plain)
    assert len(short) <= most_bytes < len(plain) and shorten(short) == short
    for resolver in ("AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"):
        for face in pixels_of(crops(3, 24)):
            np.testing.assert_array_equal(run_with(short, resolver, face), run_with(plain, resolver, face))
    seen, before = (Interpreter(model_content=file).get_tensor_details() for file in (short, plain))
    for one, other in zip(seen, before, strict=True):
        assert one["dtype"] is other["dtype"] and one["shape"].tolist() == other["shape"].tolist()
        for key in ("scales", "zero_points"):
            np.testing.assert_array_equal(one["quantization_parameters"][key], other["quantization_parameters"][key])


def test_int8_that_was_calibrated_on_the_wrong_pictures_is_refused(tmp_path):
    if LITERT_INT8.absent:
        pytest.skip("needs ai_edge_quantizer (the extra litert)")
    black = [Image.new("RGB", (113, 113))] * 8
    with pytest.raises(UserError, match="not written.*median cosine.*calibrate on more faces of all poses"):
        export_litert_int8.export_litert_int8("depthwise", tmp_path / "out.tflite", crops(6), black)
    assert list(tmp_path.iterdir()) == []
