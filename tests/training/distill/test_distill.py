"""Distillation towards joint targets: targets keep cosines, the start its function, stopped runs go on exactly."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import torch
from helpers.launching import ALONE, LAUNCHED
from helpers.paths import ROOT
from helpers.small_models import random_card
from helpers.training_material import random_pack

from sfpn.__main__ import main
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.training.distill.targets import TeacherFile, fit_to, joint, prototypes, toward_identity
from sfpn.training.distill.trainer import DistillConfig, Distiller
from sfpn.training.loop import load_state
from sfpn.training.processes import make_accelerator
from sfpn.training.start import started_from


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def random_units(count: int, size: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, size))).astype(np.float32)


@pytest.fixture
def pack(tmp_path):
    return random_pack(tmp_path / "pack")


def depthwise_network(seed: int = 3) -> SFPN:
    torch.manual_seed(seed)
    return SFPN(SFPNConfig(depthwise=True)).eval()


def distiller(pack, **changes) -> Distiller:
    settings = dict(depthwise=True, images=16, batch=4, micro_batch=2, early_every=2)
    return Distiller(
        DistillConfig(**settings | changes),
        pack,
        started_from(depthwise_network(), True),
        random_units(12, 1000),
        Preprocess(),
        make_accelerator("bf16"),
    )


def on_the_processor(run: Distiller) -> Distiller:
    """What losses are computed from, where a GPU took it."""
    run.targets, run.classes, run.people = (each.cpu() for each in (run.targets, run.classes, run.people))
    return run


def test_joint_cosines_are_the_weighted_means_of_the_teachers_centred_cosines():
    parts = [random_units(7, 5, 1), random_units(7, 9, 2)]
    found = joint(parts, [3.0, 1.0])
    one, two = (unit(part - part.mean(0)) @ unit(part - part.mean(0)).T for part in parts)
    np.testing.assert_allclose(found @ found.T, 0.75 * one + 0.25 * two, atol=1e-6)


def test_fitting_keeps_cosines_where_the_space_is_large_enough():
    targets, descriptors = random_units(40, 12), np.random.default_rng(1).normal(size=(20, 16))
    fitted, kept = fit_to(targets, descriptors, np.arange(20))
    assert fitted.shape == (40, 16) and kept == pytest.approx(1)
    np.testing.assert_allclose(fitted @ fitted.T, targets @ targets.T, atol=1e-5)


def test_fitting_finds_the_turn_that_was_made():
    descriptors = random_units(50, 8)
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(8, 8)))
    fitted, _ = fit_to(descriptors @ turn.astype(np.float32), descriptors, np.arange(50))
    np.testing.assert_allclose(fitted, descriptors, atol=1e-4)


def test_cutting_keeps_the_leading_directions():
    targets = np.zeros((30, 6), np.float32)
    targets[:, :2] = random_units(30, 2)
    targets[:, 5] = 0.01
    fitted, kept = fit_to(unit(targets), random_units(30, 2, 5), np.arange(30))
    assert 0.999 < kept < 1
    np.testing.assert_allclose(fitted @ fitted.T, targets[:, :2] @ targets[:, :2].T, atol=1e-3)


def test_targets_move_towards_their_person_only():
    targets, identities = random_units(5, 4), np.array([0, 0, -1, 1, -1])
    moved = toward_identity(targets, identities, 0.5)
    mean = unit((targets[0] + targets[1])[None])[0]
    np.testing.assert_allclose(moved[0], unit((targets[0] + mean)[None])[0], atol=1e-6)
    np.testing.assert_allclose(moved[2:], targets[2:], atol=1e-6)
    np.testing.assert_allclose(toward_identity(targets, identities, 0.0), targets, atol=1e-6)


def test_a_face_without_identity_is_a_person_of_its_own():
    targets, identities = random_units(5, 4), np.array([1, -1, 0, 1, -1])
    people, classes = prototypes(targets, identities)
    assert len(people) == 4 and classes[0] == classes[3] and len({classes[1], classes[2], classes[4], classes[0]}) == 4
    np.testing.assert_allclose(people[classes[0]], unit((targets[0] + targets[3])[None])[0], atol=1e-6)
    np.testing.assert_allclose(people[classes[4]], targets[4], atol=1e-6)


def test_a_widened_network_computes_what_the_narrow_one_did():
    narrow = depthwise_network()
    wide = started_from(narrow, depthwise=False).eval()
    assert not wide.config.depthwise
    faces = torch.randn(2, 3, 113, 113) * 50
    with torch.no_grad():
        torch.testing.assert_close(wide(faces), narrow(faces), atol=1e-4, rtol=1e-4)


def test_the_base_network_cannot_be_narrowed():
    with pytest.raises(UserError, match="depth-wise network cannot start from a base"):
        started_from(SFPN(SFPNConfig()), depthwise=True)


def test_descriptors_move_towards_their_targets(pack):
    run = distiller(pack, images=4 * 60, rate=2e-3)
    losses = [run.train_step()["target"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])


def test_losses_are_the_plain_cosine_distance_and_cross_entropy(pack):
    run = on_the_processor(distiller(pack, identity_share=0.0))
    centred, rows = torch.randn(3, 1000), torch.tensor([1, 5, 11])
    found = run._losses(centred, rows)
    cosines = unit(centred.numpy()) @ run.targets.numpy().T
    assert float(found["target"]) == pytest.approx(
        np.mean([1 - cosines[i, row] for i, row in enumerate(rows)]), abs=1e-5
    )
    people, classes = prototypes(run.targets.numpy(), pack.identities)
    logits = 24 * unit(centred.numpy()) @ people.T
    slow = [np.log(np.exp(logits[i]).sum()) - logits[i, classes[row]] for i, row in enumerate(rows)]
    assert float(found["identity"]) == pytest.approx(np.mean(slow), abs=0.05)  # bf16
    assert found.keys() == {"target", "identity"}


def test_logits_and_structure_follow_the_teachers(pack):
    weights = dict(identity_weight=0.0, logit_weight=1.0, structure_weight=1.0)
    run = on_the_processor(distiller(pack, identity_share=0.0, **weights))
    centred, rows = torch.randn(3, 1000), torch.tensor([1, 5, 11])
    found, wanted = run._losses(centred, rows), run.targets[rows]
    people = prototypes(run.targets.numpy(), pack.identities)[0]
    student, teacher = (24 * unit(values.numpy()) @ people.T for values in (centred, wanted))
    shares = np.exp(teacher) / np.exp(teacher).sum(axis=1, keepdims=True)
    slow = [-(shares[i] * (student[i] - np.log(np.exp(student[i]).sum()))).sum() for i in range(3)]
    assert float(found["logits"]) == pytest.approx(np.mean(slow), abs=0.05)  # bf16
    unit_centred = unit(centred.numpy())
    differences = [
        (unit_centred[i] @ unit_centred[j] - float(wanted[i] @ wanted[j])) ** 2 for i in range(3) for j in range(3)
    ]
    assert float(found["structure"]) == pytest.approx(np.mean(differences), abs=1e-5)
    assert run._losses(wanted, rows)["structure"] == pytest.approx(0, abs=1e-6)
    assert found.keys() == {"target", "logits", "structure"}


def test_early_layers_rest_between_their_steps(pack):
    run = distiller(pack)
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
    straight = distiller(pack)
    wanted = [straight.train_step() for _ in range(straight.config.steps)]
    first = distiller(pack)
    found = [first.train_step() for _ in range(2)]
    torch.save(first.state(), tmp_path / "state.pt")
    second = distiller(pack)
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    found += [second.train_step() for _ in range(second.config.steps - 2)]
    assert found == wanted
    for name, value in straight.student.state_dict().items():
        assert torch.equal(value, second.student.state_dict()[name]), name


def test_the_average_follows_the_student(pack):
    run, start = distiller(pack, images=40, average_steps=4), started_from(depthwise_network(), True)
    wanted = {name: value.clone() for name, value in start.named_parameters()}
    for step in range(1, 6):
        run.train_step()
        share = max(1 / 4, 1 / (1 + step / 10))
        wanted = {
            name: (1 - share) * wanted[name] + share * value.detach() for name, value in run.student.named_parameters()
        }
    for name, value in run.average.named_parameters():
        torch.testing.assert_close(value, wanted[name], atol=1e-6, rtol=1e-5)


def test_other_settings_do_not_continue_a_run(pack):
    state = distiller(pack).state()
    with pytest.raises(UserError, match="identity_share"):
        distiller(pack, identity_share=0.9).restore(state)
    distiller(pack, images=32).restore(state)  # a run may be lengthened


def test_profiles_are_shown_more_often(pack):
    rows = distiller(pack, profile_repeats=3).batches.rows_per_pass
    assert {int((rows == row).sum()) for row in range(12) if pack.poses[row] == "profile"} == {3}
    assert {int((rows == row).sum()) for row in range(12) if pack.poses[row] != "profile"} == {1}


@pytest.mark.parametrize(
    ("text", "files", "weight"),
    [("a.parquet", ("a.parquet",), 1.0), ("a.parquet,b.parquet=0.5", ("a.parquet", "b.parquet"), 0.5)],
)
def test_teachers_are_read_from_words(text, files, weight):
    teacher = TeacherFile.parse(text)
    assert tuple(map(str, teacher.files)) == files and teacher.weight == weight


def test_a_weight_that_is_none_is_refused():
    with pytest.raises(UserError, match="a.parquet=0.*above zero"):
        TeacherFile.parse("a.parquet=0")


def save_embeddings(path, row_ids, model="teacher"):
    Embeddings(
        np.array(row_ids, object), random_units(len(row_ids), 16), np.ones(len(row_ids), bool), {"model": model}
    ).save(path)


def test_commands_from_embeddings_to_weights(pack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkpoint.save(
        depthwise_network(), random_card("start", operating_points={}, histograms={}), tmp_path / "start.safetensors"
    )
    save_embeddings(tmp_path / "a.parquet", pack.row_ids[:5])
    save_embeddings(tmp_path / "b.parquet", pack.row_ids[5:])
    assert (
        main(
            [
                "train",
                "targets",
                "pack",
                "--teachers",
                "a.parquet,b.parquet",
                "--start-from",
                "start.safetensors",
                "--out",
                "t.parquet",
            ]
        )
        == 0
    )
    words = [
        "train",
        "distill",
        "pack",
        "--targets",
        "t.parquet",
        "--start-from",
        "start.safetensors",
        "--model",
        "base",
        "--images",
        "8",
        "--batch",
        "4",
    ]
    assert main([*words, "--out", "run"]) == 0
    model, card = checkpoint.load(tmp_path / "run" / "base.safetensors")
    assert (
        not model.config.depthwise
        and card.training["teachers"] == ["teacher x 1"]
        and card.training["unlabelled_images"] == 2
    )
    capsys.readouterr()
    assert (
        main(
            [
                "train",
                "targets",
                "pack",
                "--teachers",
                "a.parquet",
                "--start-from",
                "start.safetensors",
                "--out",
                "u.parquet",
            ]
        )
        == 2
    )
    assert "a.parquet: no embedding of 7 rows of the pack (first r5)" in capsys.readouterr().err


def test_two_processes_equal_one(pack, tmp_path):
    checkpoint.save(
        depthwise_network(), random_card("start", operating_points={}, histograms={}), tmp_path / "start.safetensors"
    )
    made_by = {"model": "joint targets", "teachers": "[]"}
    Embeddings(np.array(pack.row_ids, object), random_units(12, 1000), np.ones(12, bool), made_by).save(
        tmp_path / "t.parquet"
    )
    words = [
        "-m",
        "sfpn",
        "train",
        "distill",
        tmp_path / "pack",
        "--targets",
        tmp_path / "t.parquet",
        "--start-from",
        tmp_path / "start.safetensors",
    ]
    words += [
        "--model",
        "depthwise",
        "--images",
        "12",
        "--batch",
        "4",
        "--micro-batch",
        "2",
        "--precision",
        "no",
        "--threads",
        "1",
    ]
    runs = [
        subprocess.Popen(
            [*launcher, *map(str, words), "--out", str(tmp_path / folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder, launcher in (("one", ALONE), ("two", LAUNCHED))
    ]
    for run in runs:
        output = run.communicate(timeout=300)[0]
        assert run.returncode == 0, output
    one, two = (load_state(tmp_path / folder) for folder in ("one", "two"))
    start = depthwise_network().half().state_dict()
    for name, value in one["student"].items():
        moved = float((value - start[name].float()).abs().max())
        assert float((two["student"][name] - value).abs().max()) < 0.05 * moved, name
