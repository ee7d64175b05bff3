"""Who fails: counts against a double loop, planted people that fail, and people of equal risk that do not stand out."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset
from helpers.explorer_data import make_report
from helpers.paths import ROOT

from sfpn.data.dataset import FaceDataset
from sfpn.evaluation.bootstrap import Draws
from sfpn.evaluation.comparisons import AllPairs, PairList, Samples
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.evaluation.report import Report
from sfpn.evaluation.tally import tally
from sfpn.evaluation.who_fails import PAIRS_EACH, WORST, who_fails

PEOPLE, IMAGES = 40, 6
DRAWS = Draws.of(PEOPLE, rounds=50)


def samples_of(noise: np.ndarray, seed: int = 0, shared: float = 0.0) -> Samples:
    """PEOPLE with IMAGES each in two poses; `noise` (PEOPLE, IMAGES) blurs an image, `shared` draws all together."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(PEOPLE, 1, 24)) + shared
    vectors = centres + noise[..., None] * rng.normal(size=(PEOPLE, IMAGES, 24))
    names = [f"person {number:02d}" for number in range(PEOPLE) for _ in range(IMAGES)]
    ids = [f"{name}/{i % IMAGES}" for i, name in enumerate(names)]
    return Samples.build(ids, names, ["frontal", "profile"] * (len(ids) // 2), vectors.reshape(-1, 24))


def both(samples: Samples) -> list:
    """Comparisons of one pose, of two, and a list of pairs."""
    frontal, profile = samples.of_pose("frontal"), samples.of_pose("profile")
    rng = np.random.default_rng(5)
    listed = rng.choice(len(samples), (500, 2))
    listed = listed[listed[:, 0] != listed[:, 1]]
    return [AllPairs(frontal), AllPairs(frontal, profile), PairList(*listed.T)]


def listed_pairs(samples: Samples, compared) -> list[tuple[int, int]]:
    if isinstance(compared, PairList):
        return list(zip(compared.first.tolist(), compared.second.tolist(), strict=True))
    if compared.second is None:
        return list(itertools.combinations(compared.first.tolist(), 2))
    return list(itertools.product(compared.first.tolist(), compared.second.tolist()))


@pytest.mark.parametrize("which", range(3))
def test_counts_are_those_of_a_double_loop(which):
    samples = samples_of(np.full((PEOPLE, IMAGES), 1.4))
    compared, threshold = both(samples)[which], 0.25
    found, pairs = who_fails(samples, compared, tally(samples, compared), threshold, DRAWS)
    counts = {kind: (Counter(), Counter()) for kind in ("genuine", "impostor")}
    for a, b in listed_pairs(samples, compared):
        people = [samples.identities[samples.subjects[i]] for i in (a, b)]
        score = float(samples.embeddings[a] @ samples.embeddings[b])
        kind = "genuine" if people[0] == people[1] else "impostor"
        wrong = score < threshold if kind == "genuine" else score >= threshold
        for person in set(people):
            counts[kind][0][person] += 1
            counts[kind][1][person] += wrong
    for kind, ends in (("genuine", 1), ("impostor", 2)):
        spread, (comparisons, errors) = found.of(kind), counts[kind]
        assert spread.comparisons == sum(comparisons.values()) // ends
        assert spread.errors == sum(errors.values()) // ends > 0
        assert spread.people == len(comparisons) and spread.people_with_errors == sum(n > 0 for n in errors.values())
        worst = sorted(((n, name) for name, n in errors.items() if n), key=lambda each: (-each[0], each[1]))[:WORST]
        assert [(p.errors, p.identity) for p in spread.worst] == worst
        assert all(p.comparisons == comparisons[p.identity] for p in spread.worst)
        assert spread.worst_share == pytest.approx(sum(n for n, _ in worst) / sum(errors.values()))
        for person in spread.worst:
            own = pairs[(pairs["kind"] == kind) & (pairs["identity"] == person.identity)]
            of_person = [
                (float(samples.embeddings[a] @ samples.embeddings[b]), a, b)
                for a, b in listed_pairs(samples, compared)
                if person.identity in (names := [samples.identities[samples.subjects[i]] for i in (a, b)])
                and (names[0] == names[1]) == (kind == "genuine")
            ]
            expected = sorted((score for score, *_ in of_person), reverse=kind == "impostor")[:PAIRS_EACH]
            expected = [s for s in expected if kind == "genuine" or s >= threshold]
            assert own["score"].tolist() == pytest.approx(expected, abs=1e-5)


def test_people_who_fail_are_found_and_named():
    noise = np.full((PEOPLE, IMAGES), 1.0)
    noise[[3, 17, 29]] = 4.0
    samples = samples_of(noise)
    compared = both(samples)[1]
    found, _ = who_fails(samples, compared, tally(samples, compared), 0.3, DRAWS)
    spread = found.genuine
    assert {p.identity for p in spread.worst if p.stands_out} >= {"person 03", "person 17", "person 29"}
    assert spread.is_concentrated and spread.worst_share > spread.chance_high > spread.chance_share
    assert spread.standing_out <= 6 and spread.standing_out_low <= spread.standing_out / PEOPLE
    assert spread.standing_out / PEOPLE <= spread.standing_out_high


@pytest.mark.parametrize("bad_images", [False, True])
def test_people_of_equal_risk_do_not_stand_out_though_images_fail(bad_images):
    """Averaged over populations, the worst ten carry what chance says, and 1 in 20 people stands out at most."""
    excess, standing_out = [], []
    for seed in range(12):
        noise = np.full((PEOPLE, IMAGES), 1.0)
        if bad_images:
            noise[np.random.default_rng(seed).random(noise.shape) < 0.1] = 4.0
        samples = samples_of(noise, seed)
        compared = both(samples)[1]
        found, _ = who_fails(samples, compared, tally(samples, compared), 0.3, DRAWS)
        excess.append(found.genuine.worst_share - found.genuine.chance_share)
        standing_out.append(found.genuine.standing_out / PEOPLE)
    assert abs(np.mean(excess)) < 0.1 and np.mean(standing_out) < 0.09


def test_without_errors_or_threshold_nothing_is_said():
    samples = samples_of(np.full((PEOPLE, IMAGES), 0.01))
    compared = both(samples)[0]
    counted = tally(samples, compared)
    found, pairs = who_fails(samples, compared, counted, 0.999, DRAWS)
    assert found.impostor.errors == 0 and found.impostor.worst == () and found.impostor.worst_share is None
    assert not found.impostor.is_concentrated and (pairs["kind"] != "impostor").all()
    nothing, pairs = who_fails(samples, compared, counted, None, DRAWS)
    assert nothing is None and pairs.empty


def test_a_report_keeps_it_and_old_reports_open(tmp_path):
    report = make_report(tmp_path)
    report.save(tmp_path / "report")
    again = Report.load(tmp_path / "report")
    assert again == report and again.cell("frontal-profile").who_fails is not None
    worst = again.cell("frontal-profile").who_fails.genuine.worst[0]
    pairs = again.cell("frontal-profile").pairs_of(worst.identity, "genuine")
    assert 0 < len(pairs) <= PAIRS_EACH and pairs["score"].is_monotonic_increasing
    assert all(name.startswith(worst.identity.removeprefix("person ") + "/") for name in pairs["row_id_a"])
    (tmp_path / "report" / "people_pairs.parquet").unlink()
    without = Report.load(tmp_path / "report").cell("frontal-profile")
    assert without.pairs_of(worst.identity, "genuine").empty
    older = ROOT / "demo" / "assets" / "reports" / "cfp-templates-base"
    assert all(cell.who_fails is None for cell in Report.load(older).cells)


def test_folds_and_drawn_templates_have_none(tmp_path):
    dataset = FaceDataset.open(write_dataset(tmp_path / "data"))
    report = evaluate(dataset, ColourEmbedder(), EvaluateConfig("cfp", rounds=3), Path(tmp_path / "e.parquet"))
    assert {cell.fold for cell in report.cells if cell.who_fails} == {None}
    assert not any(cell.who_fails for cell in report.cells if cell.yaw_band)
    drawn = evaluate(dataset, ColourEmbedder(), EvaluateConfig("templates", rounds=3), Path(tmp_path / "e.parquet"))
    assert not any(cell.who_fails for cell in drawn.cells)
