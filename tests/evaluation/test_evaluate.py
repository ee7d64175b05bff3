"""Dataset folder -> embeddings -> report, on drawn pictures; every number again by a loop over the pairs."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from helpers.evaluation_data import PER_POSE, SUBJECTS, ColourEmbedder, write_dataset

from sfpn.data import embed
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, embed_dataset
from sfpn.data.embeddings import Embeddings
from sfpn.data.shard import Shard
from sfpn.errors import UserError
from sfpn.evaluation import evaluate, metrics
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.evaluate import EvaluateConfig
from sfpn.evaluation.protocol import PROTOCOLS, official_pairs, template_samples
from sfpn.evaluation.report import REPORT_FILE, Report
from sfpn.schema import POSE_PAIRS, POSES


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> FaceDataset:
    return FaceDataset.open(write_dataset(tmp_path_factory.mktemp("data") / "drawn"))


@pytest.fixture(scope="module")
def all_pairs(dataset) -> Report:
    return report_of(dataset, "all-pairs")


@pytest.fixture(scope="module")
def by_template(dataset) -> Report:
    return report_of(dataset, "vggface2-pose")


def report_of(dataset: FaceDataset, protocol: str, embedder=None, **options) -> Report:
    return evaluate.evaluate(dataset, embedder or ColourEmbedder(), EvaluateConfig(protocol, rounds=20, **options))


def unit_rows(dataset: FaceDataset) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Rows, and by row_id the unit embedding computed one picture at a time."""
    embedder, found = ColourEmbedder(), {}
    for picture in dataset.pictures(set(dataset.rows()["row_id"])):
        value = embedder.embed([embedder.preprocess.crop(picture.decode(), picture.face)])[0].astype(float)
        found[picture.row_id] = value / np.linalg.norm(value)
    return dataset.rows().set_index("row_id"), found


@pytest.fixture(scope="module")
def one_by_one(dataset):
    return unit_rows(dataset)


def slow_cell(one_by_one, pair: tuple[str, str], treatment: str) -> tuple[list[float], list[float]]:
    rows, units = one_by_one[0].to_dict("index"), one_by_one[1]
    scores = ([], [])
    for a, b in itertools.combinations(rows, 2):
        if sorted(pair) != sorted((rows[a]["pose"], rows[b]["pose"])):
            continue
        found = rows[a]["box_xyxy"] is not None and rows[b]["box_xyxy"] is not None
        if treatment == "skip" and not found:
            continue
        score = units[a] @ units[b] if found or treatment == "whole_image" else -np.inf
        scores[int(rows[a]["identity"] != rows[b]["identity"])].append(score)
    return scores


@pytest.mark.parametrize("treatment", ["whole_image", "skip", "reject"])
def test_pose_cells_equal_a_double_loop(one_by_one, all_pairs, treatment):
    report = all_pairs
    assert report.pose_pairs() == list(POSE_PAIRS)
    for pair in POSE_PAIRS:
        genuine, impostor = (np.array(scores) for scores in slow_cell(one_by_one, pair, treatment))
        rates = report.cell(pair).rates(treatment)
        assert (rates.genuine, rates.impostor) == (len(genuine), len(impostor))
        assert rates.eer == pytest.approx(metrics.eer(genuine, impostor).rate, abs=1e-6)
        assert rates.auc == pytest.approx(metrics.auc(genuine, impostor), abs=1e-6)
        assert rates.eer_low <= rates.eer_high
    pooled = report.cell("pooled").rates()
    assert pooled.genuine + pooled.impostor == len(one_by_one[0]) * (len(one_by_one[0]) - 1) // 2


def test_failures_are_counted_by_pose(dataset, all_pairs):
    report = all_pairs
    rows = dataset.rows()
    for pose in POSES:
        failures = int(rows[rows.pose == pose].box_xyxy.isna().sum())
        assert report.header["acquisition"][pose] == {"images": SUBJECTS * PER_POSE, "failures": failures}
    assert sum(report.cell("pooled").failures.values()) == 3
    assert report.header["left_out"]["images without a yaw, in no |yaw difference|"] == 3


