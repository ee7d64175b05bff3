"""Imitation: it learns, a stopped run continues exactly, bad settings and bad losses stop it in one sentence."""

import json

import numpy as np
import pytest
import torch
from helpers.training_material import random_pack

from sfpn.errors import UserError
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.training.augment import Augmentation, random_views
from sfpn.training.imitate.losses import TeacherMaps, block_losses, network_losses
from sfpn.training.imitate.trainer import ImitateConfig, Imitator
from sfpn.training.loop import Loop, drive
from sfpn.training.pack import SIZE


@pytest.fixture
def pack(tmp_path):
    return random_pack(tmp_path / "pack")


def teacher() -> SFPN:
    torch.manual_seed(5)
    return SFPN(SFPNConfig(depthwise=True)).eval()


def config(**changes) -> ImitateConfig:
    settings = dict(
        depthwise=True, block_images=16, network_images=16, block_batch=4, network_batch=4, micro_batch=2, patch_size=33
    )
    return ImitateConfig(**settings | changes)


def imitator(pack, **changes) -> Imitator:
    targets = np.eye(12, 8, dtype=np.float32) + 0.1
    return Imitator(
        config(**changes), pack, teacher(), [targets / np.linalg.norm(targets, axis=1, keepdims=True)], Preprocess()
    )


def test_the_teacher_as_its_own_student_has_no_loss(pack):
    faces = torch.randn(2, 3, 113, 113) * 50
    network = teacher()
    maps = TeacherMaps(network, faces)
    maps.rms = {name: torch.ones_like(rms) for name, rms in maps.rms.items()}
    maps.mean_descriptor = torch.zeros(1000)
    with torch.no_grad():
        blocks = block_losses(network, faces, maps(faces))
        whole, _ = network_losses(network, faces, maps(faces), maps.mean_descriptor, train_early=True)
    assert blocks.keys() == {"conv1", *(f"fire{i}" for i in range(2, 10)), "conv10"}
    assert max(float(v) for v in [*blocks.values(), *whole.values()]) < 1e-5


def total(step: dict[str, float]) -> float:
    return sum(value for name, value in step.items() if name not in ("images", "learning_rate"))


def test_block_losses_fall(pack):
    run = imitator(pack, block_images=4 * 100)
    losses = [total(run.train_step()) for _ in range(100)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_early_layers_rest_between_their_steps(pack):
    run = imitator(pack, block_images=0, early_every=2)
    for trained in (True, False, True):
        before = {name: value.clone() for name, value in run.student.state_dict().items()}
        run.train_step()
        moved = {
            name.split(".")[1]
            for name, value in run.student.state_dict().items()
            if not torch.equal(value, before[name])
        }
        assert ("fire2" in moved) == trained and "fire9" in moved


def test_a_stopped_run_continues_as_if_it_had_not_been(pack, tmp_path):
    straight = imitator(pack)
    wanted = [straight.train_step() for _ in range(straight.config.steps)]
    first = imitator(pack)
    found = [first.train_step() for _ in range(3)]
    torch.save(first.state(), tmp_path / "state.pt")
    second = imitator(pack)
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    found += [second.train_step() for _ in range(second.config.steps - 3)]
    assert found == wanted
    for name, value in straight.student.state_dict().items():
        assert torch.equal(value, second.student.state_dict()[name]), name


def test_other_settings_do_not_continue_a_run(pack):
    state = imitator(pack).state()
    with pytest.raises(UserError, match="seed"):
        imitator(pack, seed=3).restore(state)
    imitator(pack, network_images=32).restore(state)  # the last stage may be lengthened


def test_a_loss_that_is_not_finite_stops_the_run_with_its_cause(pack):
    run = imitator(pack)
    run.student.layers.fire5.squeeze1x1.conv.weight.data.fill_(float("inf"))
    with pytest.raises(FloatingPointError, match="learning rate 8e-05: loss .*fire5 is nan"):
        run.train_step()


def test_run_writes_checkpoint_and_one_json_line_per_stage(pack, tmp_path):
    run = imitator(pack)
    drive(run, Loop(tmp_path / "run", run.config.due, lambda: {"eer": 0.5}))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8]
    assert all(line["eer"] == 0.5 and "fire9" in line for line in lines) and "descriptor" in lines[1]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["checkpoint.pt", "log.jsonl"]


def test_every_pass_shows_every_crop_once(pack):
    run = imitator(pack)
    rows = np.concatenate([run.batches.rows(step, 4) for step in range(3)])
    assert sorted(rows) == list(range(12))
    assert not np.array_equal(run.batches.rows(0, 4), run.batches.rows(3, 4))


def test_a_plain_view_is_the_middle_of_the_crop():
    crops = torch.arange(SIZE).view(1, 1, 1, SIZE).expand(1, 3, SIZE, SIZE).to(torch.uint8)
    views = random_views(crops, 80, 0.5, Augmentation.none(), torch.Generator())
    torch.testing.assert_close(views[0, 0, 5], torch.arange(SIZE // 4, SIZE // 4 + 80).float(), atol=0.01, rtol=0)


def test_views_stay_in_range_and_follow_the_generator():
    crops = torch.randint(0, 256, (6, 3, SIZE, SIZE), dtype=torch.uint8)
    views = [random_views(crops, 113, 0.75, Augmentation(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert views[0].shape == (6, 3, 113, 113) and views[0].min() >= 0 and views[0].max() <= 255
    assert torch.equal(views[0], views[1]) and not torch.equal(views[0], views[2])
