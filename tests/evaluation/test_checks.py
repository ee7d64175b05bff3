"""The checks of a dataset: planted errors are found, and each part agrees with a slow or obvious version."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.paths import SYNTHETIC
from helpers.planted import Planted, plant
from PIL import Image, ImageFilter
from scipy.stats import norm as normal

from sfpn.data.dataset import FaceDataset
from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT, SAME_PERSON
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.evaluation.checks import nearest, which_face
from sfpn.evaluation.checks.check import check, look
from sfpn.evaluation.checks.draft import draft
from sfpn.evaluation.checks.duplicates import find_copies, twins_of
from sfpn.evaluation.checks.finding import KIND_WORDS, KINDS, Finding
from sfpn.evaluation.checks.nearest import NOTHING, Nearness, mean_of_best, nearness
from sfpn.evaluation.checks.norm import PosePairNorm
from sfpn.evaluation.checks.pictures import SMALL, PictureFacts, blurriness
from sfpn.evaluation.comparisons import Samples

PEOPLE = 60


def people(count: int = PEOPLE) -> set[str]:
    return {f"syn-{number:04d}" for number in range(count)}


def known_embeddings(planted: Planted) -> Embeddings:
    """Of the drawn people, as they ship; a copy gets that of its original, moved a little."""
    rows = FaceDataset.open(planted.folder).rows()["row_id"].tolist()
    shipped = Embeddings.load(SYNTHETIC / "embeddings" / "base.parquet")
    found = shipped.of([planted.copies.get(row_id, row_id) for row_id in rows])
    noise = np.random.default_rng(0).normal(0, 0.05, found.values.shape) * found.values.std()
    is_copy = np.array([row_id in planted.copies for row_id in rows])
    return replace(found, row_ids=np.array(rows, object), values=found.values + noise * is_copy[:, None])


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Planted:
    folder = tmp_path_factory.mktemp("checks") / "planted"
    return plant(FaceDataset.open(SYNTHETIC), folder, np.random.default_rng(3), people())


@pytest.fixture(scope="module")
def findings(planted: Planted) -> list[Finding]:
    return check(FaceDataset.open(planted.folder), known_embeddings(planted))


def test_planted_wrong_labels_are_found(planted: Planted, findings: list[Finding]):
    told = {finding.row_ids[0] for finding in findings if finding.kind == "label"}
    rows = FaceDataset.open(planted.folder).rows().set_index("row_id")
    seen = {row_id for row_id in planted.wrong if rows.loc[row_id, "box_xyxy"] is not None}
    right = told & set(planted.wrong)
    assert len(seen) >= 15
    assert len(right & seen) >= 0.8 * len(seen) and len(right) >= 0.8 * len(told), (seen - told, told - right)


def test_the_true_identity_is_suggested(planted: Planted, findings: list[Finding]):
    labels = [finding for finding in findings if finding.kind == "label" and finding.row_ids[0] in planted.wrong]
    named = [{suggestion.new_identity for suggestion in finding.suggestions} for finding in labels]
    right = sum(planted.wrong[finding.row_ids[0]] in names for finding, names in zip(labels, named, strict=True))
    assert right >= 0.8 * len(labels)
    assert all({s.action for s in finding.suggestions} == {FIX_LABEL, LEAVE_OUT} for finding in labels)


def test_every_planted_copy_is_found_once(planted: Planted, findings: list[Finding]):
    copies = [finding for finding in findings if finding.kind in ("duplicate", "near_duplicate")]
    assert Counter(frozenset(finding.row_ids) for finding in copies) == Counter(map(frozenset, planted.copies.items()))
    assert {finding.kind for finding in copies} == {"duplicate", "near_duplicate"}
    for finding in copies:
        assert (finding.score > 1.5) == (finding.row_ids[0] in planted.wrong or finding.row_ids[1] in planted.wrong)


def test_findings_are_ranked_and_name_rows(planted: Planted, findings: list[Finding]):
    assert set(KIND_WORDS) == set(KINDS)
    order = [(KINDS.index(finding.kind), -finding.score) for finding in findings]
    assert order == sorted(order)
    rows = set(FaceDataset.open(planted.folder).rows()["row_id"])
    for finding in findings:
        assert (
            set(finding.row_ids) <= rows
            and finding.why
            and list(finding.record())
            == [
                "kind",
                "row_ids",
                "score",
                "why",
            ]
        )


def test_a_draft_holds_each_row_once(findings: list[Finding]):
    decisions = draft(findings)
    assert max(Counter(decision.row_id for decision in decisions if decision.row_id).values()) == 1
    assert {decision.row_id for decision in decisions} >= {f.row_ids[0] for f in findings if f.kind == "label"}


class Changed:
    """A dataset with some cells of its rows replaced: column -> row_id -> value."""

    def __init__(self, dataset: FaceDataset, **cells: dict[str, object]) -> None:
        self.dataset, self.cells, self.folder = dataset, cells, dataset.folder

    def rows(self):
        rows = self.dataset.rows()
        for name, values in self.cells.items():
            rows[name] = [values.get(row_id, cell) for row_id, cell in zip(rows["row_id"], rows[name], strict=True)]
        return rows

    def pictures(self, wanted: set[str]):
        return self.dataset.pictures(wanted)


def shipped(count: int) -> tuple[FaceDataset, Embeddings]:
    """The first drawn people with their embeddings."""
    dataset = FaceDataset.open(SYNTHETIC)
    row_ids = [row_id for row_id in dataset.rows()["row_id"] if row_id[:8] in people(count)]
    return dataset, Embeddings.load(SYNTHETIC / "embeddings" / "base.parquet").of(row_ids)


def test_an_identity_cut_in_two_is_one_person():
    dataset, embeddings = shipped(12)
    cut = {row_id: "cut" for row_id in embeddings.row_ids if row_id.startswith("syn-0004") and int(row_id[-2:]) < 4}
    findings = check(Changed(dataset, identity=cut), embeddings)
    found = [finding for finding in findings if finding.kind == "same_person"]
    assert [finding.suggestions[0].record() for finding in found] == [
        {"action": SAME_PERSON, "identity": "cut", "new_identity": "syn-0004"}
    ]
    parts = {"cut", "syn-0004"}
    identities = Changed(dataset, identity=cut).rows().set_index("row_id")["identity"]
    assert not [f for f in findings if f.kind == "label" and {identities[row_id] for row_id in f.row_ids} <= parts]


def test_poses_quality_and_gaps_are_told():
    dataset, embeddings = shipped(3)
    first, second, third = (f"syn-0000-{pose}-00" for pose in ("frontal", "three_quarter", "profile"))
    changed = Changed(
        dataset,
        pose={first: "profile"}
        | {f"syn-0002-{p}-{n:02d}": "frontal" for p in ("three_quarter", "profile") for n in range(10)},
        pose_estimated={first: "frontal"},
        quality={second: 0.5},
        identity={third: "alone"},
    )
    findings = check(changed, embeddings)
    by_kind = {kind: [f for f in findings if f.kind == kind] for kind in KINDS}
    assert first in {f.row_ids[0] for f in by_kind["pose"]}
    assert any(s.new_pose == "frontal" for f in by_kind["pose"] if f.row_ids == (first,) for s in f.suggestions)
    assert "not sure" in next(f.why for f in by_kind["quality"] if f.row_ids == (second,))
    assert [(f.row_ids[0], len(f.row_ids), f.score) for f in by_kind["single"]] == [
        (third, 1, 1.0),
        ("syn-0002-frontal-00", 30, 0.5),
    ]


def slow_nearness(samples: Samples, norm: PosePairNorm, twins: np.ndarray, row: int) -> dict[int, float]:
    """Nearness of a row to every identity, one score at a time."""
    scores: dict[int, dict[int, float]] = {}
    for other in range(len(samples)):
        if twins[other] != twins[row]:
            a, b = norm.codes[row], norm.codes[other]
            cosine = float(samples.embeddings[row] @ samples.embeddings[other])
            z = (cosine - norm.mean[a, b]) / norm.spread[a, b]
            scores.setdefault(int(samples.subjects[other]), {}).setdefault(int(twins[other]), z)
    return {subject: float(np.mean(sorted(zs.values())[-4:])) for subject, zs in scores.items()}


def test_nearness_is_that_of_one_score_at_a_time(monkeypatch):
    monkeypatch.setattr(nearest, "BLOCK_SCORES", 300)  # several blocks
    rng = np.random.default_rng(5)
    identities = rng.integers(0, 9, 70)
    samples = Samples.build(
        [f"{number:03d}" for number in range(70)],
        identities.astype(str),
        rng.choice(["frontal", "profile"], 70),
        rng.normal(size=(70, 8)) + np.eye(9, 8)[identities],
    )
    twins = np.arange(70)
    twins[[7, 30, 31]] = twins[[6, 2, 2]]
    norm = PosePairNorm.of(samples)
    found = nearness(samples, norm, twins)
    for row in range(70):
        slow = slow_nearness(samples, norm, twins, row)
        own = int(samples.subjects[row])
        assert found.own[row] == pytest.approx(slow.pop(own, NOTHING), abs=1e-4)
        assert found.other[row] == pytest.approx(max(slow.values()), abs=1e-4)
        assert slow[int(found.other_subject[row])] == pytest.approx(max(slow.values()), abs=1e-4)


def test_mean_of_best_ignores_what_is_not_there():
    scores = np.array([[5.0, 1, 2, 3, 4], [7, NOTHING, NOTHING, 1, NOTHING], [NOTHING] * 5])
    assert mean_of_best(scores, 3).tolist() == [4.0, 4.0, NOTHING]


def test_scores_of_different_people_are_normal_in_every_pose_pair():
    rng = np.random.default_rng(1)
    poses = np.array(["frontal", "profile"] * 300)
    shift = np.where(poses == "profile", 1.5, 0.0)[:, None] * np.ones(64) / 8  # all profiles are alike
    vectors = rng.normal(size=(600, 64)) / 8 + shift
    samples = Samples.build([f"{n:03d}" for n in range(600)], [f"{n:03d}" for n in range(600)], poses, vectors)
    norm = PosePairNorm.of(samples)
    for pose in range(2):
        for other in range(2):
            rows, others = (np.flatnonzero(norm.codes == code) for code in (pose, other))
            z = norm.normalised(samples.embeddings[rows] @ samples.embeddings[others].T, pose, others)
            z = z[rows[:, None] != others[None, :]]
            assert abs(z.mean()) < 0.05 and z.std() == pytest.approx(1, abs=0.05)
            assert (z > 2).mean() == pytest.approx(normal.sf(2), abs=0.01)


def facts_of(small: np.ndarray, pixels: list[bytes]) -> PictureFacts:
    nothing = np.full(len(small), np.nan)
    ids = np.array([str(number) for number in range(len(small))])
    return PictureFacts(ids, np.array(pixels, object), np.array(pixels, object), small, nothing, nothing, {})


def test_copies_are_those_of_comparing_all_with_all():
    rng = np.random.default_rng(2)
    small = np.kron(rng.integers(0, 255, (40, 8, 8)), np.ones((4, 4))).astype(np.uint8)
    small[11], small[12] = small[3], small[4, :, ::-1]
    small[20] = np.clip(small[5] + rng.normal(0, 4, (SMALL, SMALL)), 0, 255)
    small[25] = small[26] = 130  # one grey: like nothing
    pixels = [str(number).encode() for number in range(40)]
    pixels[11], pixels[30] = pixels[3], b""
    copies = find_copies(facts_of(small, pixels))
    assert [(c.earlier, c.later, c.exact, c.mirrored) for c in copies] == [
        (3, 11, True, False),
        (4, 12, False, True),
        (5, 20, False, False),
    ]
    flat = small.reshape(40, -1).astype(float)
    for copy in copies[2:]:
        assert copy.correlation == pytest.approx(np.corrcoef(flat[copy.earlier], flat[copy.later])[0, 1], abs=1e-4)
    twins = twins_of(copies, 40)
    assert (twins[11], twins[12], twins[20]) == (3, 4, 5) and len(set(twins)) == 37


def test_blurring_raises_blurriness():
    dataset = FaceDataset.open(SYNTHETIC)
    grey = next(dataset.pictures({"syn-0003-frontal-00"})).decode().convert("L")
    found = [
        blurriness(np.asarray(grey.filter(ImageFilter.GaussianBlur(radius)) if radius else grey)) for radius in range(5)
    ]
    assert found == sorted(found) and found[0] < 0.6 < found[-1]
    assert blurriness(np.full((20, 20), 7, np.uint8)) == 1.0


def test_a_picture_that_cannot_be_decoded_is_told_and_the_rest_is_checked(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    planted = plant(FaceDataset.open(SYNTHETIC), tmp_path / "set", np.random.default_rng(0), people(3))
    table = pq.read_table(planted.folder / "data-00000.parquet")
    rows = table.to_pylist()
    rows[4]["image"] = {"bytes": b"no picture", "path": "x.jpg"}
    rows[5]["box_xyxy"] = [-1e12, -1e12, 1e12, 1e12]
    rows[6]["box_xyxy"] = [float("nan")] * 4
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), planted.folder / "data-00000.parquet")
    findings = check(FaceDataset.open(planted.folder), known_embeddings(planted))
    told = {finding.row_ids[0]: finding.why for finding in findings if finding.kind == "quality"}
    assert "cannot be read" in told[rows[4]["row_id"]]
    assert all("face box" in told[rows[number]["row_id"]] for number in (5, 6))


def test_embeddings_of_another_set_are_refused():
    dataset, embeddings = shipped(2)
    with pytest.raises(UserError, match="embeddings are not those"):
        look(dataset, replace(embeddings, row_ids=np.array(["x"] * len(embeddings.row_ids), object)))
    with pytest.raises(UserError, match="cannot be compared"):
        look(dataset, replace(embeddings, values=np.zeros_like(embeddings.values)))


class TwoFaces:
    """A detector that finds the taken face and, in one picture, a second one."""

    def __init__(self, dataset: FaceDataset, row_id: str) -> None:
        self.picture = next(dataset.pictures({row_id}))
        self.size = self.picture.decode().size

    def detect(self, photo: Image.Image):
        face = self.picture.face
        left, top, right, bottom = face.box_xyxy
        beside = replace(face, box_xyxy=(left + 500, top, right + 500, bottom))
        return [face, beside]


class FixedEmbedder:
    """Gives every crop one vector."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.preprocess = self

    def crop(self, image: Image.Image, face: object) -> Image.Image:
        return image

    def embed(self, crops: list) -> np.ndarray:
        return np.stack([self.values] * len(crops))


