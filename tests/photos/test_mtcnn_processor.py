"""The networks of MTCNN on ONNX Runtime against PyTorch's, and the faces that both find."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn_image
from helpers.paths import ROOT

pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements.txt)")

from sfpn.photos import mtcnn_processor  # noqa: E402
from sfpn.photos.detector import FaceDetector  # noqa: E402
from sfpn.photos.mtcnn import Mtcnn  # noqa: E402
from sfpn.photos.mtcnn_processor import OnProcessor, encode  # noqa: E402


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


def test_networks_that_come_out_otherwise_are_left_to_pytorch(monkeypatch, caplog, fast):
    network = fast._propose.network
    monkeypatch.setattr(mtcnn_processor, "encode", lambda _: b"no network")
    assert mtcnn_processor.on_processor(network, 12) is network and "cannot be used" in caplog.text
    monkeypatch.setattr(mtcnn_processor, "encode", encode)
    monkeypatch.setattr(mtcnn_processor, "AGREES", -1.0)
    assert mtcnn_processor.on_processor(network, 12) is network and "other faces" in caplog.text


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
