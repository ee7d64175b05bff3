"""The Embeddings tab: projections and similarities against libraries and loops, work in threads, and its handlers."""

from __future__ import annotations

import base64
import io
import itertools
import threading
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from helpers.drawn_people import save_drawn
from helpers.explorer_data import make_store
from sklearn.decomposition import PCA

from demo.common import embedding_store, jobs, vectors
from demo.common.embedding_store import EmbeddingStore
from demo.common.links import opened
from demo.embeddings import chosen as chosen_samples
from demo.embeddings import own_photo, projection, similarity
from demo.embeddings import tab as embeddings
from demo.embeddings.compute import compute_embeddings
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
    monkeypatch.setattr(similarity, "MANY", 11)
    expected = [
        max((j for j in range(len(values)) if j != i), key=lambda j: values[i] @ values[j]) for i in range(len(values))
    ]
    assert similarity.nearest(values).tolist() == expected
    told = []
    similarity.nearest(values, lambda *done: told.append(done))
    assert told[-1] == (72, 72)


def test_large_sets_are_kept_with_two_bytes_and_give_the_same(store, tmp_path, monkeypatch):
    """Scores and neighbours of numbers of two bytes against those of four, in blocks that do not fit the rows."""
    monkeypatch.setattr(embedding_store, "WIDE", 100)
    monkeypatch.setattr(vectors, "AT_ONCE", 7)
    half = EmbeddingStore(store.view, store.models)
    values, wide = half.get("colour"), store.get("colour")
    assert values.dtype == np.float16 and wide.dtype == np.float32
    np.testing.assert_allclose(vectors.products(values, wide[3]), wide @ wide[3], atol=1e-3)
    np.testing.assert_allclose(vectors.products(values, wide[:5].T), wide @ wide[:5].T, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors.rows_of(values, slice(None)), axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(projection.project(values, "PCA", tmp_path), projection.pca(wide)[0], atol=5e-3)
    row_id = store.view.rows.index[9]
    ours, theirs = (each.neighbours("colour", row_id, 3) for each in (half, store))
    assert ours["row_id"].tolist() == theirs["row_id"].tolist()


def test_axes_and_places_of_large_sets_come_from_a_sample(tmp_path, monkeypatch):
    """Two far groups stay apart where only a part of them decides, and what is said of it names the part."""
    monkeypatch.setattr(projection, "AXES_FROM", 25)
    monkeypatch.setattr(projection, "LANDMARKS", 25)
    values = np.repeat(np.eye(2, 12), 40, axis=0) + np.random.default_rng(0).normal(0, 0.02, (80, 12))
    values = values.astype(np.float32)
    for method in ("PCA", "t-SNE"):
        found = projection.project(values, method, tmp_path)
        apart = np.linalg.norm(found[:40].mean(0) - found[40:].mean(0))
        assert found.shape == (80, 2) and apart > 2 * max(found[:40].std(), found[40:].std()) / 2
        assert "25 images drawn by chance" in projection.note(80, method) and projection.note(25, method) == ""


def test_the_map_is_saved_with_the_names_of_its_rows(store):
    name, content = embeddings.map_csv(store, "colour", "PCA")
    table = pd.read_csv(io.BytesIO(content))
    assert name == "embedding-map.csv" and list(table["row_id"]) == list(store.view.rows.index)
    np.testing.assert_allclose(table[["x", "y"]], projection.pca(store.get("colour"))[0], atol=1e-5)


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
    steps = jobs.follow(lambda progress: [progress("counting", i, 3) for i in range(3)] and "done")
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
    assert list(compute_embeddings(store, "colour"))[-1] == ""
    *_, (status, figure, missing, drawn) = embeddings.draw(store, "colour", "PCA", "error", None, drawn)
    assert not missing["visible"] and sum(len(trace.x) for trace in figure.data) == 72
    assert make_store(tmp_path / "again", computed=False).get("colour") is None


def test_a_lasso_chooses_the_rows_at_its_positions(store):
    positions = [0, 7, 8, 71]
    rows, bits = store.view.rows.index, bits_of(positions)
    event = SimpleNamespace(chosen=bits, of=store.view.mark)
    row_ids, tools, words, grid, chart = chosen_samples.take_lasso(store, event)
    assert list(row_ids) == list(rows[positions]) and "<b>4</b> images" in words and grid.count("<img") == 4
    assert chart["highlight"] == bits
    assert list(chosen_samples.take_selection(store, opened(tuple(rows[:2])))[0]) == list(rows[:2])
    assert chosen_samples.choose(store, ())[0] == () and chosen_samples.choose(store, ())[4]["highlight"] == ""
    assert chosen_samples.choose(store, range(72))[4]["highlight"] == ""


def bits_of(positions: list[int], count: int = 72) -> str:
    """The slow way: a text of zeros and ones, cut into eights."""
    text = "".join("1" if i in positions else "0" for i in range(-(-count // 8) * 8))
    return base64.b64encode(bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))).decode()


@pytest.mark.parametrize("chosen", [None, 3, "", "?", bits_of([1])[:-2], bits_of([1], 80), [True]])
def test_a_lasso_that_the_page_would_not_send_is_refused(store, chosen):
    with pytest.raises(gr.Error):
        chosen_samples.take_lasso(store, SimpleNamespace(chosen=chosen, of=store.view.mark))


def test_gestures_on_a_map_of_another_dataset_are_refused(store):
    for mark in ("f" * 12, None, 3):
        with pytest.raises(gr.Error):
            chosen_samples.take_lasso(store, SimpleNamespace(chosen=bits_of([1]), of=mark))
        with pytest.raises(gr.Error):
            embeddings.open_point(store, SimpleNamespace(value=1, of=mark))


def test_clicked_points_and_cells_open(store):
    a, b = store.view.rows.index[:2]
    assert embeddings.open_point(store, SimpleNamespace(value=1, of=store.view.mark))[1].value == b
    for value in (-1, 72, "0", None, True, 0.5):
        with pytest.raises(gr.Error):
            embeddings.open_point(store, SimpleNamespace(value=value, of=store.view.mark))
    assert chosen_samples.open_cell(store, SimpleNamespace(value=[a, b]))[1].value == (a, b)


def test_own_photo_lands_on_the_map_and_is_deleted(store, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    detector = FaceDetector()
    file = save_drawn(tmp_path / "me.png", "frontal")
    own, _, notice, neighbours = own_photo.place_photo(store, detector, str(file), "colour")
    assert not file.exists() and neighbours.count("<img") == 12 and "Your photo" in notice
    *_, (_, figure, _, _) = embeddings.draw(store, "colour", "PCA", "pose", own, None)
    assert figure.data[-1].name == "your photo"
    file.write_text("no picture")
    own, _, notice, _ = own_photo.place_photo(store, detector, str(file), "colour")
    assert own is None and "not a picture" in notice and not file.exists()
