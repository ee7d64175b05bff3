"""What a real CUDA device computes, against the processor; test_device.py and its like pretend to have one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers.drawn_people import drawn, drawn_image, write_people
from helpers.paths import SYNTHETIC
from helpers.small_models import random_card
from helpers.training_material import random_pack

from sfpn.__main__ import main
from sfpn.data.dataset import FaceDataset
from sfpn.data.embeddings import Embeddings
from sfpn.network import checkpoint
from sfpn.network.embedders import SFPNEmbedder, load_embedder
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.detector import FaceDetector, choose_face
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import POSES
from sfpn.training.distill.trainer import DistillConfig, Distiller
from sfpn.training.processes import make_accelerator
from sfpn.training.start import started_from

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SAME_SCORE = 1e-3


@pytest.fixture(scope="module")
def pictures():
    """Sixty drawn faces of all poses."""
    dataset = FaceDataset.open(SYNTHETIC)
    rows = dataset.rows()
    return list(dataset.pictures(set(rows.loc[rows["box_xyxy"].notna(), "row_id"].iloc[::29])))


def scores(embeddings: np.ndarray) -> np.ndarray:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("name", ["base", "depthwise"])
def test_scores_are_those_of_the_processor(pictures, name):
    on_gpu, on_processor = (load_embedder(name, device=device) for device in ("auto", "cpu"))
    assert isinstance(on_gpu, SFPNEmbedder) and on_gpu.device.type == "cuda" and "on cuda:0 (" in on_gpu.backend
    crops = [on_gpu.preprocess.crop(picture.decode(), picture.face) for picture in pictures]
    np.testing.assert_allclose(scores(on_gpu.embed(crops)), scores(on_processor.embed(crops)), atol=SAME_SCORE)


def test_bfloat16_moves_scores_by_little_more(pictures):
    short, exact = (load_embedder("base", device="cuda", bf16=each) for each in (True, False))
    crops = [exact.preprocess.crop(picture.decode(), picture.face) for picture in pictures]
    np.testing.assert_allclose(scores(short.embed(crops)), scores(exact.embed(crops)), atol=1e-2)


def test_detector_and_pose_estimator_see_what_they_see_on_the_processor():
    on_gpu, on_processor = (FaceDetector(device=device) for device in ("cuda", "cpu"))
    for pose in POSES:
        for number in range(4):
            photo = drawn_image(pose, number)
            found, expected = (choose_face(each.detect(photo), photo.size) for each in (on_gpu, on_processor))
            assert found and expected
            np.testing.assert_allclose(found.box_xyxy, expected.box_xyxy, atol=0.02 * expected.shorter_side)
            assert found.yaw_degrees == pytest.approx(expected.yaw_degrees, abs=2)


def test_embed_writes_the_same_for_both(tmp_path):
    found = []
    for device in ("cuda", "cpu"):
        words = ["embed", str(SYNTHETIC), "--model", "depthwise", "--device", device, "--cache", str(tmp_path / device)]
        assert main([*words, "--out", str(tmp_path / f"{device}.parquet")]) == 0
        found.append(Embeddings.load(tmp_path / f"{device}.parquet"))
    one, other = found
    assert list(one.row_ids) == list(other.row_ids) and (one.acquired == other.acquired).all()
    np.testing.assert_allclose(scores(one.values), scores(other.values), atol=SAME_SCORE)


def test_verify_says_the_same_with_everything_on_the_gpu(tmp_path, capsys):
    photos = []
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(drawn("frontal", number))
        photos.append(str(tmp_path / f"{number}.jpg"))
    found = []
    for device in ("cuda", "cpu"):
        main(["verify", *photos, "--json", "--device", device, "--detector-device", device])
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["score"] == pytest.approx(found[1]["score"], abs=0.02)  # of two crops, which are cut from two boxes


def test_an_exported_file_stays_on_the_processor(tmp_path, pictures):
    file = tmp_path / "depthwise.onnx"
    assert main(["export", "depthwise", "--format", "onnx", "--out", str(file)]) == 0
    exported, bundled = load_embedder(file), load_embedder("depthwise", device="cpu")
    assert "on cpu" in exported.backend
    crops = [bundled.preprocess.crop(picture.decode(), picture.face) for picture in pictures[:8]]
    np.testing.assert_allclose(scores(exported.embed(crops)), scores(bundled.embed(crops)), atol=1e-4)


def small_start() -> SFPN:
    torch.manual_seed(3)
    return SFPN(SFPNConfig(depthwise=True)).eval()


def random_units(count: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(count, 1000))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_two_steps_of_distillation_and_a_stop_between_them(tmp_path):
    pack = random_pack(tmp_path / "pack")

    def run() -> Distiller:
        config = DistillConfig(depthwise=True, images=16, batch=4, micro_batch=2)
        start = started_from(small_start(), True)
        return Distiller(config, pack, start, random_units(12), Preprocess(), make_accelerator("bf16"))

    straight = run()
    assert {each.device.type for each in straight.parameters} == {"cuda"}
    losses = [straight.train_step() for _ in range(2)]
    assert all(np.isfinite(list(loss.values())).all() for loss in losses)
    first, second = run(), run()
    first.train_step()
    torch.save(first.state(), tmp_path / "state.pt")
    second.restore(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))
    assert second.step == 1 and second.train_step()["target"] == pytest.approx(losses[1]["target"], rel=0.02)


def test_the_command_distills_validates_and_writes_weights_that_any_device_reads(tmp_path):
    pack = random_pack(tmp_path / "pack")
    write_people(tmp_path / "people", 2)
    start = tmp_path / "start.safetensors"
    checkpoint.save(small_start(), random_card("start", operating_points={}, histograms={}), start)
    found = np.ones(12, bool), {"model": "joint targets", "teachers": "[]"}
    Embeddings(np.array(pack.row_ids, object), random_units(12), *found).save(tmp_path / "targets.parquet")
    words = ["train", "distill", tmp_path / "pack", "--targets", tmp_path / "targets.parquet", "--start-from", start]
    words += ["--model", "depthwise", "--images", 8, "--batch", 4, "--validate", tmp_path / "people"]
    words += ["--out", tmp_path / "run"]
    assert main([str(word) for word in words]) == 0
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 2 and 0 <= line["eer_frontal-profile"] <= 1
    for device in ("cuda", "cpu"):
        assert load_embedder(tmp_path / "run" / "depthwise.safetensors", device=device).embed([drawn_crop()]).any()


def drawn_crop():
    return drawn_image("frontal").resize((113, 113))


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_the_command_pretrains_in_every_precision(tmp_path, precision, capsys):
    words = ["train", "pretrain", SYNTHETIC, "--out", tmp_path / "run", "--model", "depthwise", "--batch", 64]
    words += ["--min-images", 1, "--epochs", 0.1, "--precision", precision, "--workers", 2]
    assert main([str(word) for word in words]) == 0
    assert "device: cuda" in capsys.readouterr().out
    assert (tmp_path / "run" / "depthwise.safetensors").is_file()
