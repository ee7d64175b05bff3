"""The Pose errors tab: from the pose x pose matrix of a report to the pairs that make a cell bad. Computes no rate."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import QUIET, SKIP, bound, on_latest, opening, show_when_opened
from demo.common.links import Links, Opened
from demo.common.notices import notices_html, warn
from demo.common.own_sets import Sets
from demo.common.words import titled
from demo.pose_errors import cell, matrix, people
from demo.pose_errors import compute as compute_report
from demo.pose_errors import hardest as hardest_pairs
from demo.pose_errors import pose_map as error_map
from demo.pose_errors.choice import Choice, build_choice, list_reports, offer, pair_choices
from demo.pose_errors.provenance import doubts, is_own, provenance_html
from demo.pose_errors.saved_reports import as_page, zipped
from sfpn.evaluation.report import Report
from sfpn.schema import pair_key

NO_REPORT = (
    "No report is loaded. Make one with `python -m sfpn evaluate DIR --out REPORT` "
    "and start with `python app.py --report REPORT`."
)


def build(sets: Sets, links: Links, tab: gr.Tab) -> None:
    """Lay out and wire the tab; reports that others computed meanwhile are offered when it is opened."""
    if not sets.shared:
        gr.Markdown(NO_REPORT)
        return
    store, named = sets.bundled, sets.reports
    choice = build_choice(sets.shared, opening(tab))
    _build_about(sets, choice, links)
    matrix.build(named, choice, links)
    error_map.build(sets, [choice.report, choice.metric, choice.treatment], links, choice.opened)
    cell.build(named, choice)
    chosen = [choice.report, choice.pair, choice.size]
    hardest_pairs.build(sets, chosen, choice.count, links, choice.opened)
    people.build(sets, chosen, links, choice.opened)
    if store and (store.computes or sets.rules):
        compute_report.build(sets, store, choice.report, choice.other, links)
    of_report = [choice.report, choice.size, choice.pair]
    on_latest([choice.report.change], bound(offer, named), of_report, of_report[1:])
    links.cell.change(bound(open_cell, named), links.cell, [choice.report, choice.pair], **QUIET)
    listed = [choice.report, choice.other]
    gr.on([tab.select, links.dataset.change, links.model.change], bound(list_reports, named), listed, listed, **QUIET)


def named_reports(reports: tuple[Report, ...], store: EmbeddingStore | None) -> dict[str, Report]:
    """By title, those of the loaded dataset first."""
    return titled(own_first(reports, store))


def own_first(reports: tuple[Report, ...], store: EmbeddingStore | None) -> tuple[Report, ...]:
    """Reports of the loaded dataset, whose pairs can be shown as pictures, before the others."""
    return tuple(sorted(reports, key=lambda report: not is_own(report, store)))


def open_cell(named: Mapping[str, Report], wanted: Opened | None) -> tuple:
    """(report, pose pair) that an address names; nothing changes for one that does not exist."""
    if wanted is None:
        return gr.skip(), gr.skip()
    key, model = wanted.value
    for name, report in named.items():
        if model in ("", report.header["model"]) and key in {pair_key(pair) for pair in report.pose_pairs()}:
            return gr.update(choices=list(named), value=name), gr.update(choices=pair_choices(report), value=key)
    warn(f"No report has the cell {key}" + (f" of the model {model}" if model else ""))
    return SKIP, SKIP


def _build_about(sets: Sets, choice: Choice, links: Links) -> None:
    with gr.Row(equal_height=True, elem_id="report-row"):
        about = gr.HTML(elem_id="report-about", padding=False)
        page = gr.Button("Save this report (HTML)", size="sm", elem_id="report-page", scale=0, min_width=190)
        save = gr.Button("Its numbers (ZIP)", size="sm", elem_id="report-zip", scale=0, min_width=150)
    store = sets.store if sets.bundled else None
    told = bound(describe, sets.reports, store)
    show_when_opened(choice.opened, told, [choice.report], about)
    links.dataset.change(told, choice.report, about, **QUIET)
    download(page, bound(save_page, sets.reports), [choice.report, choice.other])
    download(save, bound(report_zip, sets.reports), choice.report)


def describe(named: Mapping[str, Report], store: EmbeddingStore | None, name: str) -> str:
    """Where a report comes from, and what speaks against trusting it here, as HTML."""
    return provenance_html(named[name]) + notices_html(doubts(named[name], store))


def save_page(named: Mapping[str, Report], name: str, other: str) -> tuple[str, bytes]:
    """(file name, HTML) of the report, and of the one that it is compared with."""
    return as_page([named[name], *([named[other]] if other in named and other != name else [])])


def report_zip(named: Mapping[str, Report], name: str) -> tuple[str, bytes]:
    """(file name, content) of a report to save."""
    return zipped(named[name])
