"""The Embeddings tab: projections and similarities against libraries and loops, work in threads, and its handlers."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.drawn_people import save_drawn
from helpers.explorer_data import make_store
from sklearn.decomposition import PCA

from demo.common import jobs
from demo.common.links import opened
from demo.embeddings import chosen as chosen_samples
from demo.embeddings import projection, similarity
from demo.embeddings import tab as embeddings
from sfpn.photos.detector import FaceDetector
from sfpn.schema import pair_key, pose_pair


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


def test_pca_is_that_of_scikit_learn(store):
    values = store.get("colour")
    ours, theirs = projection.pca(values)[0], PCA(2).fit_transform(values)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)


def test_a_known_vector_lands_on_its_own_point(store):
    values = store.get("colour")
    coordinates = projection.project(values, "PCA", store.view.thumbnails)
    np.testing.assert_allclose(projection.place(values[5], values, coordinates, "PCA"), coordinates[5], atol=1e-5)
    copies = np.repeat(values[:1], 3, axis=0)
    np.testing.assert_allclose(
        projection.place(values[0], copies, np.array([[0, 0], [1, 0], [2, 3.0]]), "t-SNE"), [1, 1]
    )


@pytest.mark.parametrize("method", projection.available())
def test_every_projection_that_is_offered_keeps_neighbours_together(store, tmp_path, method):
    """Two far groups of vectors stay two groups."""
    rng = np.random.default_rng(0)
    values = np.repeat(np.eye(2, 12), 20, axis=0) + rng.normal(0, 0.02, (40, 12))
    found = projection.project(values.astype(np.float32), method, tmp_path)
    apart = np.linalg.norm(found[:20].mean(0) - found[20:].mean(0))
    spread = max(np.linalg.norm(group - group.mean(0), axis=1).mean() for group in (found[:20], found[20:]))
    assert found.shape == (40, 2) and found.dtype == np.float32 and apart > 2 * spread


def test_slow_projections_are_kept(store, tmp_path):
    values = store.get("colour")
    first = projection.project(values, "t-SNE", tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept == projection.kept_file(values, "t-SNE", tmp_path) and np.array_equal(np.load(kept), first)
    np.save(kept, np.zeros((72, 2), np.float32))
    assert not projection.project(values, "t-SNE", tmp_path).any()  # read, not computed again
    assert projection.kept_file(values + 1, "t-SNE", tmp_path) != kept


def test_nearest_like_a_loop(store, monkeypatch):
    values = store.get("colour")
    monkeypatch.setattr(similarity, "BLOCK", 7)
    expected = [
        max((j for j in range(len(values)) if j != i), key=lambda j: values[i] @ values[j]) for i in range(len(values))
    ]
    assert similarity.nearest(values).tolist() == expected


def test_spread_like_a_double_loop(store):
    values, rows = store.get("colour"), store.view.rows
    found = {}
    for i, j in itertools.combinations(range(len(rows)), 2):
        a, b = rows.iloc[i], rows.iloc[j]
        kind = "genuine" if a["identity"] == b["identity"] else "impostor"
        found.setdefault((pair_key(pose_pair(a["pose"], b["pose"])), kind), []).append(values[i] @ values[j])
    table = similarity.spread(values, rows).set_index(["pose_pair", "kind"])
    assert set(table.index) == set(found)
    for key, scores in found.items():
        assert table.loc[key, "pairs"] == len(scores) and table.loc[key, "mean"] == pytest.approx(
            np.mean(scores), abs=1e-5
        )
        assert table.loc[key, "low"] == pytest.approx(np.quantile(scores, 0.05), abs=1e-5)
    assert f"{table.loc[('frontal-frontal', 'genuine'), 'mean']:.2f}" in similarity.read_spread(table.reset_index())


def test_heat_map_is_bounded_and_grouped(store):
    rows = store.view.rows
    assert similarity.for_heat_map(rows, ["3/profile/0", "1/profile/1", "1/frontal/0"]) == [
        "1/frontal/0",
        "1/profile/1",
        "3/profile/0",
    ]
    assert (
        len(similarity.for_heat_map(rows, list(rows.index)))
        == len(similarity.for_heat_map(rows, []))
        == similarity.SHOWN
    )


def test_work_is_followed_and_stopped():
    steps = jobs.follow(lambda report: [report("counting", i, 3) for i in range(3)] and "done")
    seen = []
    with pytest.raises(StopIteration) as end:
        while True:
            seen.append(next(steps))
    assert end.value.value == "done" and all(len(step) == 3 for step in seen)

    stopped = threading.Event()

    def endless(report):
        try:
            while True:
                report("counting", 1, 2)
        except jobs.Stopped:
            stopped.set()
            raise

    steps = jobs.follow(endless)
    next(steps)
    steps.close()
    assert stopped.wait(5)


def test_an_error_of_the_work_reaches_the_click():
    with pytest.raises(ZeroDivisionError):
        list(jobs.follow(lambda report: 1 / 0))


def test_progress_in_words():
    assert 'max="4"' in jobs.progress_html("embedding", 1, 4) and "1 of 4" in jobs.progress_html("embedding", 1, 4)
    assert "max" not in jobs.progress_html("starting", 0, 0)


def test_missing_embeddings_are_offered_and_computed(tmp_path):
    store = make_store(tmp_path, computed=False)
    status, figure, missing, drawn = next(embeddings.draw(store, "colour", "PCA", "pose", None, None))
    assert missing["visible"] and not figure.data
    assert list(embeddings.compute_embeddings(store, "colour"))[-1] == ""
    *_, (status, figure, missing, drawn) = embeddings.draw(store, "colour", "PCA", "error", None, drawn)
    assert not missing["visible"] and sum(len(trace.x) for trace in figure.data) == 72
    assert make_store(tmp_path / "again", computed=False).get("colour") is None


def test_lasso_keeps_known_rows_once(store):
    a, b = store.view.rows.index[:2]
    points = [{"value": a}, {"value": b}, {"value": a}, {"value": "nobody"}, {"value": None}]
    row_ids, tools, words, grid, chart = chosen_samples.take_lasso(store, SimpleNamespace(points=points))
    assert row_ids == (a, b) and "<b>2</b> images" in words and grid.count("<img") == 2 and chart["highlight"] == [a, b]
    assert chosen_samples.take_selection(store, opened((a, b)))[0] == (a, b)
    assert (
        chosen_samples.choose(store, ())[0] == ()
        and chosen_samples.choose(store, tuple(store.view.rows.index))[4]["highlight"] is None
    )


def test_clicked_points_and_cells_open(store):
    a, b = store.view.rows.index[:2]
    assert embeddings.open_point(store, SimpleNamespace(value=a))[1].value == a
    assert chosen_samples.open_cell(store, SimpleNamespace(value=[a, b]))[1].value == (a, b)


def test_own_photo_lands_on_the_map_and_is_deleted(store, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    detector = FaceDetector()
    file = save_drawn(tmp_path / "me.png", "frontal")
    own, _, notice, neighbours = embeddings.place_photo(store, detector, str(file), "colour")
    assert not file.exists() and neighbours.count("<img") == 12 and "Your photo" in notice
    *_, (_, figure, _, _) = embeddings.draw(store, "colour", "PCA", "pose", own, None)
    assert figure.data[-1].name == "your photo"
    file.write_text("no picture")
    own, _, notice, _ = embeddings.place_photo(store, detector, str(file), "colour")
    assert own is None and "not a picture" in notice and not file.exists()
