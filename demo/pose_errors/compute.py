"""Compute a report of the loaded dataset on request, inside the Pose errors tab, with progress and cancel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, MutableMapping
from html import escape

import gradio as gr

from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import LONG, QUIET, SKIP, bound
from demo.common.jobs import Stopped, ending, follow_shown
from demo.common.links import Links
from demo.common.model_choice import build_choice
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.common.words import titled
from demo.pose_errors.saved_reports import save_report
from sfpn.errors import UserError
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.evaluation.protocol import PROTOCOLS
from sfpn.evaluation.report import Report
from sfpn.progress import StageProgress

NO_OTHER = "none"
NOT_KEPT = (
    "The dataset folder cannot be written here: a report is shown until the app ends; save it as a ZIP to keep it."
)
NOT_SEEN = "Nobody else sees it. It goes with your set; “Take it with you” and “Save this report” keep it."
OF_OWN_MODEL = "Nobody else sees it. It goes with your model; “Save this report” keeps it."
NOT_OFFERED = "This page computes no reports of this dataset: run it on your own computer."
JOB = "report"
MATRIX = "all-pairs"  # the protocol that every set has the labels for
ROUNDS = 200  # of the bootstrap, as the command's default


def build(sets: Sets, store: EmbeddingStore, report: gr.Dropdown, other: gr.Dropdown, links: Links) -> None:
    """Lay out and wire; a computed report joins the others and is selected.

    All visitors see it until the app ends, but for one of a visitor's own set or model.
    """
    with gr.Accordion(label_of(store), open=False, elem_id="compute-report", visible=store.computes) as part:
        with gr.Row(equal_height=True):
            model = build_choice(sets.own_models, links, label="Model", elem_id="report-model")
            protocol = gr.Dropdown(protocols(store), label="Protocol", elem_id="report-protocol", filterable=False)
            start = gr.Button("Compute", variant="primary", elem_id="report-start", min_width=100)
            cancel = gr.Button("Cancel", elem_id="report-cancel", min_width=100)
        hint = gr.HTML(hint_html(store))
        status = gr.HTML(elem_id="report-status", padding=False)
    shown = [status, report, other]
    start.click(bound(compute, sets.reports, sets.store), [model, protocol], shown, **QUIET, **LONG)
    cancel.click(ending(JOB), None, None, **QUIET)
    links.dataset.change(bound(offer, sets.store), None, [part, protocol, hint, status], **QUIET)


def label_of(store: EmbeddingStore) -> str:
    """The heading: which dataset a report would be about."""
    return f"Compute a report of “{store.view.dataset.card.get('title', store.view.dataset.name)}”"


def hint_html(store: EmbeddingStore) -> str:
    """Where a report would be kept, if that is not the dataset's folder."""
    words = "" if store.writable and not store.own else NOT_SEEN if store.own else NOT_KEPT
    return f'<p class="quiet">{words}</p>' if words else ""


def offer(store: EmbeddingStore) -> tuple:
    """(accordion, protocol, hint, status) of another dataset."""
    found = protocols(store)
    part = gr.update(label=label_of(store), visible=store.computes)
    first = MATRIX if store.own else found[0]
    return part, gr.update(choices=found, value=first), hint_html(store), ""


def protocols(store: EmbeddingStore) -> list[str]:
    """The protocols that the dataset has the labels or pairs for."""
    dataset, rows = store.view.dataset, store.view.dataset.rows()
    official = set(dataset.pairs()["protocol"])
    templates = bool((rows["template"].notna() & rows["pose"].notna()).any())
    fits = {
        name: templates
        if name == "vggface2-pose"
        else p.folds_are_people or not p.pairs_of or bool(official & set(p.pairs_of))
        for name, p in PROTOCOLS.items()
    }
    return sorted((name for name, fit in fits.items() if fit), key=lambda name: name == "all-pairs")


def compute(
    named: MutableMapping[str, Report],
    store: EmbeddingStore,
    model: str,
    protocol: str,
    request: gr.Request | None = None,
) -> Iterator[tuple]:
    """(status, report list, list to compare with) while the report is made; a cancelled run leaves nothing behind."""
    if not store.computes:
        yield notices_html([NOT_OFFERED]), SKIP, SKIP
        return
    dataset, embedder = store.view.dataset, store.models[model]
    config = EvaluateConfig(
        protocol,
        rounds=ROUNDS,
        command=f"python -m sfpn evaluate {dataset.folder.name} --protocol {protocol} --model {model}",
    )

    def work(progress: StageProgress) -> Report | None:
        return evaluate(dataset, embedder, config, store.cache(model), progress=progress)

    try:
        made = yield from follow_shown(lambda bar: (bar, SKIP, SKIP), work, request, JOB)
        assert made is not None  # None is for the further processes of a sharded run
        title, kept = add(named, made), keep(made, store)
    except UserError as error:
        yield notices_html([str(error)]), SKIP, SKIP
        return
    except Stopped:
        yield "", SKIP, SKIP
        return
    yield kept, gr.update(choices=list(named), value=title), gr.update(choices=[NO_OTHER, *named])


def keep(report: Report, store: EmbeddingStore) -> str:
    """Write the report into its dataset's folder, and say as HTML where it is or why it is not there."""
    dataset = store.view.dataset.folder
    if store.is_own_model(report.header["model"]):
        return f'<p class="quiet">Done, and shown above. {OF_OWN_MODEL}</p>'
    if store.own:
        with contextlib.suppress(UserError):  # it is shown all the same
            save_report(report, dataset)
        return f'<p class="quiet">Done, and shown above. {NOT_SEEN}</p>'
    if not store.writable:
        return f'<p class="quiet">Done, and shown above. {NOT_KEPT}</p>'
    try:
        folder = save_report(report, dataset)
    except UserError:
        words = f"The report is shown above, but {dataset} cannot be written: save it as a ZIP to keep it."
        return notices_html([words])
    return (
        f'<p class="quiet">Done, shown above, and kept in <code>{escape(str(folder))}</code>: '
        "<code>python app.py --report</code> opens it again.</p>"
    )


def add(named: MutableMapping[str, Report], report: Report) -> str:
    """Put a report under a title of its own and return that; one with the same header but the date is replaced."""
    for title, known in named.items():
        if {**known.header, "date": ""} == {**report.header, "date": ""}:
            named[title] = report
            return title
    title = next(reversed(titled((*named.values(), report))))
    named[title] = report
    return title
