"""Drawn templates against a loop over draws and subjects; disjoint images; counts; the report in Pose errors' terms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.evaluation_data import PER_POSE, SUBJECTS, ColourEmbedder, write_dataset

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import embed_dataset
from sfpn.errors import UserError
from sfpn.evaluation import metrics, templates
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate, make_samples
from sfpn.evaluation.report import Report, summary
from sfpn.evaluation.tally import tally

FIVE_TO_ONE = ((("frontal", 3),), (("frontal", 1), ("profile", 2)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> FaceDataset:
    return FaceDataset.open(write_dataset(tmp_path_factory.mktemp("data") / "drawn"))


@pytest.fixture(scope="module")
def samples(dataset):
    return make_samples(dataset.rows(), embed_dataset(dataset, ColourEmbedder()))


@pytest.fixture(scope="module")
def report(dataset) -> Report:
    return evaluate(dataset, ColourEmbedder(), EvaluateConfig("templates", rounds=5))


def test_scores_equal_a_loop_over_draws_and_subjects(samples):
    drawn_samples, drawn = templates.draw_templates(samples, FIVE_TO_ONE, seed=3)
    of = dict(zip(samples.row_ids.tolist(), range(len(samples)), strict=True))

    def template(position: int) -> np.ndarray:
        images = [of[row_id] for row_id in drawn_samples.templates[position].split(" ")]
        found = [i for i in images if samples.acquired[i]] or images
        mean = np.mean([samples.embeddings[i].astype(float) for i in found], axis=0)
        return mean / np.linalg.norm(mean)

    genuine, impostor = [], []
    for draw in drawn.draws:
        for a in draw.first:
            for b in draw.second:
                same = drawn_samples.subjects[a] == drawn_samples.subjects[b]
                (genuine if same else impostor).append(template(a) @ template(b))
    found = tally(drawn_samples, drawn).treated("whole_image")
    assert len(genuine) == templates.DRAWS * SUBJECTS and len(impostor) == len(genuine) * (SUBJECTS - 1)
    np.testing.assert_allclose(found[0].values, np.sort(genuine), atol=1e-6)
    np.testing.assert_allclose(found[1].values, np.sort(impostor), atol=1e-6)


def test_the_sides_of_a_genuine_comparison_share_no_image_and_have_the_poses_of_their_mix(samples):
    drawn_samples, drawn = templates.draw_templates(samples, FIVE_TO_ONE)
    for draw in drawn.draws:
        for a, b in zip(draw.first, draw.second, strict=True):
            one, other = (drawn_samples.templates[i].split(" ") for i in (a, b))
            assert len({*one, *other}) == len(one) + len(other) == 6
            assert {name.split("/")[0] for name in (*one, *other)} == {str(drawn_samples.subjects[a])}
            assert sorted(name.split("/")[1] for name in one) == ["frontal"] * 3
            assert sorted(name.split("/")[1] for name in other) == ["frontal", "profile", "profile"]


def test_draws_follow_the_seed_and_differ_from_each_other(samples):
    names = [templates.draw_templates(samples, FIVE_TO_ONE, seed)[0].templates.tolist() for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    assert len(set(names[0])) > SUBJECTS * 4


def test_mixes_that_the_data_allow(samples):
    mixes = templates.mixes_of(samples)
    assert (("frontal", PER_POSE),) in mixes and (("frontal", 5),) not in mixes
    assert (("frontal", 1), ("three_quarter", 1), ("profile", 1)) in mixes
    all_sides = templates.sides_of(samples)
    assert ((("profile", 2),), (("profile", 2),)) in all_sides
    assert ((("profile", 2),), (("profile", 4),)) not in all_sides  # there are four


def test_report_names_the_sides_and_survives_the_disk(report, tmp_path):
    report.save(tmp_path / "report")
    loaded = Report.load(tmp_path / "report")
    assert loaded.cells == report.cells
    sizes = report.template_sizes()
    assert sizes[:3] == [1, 2, 4] and "1+2" in sizes
    cell = loaded.cell("frontal-profile", "4+2")
    assert cell.sides == ((("frontal", 4),), (("profile", 2),)) and cell.template_size == 4
    assert summary(cell)["sides"] == [{"frontal": 4}, {"profile": 2}]
    mixed = [summary(c) for c in report.cells if c.pose_pair is None]
    assert mixed and all(len(side) > 1 for side in (max(c["sides"], key=len) for c in mixed))
    assert cell.rates().genuine == templates.DRAWS * SUBJECTS
    hard = cell.hardest("genuine").iloc[0]
    assert len(hard.template_a.split(" ")) == 4 and hard.row_id_a == hard.template_a.split(" ")[0]
    assert cell.rates().eer == pytest.approx(_eer_of_histogram(cell), abs=0.03)


def _eer_of_histogram(cell) -> float:
    table = cell.tables["histogram"]
    genuine, impostor = (np.repeat(table["lower_edge"], table[kind]) for kind in ("genuine", "impostor"))
    return metrics.eer(genuine.to_numpy(), impostor.to_numpy()).rate


def test_folds_choose_people_and_sides_that_are_none_are_refused(dataset, report, tmp_path):
    two = evaluate(dataset, ColourEmbedder(), EvaluateConfig("templates", folds=(1,), rounds=2))
    assert two.header["subjects"] == 2 and report.header["subjects"] == SUBJECTS
    with pytest.raises(UserError, match="folds 9"):
        evaluate(dataset, ColourEmbedder(), EvaluateConfig("templates", folds=(9,), rounds=2))
    two.save(tmp_path / "report")
    file = tmp_path / "report/report.json"
    content = json.loads(file.read_text())
    content["cells"][0]["sides"] = [[["upward", 1]], [["frontal", 1]]]
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="damaged.*sides"):
        Report.load(tmp_path / "report")