def test_templates_and_their_counts(by_template):
    report = by_template
    assert report.template_sizes() == [1, 2]
    same, cross = report.cell("frontal-frontal", 2).rates(), report.cell("frontal-profile", 2).rates()
    assert (same.genuine, cross.genuine) == (SUBJECTS, 4 * SUBJECTS)
    assert (same.impostor, cross.impostor) == (4 * SUBJECTS * (SUBJECTS - 1) // 2, 4 * SUBJECTS * (SUBJECTS - 1))
    assert report.cell("frontal-frontal").rates().genuine == SUBJECTS * PER_POSE * (PER_POSE - 1) // 2


def test_a_template_is_the_mean_of_its_found_faces(dataset, one_by_one):
    rows, units = one_by_one
    samples = evaluate.make_samples(dataset.rows(), embed_dataset(dataset, ColourEmbedder()))
    templates = template_samples(samples)
    assert len(templates) == SUBJECTS * len(POSES) * 2 and (np.diff(templates.subjects) >= 0).all()
    for i, row_id in enumerate(templates.row_ids):
        first = rows.loc[row_id]
        members = rows[
            (rows.identity == first.identity) & (rows.pose == first.pose) & (rows.template == first.template)
        ]
        found = members[members.box_xyxy.notna()]
        mean = np.mean([units[name] for name in (found if len(found) else members).index], axis=0)
        np.testing.assert_allclose(templates.embeddings[i], mean / np.linalg.norm(mean), atol=1e-6)
        assert templates.acquired[i] == bool(len(found))
    assert (~templates.acquired).sum() == 1  # pictures 14 and 15 are one template


def test_cfp_folds_accuracy_and_pairs(dataset, one_by_one):
    report = report_of(dataset, "cfp")
    _, units = one_by_one
    pairs = dataset.pairs()
    scores = np.array([units[a] @ units[b] for a, b in zip(pairs.row_id_a, pairs.row_id_b, strict=True)])
    for name, key in (("FF", "frontal-frontal"), ("FP", "frontal-profile")):
        chosen = (pairs.protocol == name).to_numpy()
        reached = []
        for fold in (1, 2, 3):
            test, train = chosen & (pairs.fold == fold).to_numpy(), chosen & (pairs.fold != fold).to_numpy()
            same = pairs.same.to_numpy()
            best = max(sorted(scores[train]), key=lambda t: ((scores[train] >= t) == same[train]).sum())
            reached.append(((scores[test] >= best - 1e-9) == same[test]).mean())
            cell = report.cell(key, fold=fold, protocol="cfp")
            assert cell.accuracy == pytest.approx(reached[-1])
            assert cell.rates().eer == pytest.approx(
                metrics.eer(scores[test & same], scores[test & ~same]).rate, abs=1e-6
            )
        assert report.cell(key).accuracy == pytest.approx(np.mean(reached))
    assert report.cell("profile-profile").protocol == "all-pairs"
    two = report_of(dataset, "cfp", folds=(1, 3))
    assert two.header["subjects"] == 4 and two.cell("frontal-profile").rates().genuine == 16


def test_lfw_pairs_pooled_and_by_pose(dataset, one_by_one):
    pairs = dataset.pairs()[lambda table: table.protocol == "FP"].assign(protocol="LFW")
    protocol = PROTOCOLS["lfw"]
    chosen = protocol.choose(dataset.rows(), pairs)
    assert set(chosen) == {*pairs.row_id_a, *pairs.row_id_b}
    samples = evaluate.make_samples(dataset.rows(), embed_dataset(dataset, ColourEmbedder(), chosen))
    planned = [plan for _, plan in protocol.plan(samples, official_pairs(protocol, pairs, None))]
    assert [(plan.pose_pair, plan.fold) for plan in planned] == [
        ("pooled", None),
        ("pooled", 1),
        ("pooled", 2),
        ("pooled", 3),
        ("frontal-profile", None),
    ]
    assert planned[0].comparisons.size == planned[-1].comparisons.size == len(pairs)


def test_yaw_cells_cover_every_pair_with_known_yaw(dataset, all_pairs):
    cells = all_pairs.yaw_cells()
    known = int(dataset.rows().yaw_degrees.notna().sum())
    assert sum(cell.rates().genuine + cell.rates().impostor for cell in cells) == known * (known - 1) // 2
    assert [cell.yaw_band[0] for cell in cells] == sorted(cell.yaw_band[0] for cell in cells)


def test_report_survives_the_disk(by_template, tmp_path):
    report = by_template
    report.save(tmp_path / "report")
    loaded = Report.load(tmp_path / "report")
    assert loaded.cells == report.cells and loaded.header == json.loads(json.dumps(report.header))
    for a, b in zip(report.cells, loaded.cells, strict=True):
        for treatment in ("whole_image", "skip", "reject"):
            np.testing.assert_array_equal(a.rounds("eer", treatment), b.rounds("eer", treatment))
            pd.testing.assert_frame_equal(a.det(treatment), b.det(treatment))
        assert (
            b.hardest("genuine").score.is_monotonic_increasing and b.hardest("impostor").score.is_monotonic_decreasing
        )
    report.save(tmp_path / "report")  # replaces itself
    assert not list(tmp_path.glob("*.building"))


def test_live_rates_are_exact_at_histogram_edges(one_by_one, all_pairs):
    cell = all_pairs.cell("frontal-profile")
    for treatment in ("whole_image", "skip", "reject"):
        genuine, impostor = (np.array(scores) for scores in slow_cell(one_by_one, ("frontal", "profile"), treatment))
        for threshold in (-0.25, 0.5, 0.9375):
            point = cell.rates_at(threshold, treatment)
            assert point.fmr == pytest.approx((impostor >= threshold).mean())
            assert point.fnmr == pytest.approx((genuine < threshold).mean())


def test_comparing_is_paired_and_refuses_other_pairs(dataset, all_pairs):
    a, b = all_pairs, report_of(dataset, "all-pairs", ColourEmbedder("b", "b" * 64, blur=0.9))
    assert all(d.difference == 0 == d.low == d.high and not d.differs for d in a.compare(a) if d.difference is not None)
    for found in a.compare(b):
        if found.pose_pair:
            assert found.difference == pytest.approx(
                b.cell(found.pose_pair).rates().eer - a.cell(found.pose_pair).rates().eer
            )
            assert found.low <= found.high
    with pytest.raises(UserError, match="not about the same pairs"):
        a.compare(report_of(dataset, "cfp"))
    with pytest.raises(UserError, match="unknown metric"):
        a.compare(b, metric="fnmr")


def test_mismatches_are_said_in_sentences(dataset, all_pairs):
    report = all_pairs
    assert report.mismatches("a" * 64, dataset.fingerprint) == [] == report.mismatches()
    assert len(report.mismatches("c" * 64, "other")) == 2


def test_only_missing_rows_are_embedded(dataset, tmp_path):
    embedder = ColourEmbedder()
    cache = cache_file(dataset, embedder, tmp_path)
    ids = dataset.rows()["row_id"].tolist()
    some = embed_dataset(dataset, embedder, ids[5:9][::-1], cache)
    assert embedder.seen == 4 and some.row_ids.tolist() == ids[5:9][::-1]
    every = embed_dataset(dataset, embedder, cache=cache)
    assert embedder.seen == len(ids) and every.row_ids.tolist() == ids
    np.testing.assert_array_equal(every.of(some.row_ids).values, some.values)
    embed_dataset(dataset, embedder, cache=cache)
    assert embedder.seen == len(ids)
    assert cache_file(dataset, ColourEmbedder(weights_sha256="d" * 64), tmp_path) != cache


@pytest.mark.parametrize("count", [2, 3])
def test_shards_together_equal_one_process(dataset, count, monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 7)
    whole = embed_dataset(dataset, ColourEmbedder())
    parts: list[Embeddings] = []
    for index in range(count):
        with pytest.raises(InterruptedError):  # stop where the processes would exchange their parts
            embed_dataset(
                dataset, ColourEmbedder(), shard=Shard(index, count, lambda mine: parts.extend(mine) or _stop())
            )
    together = embed_dataset(dataset, ColourEmbedder(), shard=Shard(0, count, lambda mine: parts))
    assert sum(len(part.row_ids) for part in parts) == len(whole.row_ids)
    np.testing.assert_array_equal(together.values, whole.values)


def _stop():
    raise InterruptedError


@pytest.mark.parametrize(("protocol", "names"), [("cfp", "FF or FP"), ("lfw", "LFW")])
@pytest.mark.parametrize("folds", [None, (1,), (1, 2)])
def test_a_dataset_without_official_pairs_is_told_what_to_take(protocol, names, folds):
    empty = pd.DataFrame(columns=["protocol", "fold", "row_id_a", "row_id_b", "same"])
    with pytest.raises(UserError) as caught:
        official_pairs(PROTOCOLS[protocol], empty, folds)
    assert str(caught.value) == (
        f"this dataset has no official pairs ({names}): take --protocol all-pairs, which needs none"
    )


def test_bad_input_is_named(dataset, all_pairs, tmp_path):
    with pytest.raises(UserError, match="not a dataset folder"):
        FaceDataset.open(tmp_path)
    with pytest.raises(UserError, match="--folds 9: this dataset has official pairs of fold .* only"):
        report_of(dataset, "cfp", folds=(1, 9))
    with pytest.raises(UserError, match="--folds"):
        report_of(dataset, "all-pairs", folds=(1,))
    with pytest.raises(UserError, match="not a report folder"):
        Report.load(tmp_path)
    (tmp_path / REPORT_FILE).write_text("{")
    with pytest.raises(UserError, match="damaged"):
        Report.load(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(UserError, match="not a file of embeddings"):
        Embeddings.load(tmp_path / "x.parquet")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(UserError, match="not a report"):
        all_pairs.save(tmp_path / "other")


def test_a_place_that_cannot_be_written_is_named(dataset, all_pairs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        embed_dataset(dataset, ColourEmbedder(), cache=tmp_path / "file" / "cache.parquet")
    with pytest.raises(UserError, match="cannot be written"):
        all_pairs.save(tmp_path / "file" / "report")


def test_draws_depend_on_the_seed_alone():
    assert (Draws.of(5, 3, 1).weights == Draws.of(5, 3, 1).weights).all()
