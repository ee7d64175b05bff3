"""The parts of the pose estimator's training that can be checked by hand: targets, folds, uncertainties, going on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sfpn.photos.pose import CROP_SIZE, PoseNet
from sfpn.training.pose import run
from sfpn.training.pose.faces import EXACT, POSED, RIG, SQUARE_SIZE, UNLABELLED, PosedFaces
from sfpn.training.pose.student import COS_YAW_LESS, SIN_YAW_TIMES, corrected, targets_for_student, train_student
from sfpn.training.pose.teacher import Views, _medians


def faces_of(kinds: list[str], yaw: list[float], people: list[str], profile: bool = False) -> PosedFaces:
    count = len(kinds)
    return PosedFaces(
        squares=np.random.default_rng(0).integers(0, 255, (count, SQUARE_SIZE, SQUARE_SIZE, 3), np.uint8),
        landmarks=np.zeros((count, 5, 2), np.float32),
        confidence=np.full(count, 0.99),
        yaw=np.array(yaw, float),
        pitch=np.where(np.isin(kinds, (RIG, EXACT)), 20.0, np.nan),
        roll=np.zeros(count),
        kind=np.array(kinds, "U16"),
        profile=np.full(count, profile) & (np.array(kinds) == POSED),
        person=np.array(people, "U64"),
    )


def test_targets_are_exact_angles_shares_of_labels_or_the_teachers():
    faces = faces_of([RIG, EXACT, EXACT, POSED, UNLABELLED], [90, 70, 30, 80, 5], list("abcde"), profile=True)
    teacher = np.array([60.0, 0, 0, 50, 12]), np.full(5, 3.0)
    targets = targets_for_student(faces, (np.array([10.0, 0, 0, 0, 0]), np.zeros(5)), teacher)
    assert targets.yaw == pytest.approx([60 + 0.7 * 40, 70, 30, 80, 12])
    assert targets.pitch == pytest.approx([20, 20, 20, 3, 3])
    assert targets.often == pytest.approx([4, 2.5 * 2.4, 2.5, 1.5, 0.5])  # the drawn head far aside more often


def test_views_of_some_faces_point_at_them():
    views = Views(
        np.array([0, 1, 1, 2, 3]), np.zeros(5, bool), np.ones(5, bool), np.arange(5)[:, None], np.zeros((5, 10))
    )
    some = views.of_faces(np.array([False, True, False, True]))
    assert some.face.tolist() == [0, 0, 1] and some.features.ravel().tolist() == [1, 2, 4]


def test_every_person_is_seen_by_a_network_that_did_not_see_them(monkeypatch):
    people = ["a", "a", "b", "c", "d", "e"]
    faces = faces_of([RIG] * 6 + [EXACT], [0, 45, 0, 90, 0, -90, 10], [*people, "drawn"])
    views = Views(np.arange(7), np.zeros(7, bool), np.ones(7, bool), np.zeros((7, 1)), np.zeros((7, 10)))
    trained = []

    def remember(some, of_some, steps, seed, tell, start=None):
        assert len(of_some.face) == len(some) and steps == 9
        trained.append(set(some.person))
        return len(trained)

    def number_of_network(network, crops, landmarks):
        return np.full((3, len(crops)), float(network))

    monkeypatch.setattr(run, "train_on", remember)
    monkeypatch.setattr(run, "seen_by", number_of_network)
    found = run.out_of_fold(faces, views, run.PoseConfig(folds=3, fold_steps=9), lambda text: None)
    assert len(trained) == 3 and all("drawn" in some for some in trained)
    assert found.faces.person.tolist() == people
    for person, network in zip(people, found.seen[0], strict=True):
        assert person not in trained[int(network) - 1]


def test_uncertainty_is_the_quantile_of_people_by_yaw_and_a_factor_from_drawn_heads():
    rng = np.random.default_rng(1)
    yaw = np.repeat([0.0, 45.0, 80.0], 200)
    faces = faces_of([RIG] * 600, yaw.tolist(), [str(n % 9) for n in range(600)])
    errors = rng.normal(0, 1, 600) * np.repeat([2.0, 4.0, 6.0], 200)
    record = run.uncertainty_of(faces, np.stack([yaw + errors, np.full(600, 25.0), np.zeros(600)]))
    for number, sigma in enumerate((2.0, 4.0, 6.0)):
        assert record["yaw_degrees"][number] == pytest.approx(sigma, rel=0.2)  # 68 % of a normal spread
    assert record["pitch_degrees"] == [5.0] * 3 and (record["people"], record["photos"]) == (9, 600)
    assert record["unsure"]["times_yaw_degrees"] == run.FACTOR_WITHOUT_DRAWN


def test_training_goes_on_from_given_weights_and_leaves_them_alone():
    faces = faces_of([EXACT] * 4, [-60, -20, 20, 60], list("abcd"))
    targets = targets_for_student(faces, (np.zeros(4), np.zeros(4)), (faces.yaw, faces.pitch))
    torch.manual_seed(5)
    start = PoseNet()
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    after = train_student(faces, targets, 1, 0, start=start).state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in start.state_dict().items())
    assert torch.equal(after["stem.0.weight"], before["stem.0.weight"])
    assert 0 < (after["hidden.weight"] - before["hidden.weight"]).abs().max() < 0.1
    assert after["stem.0.weight"].shape[0] == CROP_SIZE


def test_the_correction_changes_the_two_answers_of_the_yaw_alone():
    torch.manual_seed(2)
    network = PoseNet().eval()
    crops, landmarks = torch.randn(3, 3, CROP_SIZE, CROP_SIZE) * 50, torch.randn(3, 10)
    with torch.inference_mode():
        before, after = network(crops, landmarks), corrected(network)(crops, landmarks)
    wanted = before * torch.tensor([SIN_YAW_TIMES, 1, 1, 1]) - torch.tensor([0, COS_YAW_LESS, 0, 0])
    assert torch.allclose(after, wanted, atol=1e-5)


def test_lifts_of_heads_against_the_rig_are_those_beside_the_mean_of_all_people():
    faces = faces_of([RIG] * 6 + [EXACT], [0, 45, 90] * 2 + [10], [*"aaabbb", "drawn"])
    seen_pitch = np.array([15.0, 15, 15, 25, 25, 25, np.nan])  # of 20: one person 5 lower, the other 5 higher
    yaw_offset, pitch_offset = _medians(faces, np.append(faces.yaw[:6], np.nan), seen_pitch - 4)
    assert pitch_offset == pytest.approx([-3.0] * 3 + [3.0] * 3 + [0])
    assert yaw_offset == pytest.approx(np.zeros(7))
