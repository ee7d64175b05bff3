"""The hardest pairs of a cell, inside the Pose errors tab: as pictures that open in Verify, and as a list to save."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import QUIET, bound, show_when_opened
from demo.common.links import Links
from demo.common.notices import in_markdown
from demo.common.own_sets import Sets
from demo.pose_errors import pair_list
from demo.pose_errors.pairs_html import pairs_html
from demo.pose_errors.provenance import is_own
from sfpn.evaluation.report import Report
from sfpn.reporting.views import View, cell_of

PAIRS_SHOWN = (12, 50)
NO_CELL = "This report has no such cell."
KINDS = ("genuine", "impostor")
COLUMNS = ["kind", "rank", "row_id_a", "row_id_b", "score", "acquired"]


def build(
    sets: Sets,
    cell: list,
    count: gr.Radio,
    links: Links,
    opened_first: Callable[..., Any],
) -> None:
    """Lay out and wire; `cell` holds the components of report, pose pair and template size."""
    report, _, size = cell
    with gr.Row(equal_height=True):
        note = gr.Markdown(elem_id="pairs-note")
        save = gr.Button("Save these pairs (CSV)", size="sm", elem_id="pairs-csv", scale=0, min_width=190)
    gr.HTML('<h3 class="section-title">Hardest genuine pairs <small>one person, lowest scores</small></h3>')
    genuine = pair_list.build(sets, report, size, links, "hardest-genuine")
    gr.HTML('<h3 class="section-title">Hardest impostor pairs <small>two persons, highest scores</small></h3>')
    impostor = pair_list.build(sets, report, size, links, "hardest-impostor")
    store = sets.store if sets.bundled else None
    show_when_opened(opened_first, bound(show_pairs, sets.reports, store), [*cell, count], [note, genuine, impostor])
    download(save, bound(pairs_csv, sets.reports), [*cell, count])
    if sets.rules:
        links.dataset.change(bound(show_pairs, sets.reports, store), [*cell, count], [note, genuine, impostor], **QUIET)


def show_pairs(
    named: Mapping[str, Report], store: EmbeddingStore | None, name: str, key: str, size: int | str, count: int
) -> tuple:
    """(note, genuine, impostor): the hardest pairs as pictures, or as names where their dataset is not loaded."""
    report = named[name]
    cell = cell_of(report, key, View(template_size=size))
    if cell is None:
        return NO_CELL, "", ""
    own = is_own(report, store)
    words = (
        "Click a pair to open it in **Verify**, or *why?* to see what its score rests on."
        if own
        else f"The pictures of *{in_markdown(report.header['dataset'])}* are not loaded "
        "(start with `--dataset DIR` to see them): pairs are named by `row_id`."
    )
    if size != 1:
        words += " Each template is shown by its first image."
    view = store.view if store and own else None
    return words, *(pairs_html(view, cell.hardest(kind).head(count)) for kind in KINDS)


def pairs_csv(named: Mapping[str, Report], name: str, key: str, size: int | str, count: int) -> tuple[str, bytes]:
    """(file name, CSV) of the pairs that are shown."""
    cell = cell_of(named[name], key, View(template_size=size))
    if cell is None:
        raise gr.Error(NO_CELL, print_exception=False)
    table = cell.tables["hardest"]
    columns = [*COLUMNS, "template_a", "template_b"] if size != 1 else COLUMNS
    table = table.loc[table["rank"] <= count, columns]
    return f"hardest-pairs-{key}.csv", table.to_csv(index=False, float_format="%.6g").encode()
