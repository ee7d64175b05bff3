"""Calibration: thresholds of some people, error rates of others, every number again by counting."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.evaluation_data import write_dataset
from helpers.paths import ROOT
from helpers.small_models import save_random_model

from sfpn.__main__ import main
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import embed_dataset
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.evaluation.calibrate import cell_scores, histogram, pose_direction
from sfpn.evaluation.neighbourhood import HISTOGRAM_BINS
from sfpn.network import checkpoint
from sfpn.network.embedders import load_embedder
from sfpn.schema import POOLED, POSE_PAIRS, pair_key


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(scope="module")
def calibrated(dataset, tmp_path_factory):
    """A random network calibrated on the whole drawn set, for setting and for measuring alike."""
    model = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_random_model(model, operating_points={}, histograms={})
    assert main(["calibrate", str(model), "--mean-from", str(dataset)]) == 0
    assert main(["calibrate", str(model), "--set-on", str(dataset), "--measure-on", str(dataset)]) == 0
    return model


def test_descriptor_mean_is_the_mean(calibrated, dataset):
    card = checkpoint.load_checked_card(calibrated)
    selection = Selection.parse(str(dataset))
    embedder = load_embedder(calibrated)
    centred = [
        embedder.embed([embedder.preprocess.crop(picture.decode(), picture.face)])[0]
        for picture in selection.dataset.pictures(set(selection.rows()["row_id"]))
        if picture.face is not None
    ]
    assert np.abs(np.mean(centred, axis=0)).max() < 1e-3 * np.abs(centred).max() + 1e-4
    assert len(card.descriptor_mean) == 1000 and card.extra["descriptor_mean_from"] == selection.title


def test_the_pose_direction_separates_no_poses_any_more(calibrated, dataset, tmp_path):
    model = tmp_path / "copy.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copy(calibrated.with_suffix(suffix), model.with_suffix(suffix))
    assert main(["calibrate", str(model), "--mean-from", str(dataset), "--remove-pose-direction"]) == 0
    assert not checkpoint.load_checked_card(model).operating_points  # they were of other scores
    rows = Selection.parse(str(dataset)).rows()
    embeddings = embed_dataset(FaceDataset.open(dataset), load_embedder(model), rows["row_id"].tolist())
    found = embeddings.acquired
    frontal, profile = (
        embeddings.values[found & (rows["pose"] == pose).to_numpy()].mean(axis=0) for pose in ("frontal", "profile")
    )
    assert np.linalg.norm(frontal - profile) < 0.02 * np.linalg.norm(embeddings.values, axis=1).mean()


def test_the_pose_direction_needs_both_poses_and_people(calibrated, dataset, capsys):
    selection = Selection.parse(str(dataset))
    frontal = SimpleNamespace(
        title="drawn", dataset=selection.dataset, rows=lambda: selection.rows().query("pose == 'frontal'")
    )
    with pytest.raises(UserError, match="drawn has no profile faces"):
        pose_direction(load_embedder(calibrated), frontal)
    assert main(["calibrate", str(calibrated), "--remove-pose-direction"]) == 2
    assert "--remove-pose-direction needs --mean-from" in capsys.readouterr().err


def test_points_and_histograms_count_the_same_scores(calibrated, dataset):
    card = checkpoint.load_checked_card(calibrated)
    cells = cell_scores(load_embedder(calibrated), [Selection.parse(str(dataset))])
    assert set(cells) == {POOLED, *map(pair_key, POSE_PAIRS)} == set(card.histograms)
    for key, cell in cells.items():
        genuine, impostor = (np.repeat(s.values, s.counts) for s in (cell.genuine, cell.impostor))
        for point in card.operating_points[key]:
            assert point.false_matches == (impostor >= point.threshold).sum()
            assert point.false_non_matches == (genuine < point.threshold).sum()
            assert point.fmr <= point.target_fmr
        shown = card.histograms[key]
        assert (sum(shown.genuine), sum(shown.impostor)) == (len(genuine), len(impostor))
        wanted, _ = np.histogram(genuine, shown.edges)
        assert np.array_equal(shown.genuine, wanted)
    assert sum(len(points) for points in card.operating_points.values()) > 0


def test_histogram_keeps_scores_at_the_ends(calibrated, dataset):
    cell = cell_scores(load_embedder(calibrated), [Selection.parse(str(dataset))])["frontal-frontal"]
    assert len(histogram(cell).genuine) == HISTOGRAM_BINS


def test_the_first_dataset_with_the_pose_pair_serves(calibrated, dataset, tmp_path):
    other = write_dataset(tmp_path / "other")
    record = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps(record | {"name": "other"}))
    cells = cell_scores(load_embedder(calibrated), [Selection.parse(str(dataset)), Selection.parse(str(other))])
    assert all("other" not in cell.source for cell in cells.values())


@pytest.mark.parametrize(
    "arguments, says",
    [
        ([], "nothing to do"),
        (["--set-on", "x"], "go together"),
        (["--mean-from", "nowhere"], "not a dataset folder"),
    ],
)
def test_bad_arguments_are_one_sentence_and_change_nothing(calibrated, arguments, says, capsys):
    before = calibrated.with_suffix(".json").read_text()
    assert main(["calibrate", str(calibrated), *arguments]) == 2
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert calibrated.with_suffix(".json").read_text() == before


def test_a_split_without_rows_is_named(dataset):
    with pytest.raises(UserError, match="no rows of split 'nosuch'"):
        Selection.parse(f"{dataset}:nosuch")


def test_the_surface_is_written_by_the_command_and_goes_with_the_mean(calibrated, dataset, capsys):
    before = checkpoint.load_checked_card(calibrated)
    words = ["calibrate", str(calibrated), "--set-on", str(dataset), "--measure-on", str(dataset), "--surface"]
    assert main(words) == 0
    card = checkpoint.load_checked_card(calibrated)
    assert card.surface is not None and card.operating_points == before.operating_points
    rows = dataset_rows(dataset)
    known = int(rows["yaw_degrees"].notna().sum())
    assert f"{known * (known - 1) // 2 - genuine_pairs(rows):,} impostor comparisons" in card.surface.set_on
    level = card.surface.levels[0]
    assert level.target_fmr == 0.1 and len(level.threshold) == 55 and sum(level.impostor) > 0
    assert main(["calibrate", str(calibrated), "--mean-from", str(dataset)]) == 0
    assert checkpoint.load_checked_card(calibrated).surface is None
    assert main(["calibrate", str(calibrated), "--surface"]) == 2
    assert "--surface needs --set-on" in capsys.readouterr().err


def dataset_rows(folder):
    return Selection.parse(str(folder)).rows()


def genuine_pairs(rows) -> int:
    found = rows[rows["yaw_degrees"].notna()].groupby("identity").size()
    return int((found * (found - 1) // 2).sum())


@pytest.mark.parametrize("model", ["base", "depthwise"])
def test_a_report_on_templates_gives_the_card_its_errors_by_mix_of_poses(model, tmp_path):
    weights, reports = tmp_path / f"{model}.safetensors", ROOT / "demo" / "assets" / "reports"
    for suffix in (".safetensors", ".json"):
        shutil.copy((ROOT / "sfpn" / "weights" / model).with_suffix(suffix), weights.with_suffix(suffix))
    shipped = checkpoint.load_checked_card(weights)
    assert main(["calibrate", str(weights), "--report", str(reports / f"cfp-{model}")]) == 0
    assert checkpoint.load_checked_card(weights).templates == ()  # as its results: what the named reports hold
    assert main(["calibrate", str(weights), "--report", str(reports / f"cfp-templates-{model}")]) == 0
    made = checkpoint.load_checked_card(weights).templates
    assert made == shipped.templates
    cells = json.loads((reports / f"cfp-templates-{model}" / "report.json").read_text())["cells"]
    assert len(made) == len(cells) == len({json.dumps([*map(sorted, map(dict.items, each.sides))]) for each in made})
    for cell, each in zip(cells, made, strict=True):
        rates = cell["treatments"].get("skip") or cell["treatments"]["whole_image"]
        assert [dict(side) for side in cell["sides"]] == list(each.sides)
        for place, point in enumerate(rates["operating_points"]):
            assert each.target_fmr[place] == point["target_fmr"]
            assert each.false_non_matches[place] / each.genuine == pytest.approx(point["fnmr"])
            assert each.false_matches[place] / each.impostor == pytest.approx(point["fmr"])
