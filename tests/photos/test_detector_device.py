"""Where detector and pose estimator compute. There is no GPU here: the device is "meta", on which torch checks that
weights and pixels are in the same place but computes nothing, and the networks' outputs are made up on the way back."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from data_tools import annotate
from data_tools.__main__ import main as data_tools
from sfpn.__main__ import main
from sfpn.errors import UserError
from sfpn.photos import mtcnn, pose
from sfpn.photos.detector import FaceDetector
from sfpn.verification.verifier import Verifier

DRAWN = "demo/assets/synthetic"


@pytest.fixture
def meta(monkeypatch):
    """The modules of the detector take device "meta" for any that is asked for; returns what came back from it."""
    came_back: list[tuple[int, ...]] = []

    def back(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.device.type == "meta":
            came_back.append(tuple(tensor.shape))
        return torch.full(tensor.shape, 0.9)

    for module in (mtcnn, pose):
        monkeypatch.setattr(module, "choose_device", lambda asked: torch.device("meta"))
    monkeypatch.setattr(torch.Tensor, "cpu", back)
    return came_back


def test_the_networks_of_the_detector_compute_on_the_device_and_their_outputs_come_back(meta):
    detector = mtcnn.Mtcnn("cuda")
    for network in (detector._propose, detector._refine, detector._output):
        assert {each.device.type for each in network.parameters()} == {"meta"}
    found = detector.search(Image.new("RGB", (60, 50), "grey"), 30, 10)
    assert len(found.boxes_xyxy) and found.landmarks_xy.shape[1:] == (5, 2)
    assert {shape[1:] for shape in meta if len(shape) == 2} == {(4,), (10,), (2,)}  # of R-Net and O-Net
    assert any(len(shape) == 4 for shape in meta)  # of P-Net


def test_the_pose_estimator_computes_on_the_device_and_angles_come_back(meta):
    estimator = pose.PoseEstimator(device="cuda")
    assert {each.device.type for each in estimator.network.parameters()} == {"meta"}
    yaw, pitch, roll = estimator.angles(np.zeros((3, 64, 64, 3), np.uint8), np.zeros((3, 5, 2)))
    assert yaw.shape == pitch.shape == roll.shape == (3,) and meta == [(6, 4)]  # with the mirror images


def test_unless_asked_otherwise_it_is_the_processor_also_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    detector = FaceDetector()
    assert detector._mtcnn.device.type == detector._poses.device.type == "cpu"


def test_a_device_that_is_not_there_is_refused_by_all_that_take_one(monkeypatch, tmp_path, capsys):
    for make in (
        lambda: FaceDetector(device="toaster"),
        lambda: pose.PoseEstimator(device="toaster"),
        lambda: annotate.mtcnn(device="toaster"),
        lambda: Verifier.from_pretrained("depthwise", detector_device="toaster"),
    ):
        with pytest.raises(UserError, match="device 'toaster': not known"):
            make()
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    photos = [str(tmp_path / "a.png")] * 2
    dataset = shutil.copytree(DRAWN, tmp_path / "drawn")
    source, out = tmp_path / "people", tmp_path / "out"
    (source / "one").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(source / "one" / "a.png")
    for command, run in (
        (["verify", *photos, "--device", "toaster"], main),
        (["verify", *photos, "--detector-device", "toaster"], main),
        (["build", "folder", str(source), "--out", str(out), "--device", "toaster"], data_tools),
        (["poses", str(dataset), "--device", "toaster"], data_tools),
    ):
        assert run(command) == 2
        assert "device 'toaster': not known; give auto, cpu" in capsys.readouterr().err
    assert not out.exists()


def test_verify_uses_the_devices_that_it_is_given(monkeypatch, tmp_path):
    from sfpn.commands import verify

    asked = {}

    def remember(name: str, **given: str) -> None:
        asked.update(given, model=name)
        raise UserError("enough")

    monkeypatch.setattr(verify.Verifier, "from_pretrained", remember)
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    photos = [str(tmp_path / "a.png")] * 2
    assert main(["verify", *photos, "--device", "cuda:1", "--detector-device", "mps"]) == 2
    assert asked == {"model": "base", "device": "cuda:1", "detector_device": "mps"}
    assert main(["verify", *photos]) == 2
    assert asked == {"model": "base", "device": "auto", "detector_device": "cpu"}


def test_a_build_hands_the_device_on_to_the_detector_of_its_workers(monkeypatch):
    made = {}
    monkeypatch.setattr("sfpn.photos.detector.FaceDetector", lambda **given: made.update(given))
    detector = annotate.mtcnn(device="cpu")
    detector.load(*detector.options)
    assert made == {"small_faces": False, "device": "cpu"}
