"""The networks of detector and pose estimator on ONNX Runtime against PyTorch's, and the faces that both find."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from helpers.paths import ROOT

pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements.txt)")

from sfpn.photos import on_processor as backend  # noqa: E402
from sfpn.photos.detector import FaceDetector  # noqa: E402
from sfpn.photos.mtcnn import Mtcnn  # noqa: E402
from sfpn.photos.mtcnn_processor import encode  # noqa: E402
from sfpn.photos.on_processor import OnProcessor, on_processor  # noqa: E402
from sfpn.photos.pose import WEIGHTS, PoseEstimator, encoded_network, loaded_network, probes  # noqa: E402


@pytest.fixture(scope="module")
def fast() -> Mtcnn:
    return Mtcnn()


def plain_detector(monkeypatch) -> FaceDetector:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "onnxruntime", None)
        return FaceDetector()


@torch.inference_mode()
@pytest.mark.parametrize(
    "name, shapes",
    [
        ("_propose", [(1, 3, 12, 12), (1, 3, 61, 90), (2, 3, 13, 40)]),
        ("_refine", [(1, 3, 24, 24), (9, 3, 24, 24)]),
        ("_output", [(1, 3, 48, 48), (6, 3, 48, 48)]),
    ],
)
def test_outputs_are_those_of_pytorch(fast, name, shapes):
    network = getattr(fast, name)
    assert isinstance(network, OnProcessor)
    for shape in shapes:
        windows = torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
        found, expected = network(windows), network.network(windows)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=2e-5)


def test_the_files_are_valid(fast):
    onnx = pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    for network in (fast._propose, fast._refine, fast._output):
        assert isinstance(network, OnProcessor)
        onnx.checker.check_model(onnx.load_from_string(encode(network.network)), full_check=True)


def test_the_same_faces_without_it(monkeypatch):
    fast, plain = FaceDetector(), plain_detector(monkeypatch)
    assert isinstance(fast._mtcnn._propose, OnProcessor) and not isinstance(plain._mtcnn._propose, OnProcessor)
    seen = 0
    for number in range(9):
        picture = drawn_image(("frontal", "three_quarter", "profile")[number % 3], number // 3)
        ours, theirs = fast.detect(picture), plain.detect(picture)
        assert len(ours) == len(theirs)
        seen += len(ours)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.box_xyxy, other.box_xyxy, atol=0.01)  # px
            np.testing.assert_allclose(one.landmarks_xy, other.landmarks_xy, atol=0.01)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
    assert seen >= 6


@pytest.mark.parametrize("made, says", [(b"no network", "cannot be used, PyTorch rests"), (None, "computes otherwise")])
def test_networks_that_come_out_otherwise_are_left_to_pytorch(monkeypatch, caplog, fast, made, says):
    network, windows = fast._propose.network, torch.rand(1, 3, 12, 12)
    monkeypatch.setattr(backend, "AGREES", -1.0)
    assert on_processor(network, lambda _: made or encode(network), [windows], "rests") is network
    assert says in caplog.text


@torch.inference_mode()
@pytest.mark.parametrize("count", [1, 4, 7])
def test_the_pose_network_gives_what_pytorch_gives(count):
    estimator = PoseEstimator()
    assert isinstance(estimator.network, OnProcessor)
    crops = torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(count)) * 255 - 110
    points = torch.rand(count, 10, generator=torch.Generator().manual_seed(9)) - 0.5
    plain = loaded_network(WEIGHTS).eval()
    np.testing.assert_allclose(estimator.network(crops, points).numpy(), plain(crops, points).numpy(), atol=2e-5)


def test_the_pose_networks_file_is_valid_and_pytorch_does_without(monkeypatch):
    onnx = pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    file = onnx.load_from_string(encoded_network(loaded_network(WEIGHTS)))
    onnx.checker.check_model(file, full_check=True)
    assert [given.name for given in file.graph.input] == ["crops", "landmarks"] and len(probes()) == 2
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not isinstance(PoseEstimator().network, OnProcessor)


def test_the_networks_are_facenet_pytorchs_and_need_none_of_torchvision(fast):
    from sfpn.photos.torchvision_ops import ensure_torchvision

    code = "import sys; from sfpn import FaceDetector; FaceDetector(); print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "False", done.stderr
    ensure_torchvision()
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    for ours, theirs, side in ((fast._propose, PNet(), 40), (fast._refine, RNet(), 24), (fast._output, ONet(), 48)):
        windows = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(2)) * 2 - 1
        with torch.inference_mode():
            for one, other in zip(ours.network(windows), theirs.eval()(windows), strict=True):
                np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)
