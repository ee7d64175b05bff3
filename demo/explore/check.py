"""Check the set before you believe its numbers, inside the Explore tab: doubts, decisions, and a file of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import gradio as gr

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import LONG, QUIET, SKIP, bound
from demo.common.jobs import Stopped, ending, follow_shown
from demo.common.links import Links, opened
from demo.common.notices import notices_html, warn
from demo.common.own_sets import OwnSet, Sets
from demo.explore.findings_html import findings_html
from sfpn.data.decisions import Decision, decisions_text, require_consistent
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.evaluation.checks.check import check
from sfpn.evaluation.checks.finding import KIND_WORDS, KINDS, Finding
from sfpn.photos.detector import FaceDetector

JOB = "check"
PAGE = 12  # findings at once
INTRODUCTION = (
    '<p class="quiet">Wrong labels, the same picture twice, one person under two names, faces that are hardly to be '
    "seen: each doubt comes with its pictures and the evidence, the strongest first. Nothing is changed until you say "
    "so; your decisions are a file that <code>python -m data_tools build --decisions FILE</code> applies.</p>"
)
MISSING = "The embeddings under this model are not there yet: compute them in the tab Embeddings."
NOT_OFFERED = "This page checks no set but your own: run it on your own computer."
NONE = '<p class="quiet">Nothing is doubtful by these checks.</p>'


@dataclass(frozen=True)
class Checked:
    """What a check found, and what was decided: the suggestion by the number of its finding."""

    findings: tuple[Finding, ...] = ()
    decided: dict[int, int] = field(default_factory=dict)

    @property
    def decisions(self) -> list[Decision]:
        """In the order of the findings, with the evidence as `why`; the same one once."""
        found: dict[Decision, Decision] = {}
        for number, place in sorted(self.decided.items()):
            finding = self.findings[number]
            decision = finding.suggestions[place]
            key = replace(decision, why="")
            found.setdefault(key, replace(decision, why=finding.why))
        return list(found.values())


class Listed(NamedTuple):
    """What the list of findings changes: the components, or their values."""

    checked: Any = SKIP
    status: Any = SKIP
    part: Any = SKIP
    kind: Any = SKIP
    page: Any = SKIP
    listed: Any = SKIP
    words: Any = SKIP
    apply: Any = SKIP


def build(sets: Sets, store: EmbeddingStore, detector: FaceDetector, links: Links) -> None:
    """Lay out and wire."""
    with gr.Accordion("Check the set before you believe its numbers", open=False, elem_id="check"):
        gr.HTML(INTRODUCTION, padding=False)
        with gr.Row(equal_height=True):
            model = gr.Dropdown(
                [(e.card.title, name) for name, e in store.models.items()],
                value=next(iter(store.models)),
                label="By the embeddings of",
                elem_id="check-model",
                filterable=False,
                min_width=260,
            )
            start = gr.Button("Check", variant="primary", elem_id="check-start", scale=0, min_width=110)
            cancel = gr.Button("Cancel", elem_id="check-cancel", scale=0, min_width=110)
        status = gr.HTML(elem_id="check-status", padding=False)
        checked, page = gr.State(Checked()), gr.Number(1, visible=False)
        with gr.Column(visible=False) as part:
            kind = gr.Radio([], label="Kind of doubt", elem_id="check-kind")
            listed = Clickable(elem_id="findings")
            with gr.Row(equal_height=True):
                back = gr.Button("← Previous", size="sm", elem_id="check-previous", min_width=90)
                words = gr.HTML(elem_id="check-words", padding=False, min_width=160)
                ahead = gr.Button("Next →", size="sm", elem_id="check-next", min_width=90)
            with gr.Row(equal_height=True):
                save = gr.Button("Save the decisions (CSV)", size="sm", elem_id="check-save", min_width=190)
                apply = gr.Button(
                    "Apply them to my set", size="sm", elem_id="check-apply", min_width=190, visible=False
                )
    all_parts = Listed(checked, status, part, kind, page, listed, words, apply)
    start.click(bound(run_check, sets.store, detector), model, list(all_parts), **QUIET, **LONG)
    cancel.click(ending(JOB), None, None, **QUIET)
    shown = [page, listed, words]
    kind.input(bound(turn, sets.store, 0), [checked, kind, page], shown, **QUIET)
    for button, step in ((back, -1), (ahead, 1)):
        button.click(bound(turn, sets.store, step), [checked, kind, page], shown, **QUIET)
    decided = [checked, listed, words, links.sample]
    listed.select(bound(decide, sets.store), [checked, kind, page], decided, **QUIET)
    download(save, decisions_csv, checked)
    apply.click(bound(apply_decisions, sets, sets.own), checked, [status, links.dataset], **QUIET)
    links.dataset.change(lambda: forget()[:-1], None, list(all_parts)[:-1], **QUIET)


def forget() -> Listed:
    """Nothing checked."""
    return Listed(Checked(), SKIP, gr.update(visible=False), gr.update(choices=[], value=None), 1, "", "")


def run_check(
    store: EmbeddingStore, detector: FaceDetector, model: str, request: gr.Request | None = None
) -> Iterator[Listed]:
    """Progress, then the findings; a cancelled run changes nothing."""
    values = store.get(model)
    if not store.computes or values is None:
        yield Listed(status=notices_html([MISSING if store.computes else NOT_OFFERED]))
        return
    known = Embeddings(store.view.rows.index.to_numpy(object), values, store.view.rows["detected"].to_numpy(bool))
    work = _checking(store, known, store.models[model], detector)
    try:
        found = yield from follow_shown(lambda bar: Listed(status=bar), work, request, JOB)
        yield list_findings(store, Checked(tuple(found)))
    except UserError as error:
        yield Listed(status=notices_html([str(error)]))
    except Stopped:
        yield Listed(status="")


def _checking(store: EmbeddingStore, known: Embeddings, embedder: Any, detector: FaceDetector) -> Any:
    return lambda progress: check(store.view.dataset, known, progress, embedder=embedder, detector=detector)


def list_findings(store: EmbeddingStore, checked: Checked) -> Listed:
    """The kinds with their counts, and the first of the first kind."""
    counts = Counter(finding.kind for finding in checked.findings)
    kinds = [(f"{KIND_WORDS[kind]} ({counts[kind]:,})", kind) for kind in KINDS if counts[kind]]
    if not kinds:
        return forget()._replace(status=NONE)
    first = kinds[0][1]
    page, listed, words = turn(store, 0, checked, first, 1)
    return Listed(
        checked, "", gr.update(visible=True), gr.update(choices=kinds, value=first), page, listed, words, _apply(store)
    )


def _apply(store: EmbeddingStore) -> dict:
    return gr.update(visible=store.own)


def turn(store: EmbeddingStore, step: int, checked: Checked, kind: str | None, page: float) -> tuple:
    """(page, findings, words) of another page of a kind."""
    of_kind = [(number, finding) for number, finding in enumerate(checked.findings) if finding.kind == kind]
    last = max(1, -(-len(of_kind) // PAGE))
    page = min(max(int(page or 1) + step, 1), last)
    shown = findings_html(store.view, of_kind[(page - 1) * PAGE : page * PAGE], checked.decided)
    return page, f'<div class="findings">{shown}</div>', _words(checked, page, last)


def _words(checked: Checked, page: int, last: int) -> str:
    count = len(checked.decisions)
    return f'<p class="page">page {page:,} of {last:,} · <b>{count:,}</b> decision{"s" * (count != 1)}</p>'


def decide(store: EmbeddingStore, checked: Checked, kind: str | None, page: float, event: gr.EventData) -> tuple:
    """(checked, findings, words, sample): a suggestion accepted or taken back, or a picture opened."""
    what, *rest = events.texts(events.detail(event, "index"), 2, 3)
    if what == "sample" and rest[0] in store.view:
        return SKIP, SKIP, SKIP, opened(rest[0])
    if what != "decide" or len(rest) != 2 or not all(text.isdecimal() and len(text) < 8 for text in rest):
        raise events.gone()
    number = events.place(int(rest[0]), len(checked.findings))
    place = events.place(int(rest[1]), len(checked.findings[number].suggestions))
    decided = dict(checked.decided)
    if decided.pop(number, None) != place:
        decided[number] = place
    after = Checked(checked.findings, decided)
    try:
        require_consistent(after.decisions)
    except UserError as error:
        warn(f"{error}.")
        return SKIP, SKIP, SKIP, SKIP
    _, listed, words = turn(store, 0, after, kind, page)
    return after, listed, words, SKIP


def decisions_csv(checked: Checked) -> tuple[str, bytes]:
    """(file name, CSV) of the decisions."""
    if not checked.decisions:
        raise gr.Error("Nothing is decided yet: accept a suggestion first.", print_exception=False)
    return "decisions.csv", decisions_text(checked.decisions).encode()


def apply_decisions(sets: Sets, own: OwnSet | None, checked: Checked) -> tuple:
    """(status, dataset): the visitor's set with its decisions."""
    decisions = checked.decisions
    if own is None or not decisions:
        why = "Nothing is decided yet: accept a suggestion first." if own else "There is no set of yours any more."
        return notices_html([why]), SKIP
    try:
        sets.mend(own, decisions)
    except UserError as error:
        return notices_html([str(error)]), SKIP
    count = len(decisions)
    words = f"{count:,} decision{'s' * (count != 1)} applied to your set; the file it came from is as it was."
    return f'<p class="quiet">{words} Pose errors computes its matrix anew.</p>', opened(own.title)
