"""Names with HTML, Markdown and quotes in a dataset, report, card or address are text on the page, never markup."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset
from helpers.explorer_data import make_report
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from demo.common.links import opened
from demo.common.notices import in_markdown, notices_html
from demo.common.sample_html import grid_html
from demo.embeddings import chosen
from demo.embeddings.figures import heat_map
from demo.explore import figures as explore_figures
from demo.explore import sample
from demo.explore import tab as explore
from demo.model.card_html import facts_html, results_html
from demo.pose_errors import hardest, matrix
from demo.pose_errors import tab as pose_errors
from demo.pose_errors.cell_figures import det_figure, yaw_figure
from demo.pose_errors.pairs_html import pairs_html
from demo.pose_errors.provenance import doubts, provenance_html
from demo.verify.result import model_markdown
from sfpn.data.dataset import FaceDataset
from sfpn.reporting.reading import read_matrix
from sfpn.reporting.views import View

EVIL = """,%2C"' onx="1"><evil onx=1>**b** [l](javascript:x) `c`</evil>"""
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class Parts(HTMLParser):
    """The tags, attributes and text of HTML, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def assert_text(html: str, shown: bool = True) -> None:
    """That the evil name is no markup, and where it is `shown`, that it reads as it is."""
    parts = Parts(html)
    assert "evil" not in parts.tags and "onx" not in parts.attributes
    assert not shown or EVIL in parts.text


def assert_markdown(text: str) -> None:
    """The same for Markdown."""
    assert_text(MARKDOWN.render(text))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> EmbeddingStore:
    """A dataset whose row_ids, identities and templates are evil, and whose card is."""
    folder = write_dataset(tmp_path_factory.mktemp("evil") / "drawn")
    for file in folder.glob("data-*.parquet"):
        table = pq.read_table(file)
        rows = [
            row | {name: row[name] + EVIL for name in ("row_id", "identity", "template")} for row in table.to_pylist()
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file, row_group_size=10)
    names = ("name", "title", "description", "licence", "citation", "url", "command")
    card = json.loads((folder / "dataset.json").read_text()) | dict.fromkeys(names, EVIL)
    (folder / "dataset.json").write_text(json.dumps(card))
    view = DatasetView.open(FaceDataset.open(folder), folder.parent / 'thumb"nails')
    store = EmbeddingStore(view, {"colour": ColourEmbedder()})
    store.compute("colour")
    return store


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of an evil model on an evil dataset."""
    report = make_report(tmp_path_factory.mktemp("report"))
    names = ("model", "dataset", "weights_sha256", "dataset_fingerprint", "command", "date")
    return replace(report, header=report.header | dict.fromkeys(names, EVIL))


@pytest.fixture
def toasts(monkeypatch) -> list[str]:
    shown = []
    monkeypatch.setattr("gradio.Warning", shown.append)
    return shown


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
@example(EVIL)
@example("a\\")
@example("![x](y) <!-- | ~~s~~ $$e$$ &lt; http://a.b")
def test_text_in_markdown_reads_as_it_is(text):
    parts = Parts(MARKDOWN.render(f"before ({in_markdown(text)}) **after**"))
    assert parts.tags == {"p", "strong"}
    assert parts.text.strip() == f"before ({' '.join(text.split())}) after"


def test_samples(store):
    view, row_id = store.view, store.view.rows.index[5]
    assert_text(grid_html(view, [row_id]))
    shown = sample.show_sample(store, sample.Shown(row_id), "colour")
    assert_text(shown.detail)
    assert_text(shown.neighbours)
    assert_text(sample.pick_for_comparison(sample.Shown(row_id), None).words)
    assert_text(sample.take_sample(store, opened("x" + EVIL), "colour").detail)
    assert_text(chosen.choose(store, [0, 1, 2]).grid)
    assert_text(explore.refresh(view, *explore.clear_facets()).grid)


def test_a_picture_whose_folder_has_quotes_is_found(store):
    parts = Parts(grid_html(store.view, store.view.rows.index[:1]))
    assert parts.attributes == {"class", "type", "data-select", "title", "src", "loading", "alt"}


def test_cards(store, report):
    assert_markdown(explore.card_words(store.view))
    evil = replace(store.models["colour"].card, title=EVIL, licence=EVIL, limits=EVIL, training={"data": EVIL})
    assert_markdown(model_markdown(evil, EVIL))
    assert_text(facts_html(evil, 1))
    assert_text(results_html(replace(evil, results=[{EVIL: EVIL}])))


def test_reports(store, report):
    assert_text(provenance_html(report), shown=False)
    assert_text(notices_html(doubts(report, store)))
    assert_markdown(read_matrix(report, View()))
    named = {"one": report, "two": replace(report, header=report.header | {"seed": 1})}
    assert_markdown(hardest.show_pairs(named, None, "one", "frontal-profile", 1, 12)[0])
    assert_markdown(matrix.show_difference({"one": report, "two": replace(report)}, "one", "two", "eer", 1, "skip")[1])
    pairs = report.cell("frontal-profile").hardest("genuine").head(2)
    pairs["row_id_a"] = EVIL
    assert_text(pairs_html(None, pairs))
    assert_text(pairs_html(store.view, pairs.assign(row_id_b=store.view.rows.index[0])))


def test_pairs_of_loaded_pictures(store, report):
    pairs = report.cell("frontal-profile").hardest("genuine").head(2)
    pairs["row_id_a"], pairs["row_id_b"] = store.view.rows.index[:2], store.view.rows.index[2:4]
    assert_text(pairs_html(store.view, pairs), shown=False)


def test_figures(store, report):
    rows = store.view.rows.iloc[:8]
    values = store.get("colour")[:8]
    cells = heat_map(rows, values @ values.T)
    people = explore_figures.identity_table(rows)
    cell = report.cell("frontal-profile")
    words = [
        *(text for row in cells.data[0].text for text in row),
        *people.data[0].x,
        *cells.layout.xaxis.ticktext,
        *(trace.name for trace in det_figure({EVIL: cell}, "whole_image").data),
        *(trace.name for trace in yaw_figure({EVIL: report.yaw_cells()}, "whole_image").data),
    ]
    assert len(words) > 50
    for text in words:
        assert_text(text)


def test_corners_of_the_page(store, report, toasts):
    sample.type_sample(store.view, EVIL)
    pose_errors.open_cell({"one": report}, opened((EVIL, "")))
    pose_errors.open_cell({"one": report}, opened(("frontal-profile", "x" + EVIL)))
    assert len(toasts) == 3
    for html in toasts:
        assert_text(html)


def test_choices_that_an_event_brings_open_nothing(report):
    assert matrix.pick_cell({"one": report}, "one", SimpleNamespace(value=EVIL))[0] == {"__type__": "update"}