def test_another_face_that_fits_the_identity_better_is_told():
    dataset, embeddings = shipped(10)
    row_id = "syn-0001-frontal-00"
    values = embeddings.values.copy()
    position = {name: number for number, name in enumerate(embeddings.row_ids)}
    right = values[position[row_id]].copy()
    values[position[row_id]] = values[position["syn-0005-frontal-00"]] + 0.01  # the wrong face was taken
    wrong = replace(embeddings, values=values)
    detector = TwoFaces(dataset, row_id)
    findings = check(dataset, wrong, embedder=FixedEmbedder(right), detector=detector)  # pyright: ignore
    assert row_id in {finding.row_ids[0] for finding in findings if finding.kind == "which_face"}
    assert row_id not in {finding.row_ids[0] for finding in findings if finding.kind == "label"}
    assert row_id in {finding.row_ids[0] for finding in check(dataset, wrong) if finding.kind == "label"}


def test_photos_with_nothing_to_compare_with_are_looked_at_last(monkeypatch):
    own = np.array([1.0, NOTHING, 2.0, 0.0, 5.0, NOTHING])
    near = Nearness(own, np.array([1.2, 3.0, 1.9, 3.0, 1.0, 9.0]), np.zeros(6, int))
    looked = SimpleNamespace(near=near, samples=SimpleNamespace(acquired=np.arange(6) != 5))
    assert which_face.in_doubt(looked) == [3, 0, 2, 1]  # type: ignore[arg-type]
    monkeypatch.setattr(which_face, "MOST_LOOKED_AT", 2)
    assert which_face.in_doubt(looked) == [3, 0]  # type: ignore[arg-type]
