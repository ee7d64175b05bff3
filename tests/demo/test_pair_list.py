"""Why a pair of the hardest pairs has its score: the score of the report, and what hiding parts of both crops does."""

from __future__ import annotations

import re
from types import SimpleNamespace

import gradio as gr
import pytest
from helpers.evaluation_data import ColourEmbedder
from helpers.explorer_data import make_report, make_store

from demo.common.embedding_store import EmbeddingStore
from demo.pose_errors import pair_list
from sfpn.evaluation.report import Report
from sfpn.verification.occlusion import Occlusion, most_words, occlude

MODEL = "colour-0"
CELL = "frontal-profile"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    return make_report(tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> EmbeddingStore:
    made = make_store(tmp_path_factory.mktemp("store"), computed=False)
    return EmbeddingStore(made.view, {MODEL: ColourEmbedder(MODEL, f"{MODEL:*<64}")})


def explained(store: EmbeddingStore, report: Report, pair: list, size: int = 1) -> list[pair_list.Reasons]:
    """All that the button makes the page show."""
    event = SimpleNamespace(index=pair)
    return list(pair_list.explain_pair({"one": report}, store, "one", size, event))  # type: ignore[arg-type]


def slow(store: EmbeddingStore, pair: list) -> Occlusion:
    """The same, from the pictures as an evaluation crops them."""
    found = {p.row_id: p for p in store.view.dataset.pictures(set(pair))}
    embedder = store.models[MODEL]
    first, second = (embedder.preprocess.crop(found[name].decode(), found[name].face) for name in pair)
    return occlude(embedder, first, second)


@pytest.mark.parametrize("kind", ["genuine", "impostor"])
def test_it_is_about_the_score_of_the_pair(store, report, kind):
    row = report.cell(CELL).hardest(kind).iloc[0]
    pair = [row["row_id_a"], row["row_id_b"]]
    *_, last = explained(store, report, pair)
    wanted = slow(store, pair)
    assert wanted.score == pytest.approx(row["score"], abs=1e-4)
    assert most_words(wanted) in last.status and last.faces.count("<img") == 2
    assert all(name in last.faces for name in pair) and last.part["visible"]


def test_of_templates_it_says_that_two_images_are_meant(store, report):
    row = report.cell(CELL).hardest("genuine").iloc[0]
    pair = [row["row_id_a"], row["row_id_b"]]
    assert pair_list.FIRST_IMAGES in explained(store, report, pair, 5)[-1].status
    assert pair_list.FIRST_IMAGES not in explained(store, report, pair)[-1].status


def test_a_model_that_is_not_loaded_is_named(store, report):
    other = EmbeddingStore(store.view, {"another": ColourEmbedder("another")})
    pair = list(store.view.rows.index[:2])
    [only] = explained(other, report, pair)
    assert MODEL in only.status and "not loaded" in only.status and only.faces == ""


@pytest.mark.parametrize("pair", [["nobody", "nothing"], ["a"], [], "ab", [1, 2]])
def test_what_the_page_would_not_send_is_refused(store, report, pair):
    with pytest.raises(gr.Error):
        explained(store, report, pair)


def test_the_sentence_tells_the_score_that_the_tile_shows(store, report):
    row = report.cell(CELL).hardest("impostor").iloc[0]
    words = explained(store, report, [row["row_id_a"], row["row_id_b"]])[-1].status
    shown = re.search(r"The score is (−?[\d.]+)\.", words)
    assert shown and float(shown[1].replace("−", "-")) == pytest.approx(row["score"], abs=0.006)
