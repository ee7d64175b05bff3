"""The panel in which a visitor opens a model of their own, where the app runs on a machine of one's own."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.common.download import download
from demo.common.handlers import LONG, QUIET, PerSession, bound
from demo.common.jobs import ending
from demo.common.links import Links, opened
from demo.common.own_model import OwnModel
from demo.common.own_models import GONE, OwnModels
from demo.common.own_models import Rules as ModelRules
from demo.common.own_sets import Sets
from demo.common.uploads import upload_paths
from demo.common.visitor import session_of
from demo.model import bring
from demo.model.card_form import Fields, build_fields
from sfpn.network.card import card_path

ASKING = PerSession(lambda request: request)
CLOSED = '<p class="quiet">Your model was deleted.</p>'


class ModelFiles(gr.File):
    """Any files, handed over as they came; see demo.common.photo_inputs."""

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        """The paths of the uploads."""
        return [] if payload is None else upload_paths([file.path for file in payload.root])


class Shown(NamedTuple):
    """What says which model of the visitor is open: the components, or their values."""

    which: Any
    toggle: Any
    save: Any
    close: Any


def build(sets: Sets, links: Links) -> None:
    """Lay out and wire; nothing where visitors may bring nothing."""
    models = sets.own_models
    if models.rules is None:
        return
    with gr.Column(elem_id="own-model", min_width=280):
        with gr.Row(equal_height=True, elem_id="own-model-bar"):
            which = gr.HTML(which_html(None), elem_id="which-model", padding=False, min_width=220)
            toggle = gr.Button("Open your own model", size="sm", elem_id="own-model-open", scale=0, min_width=190)
            save = gr.Button(
                "Save its card (JSON)", size="sm", elem_id="own-model-save", visible=False, scale=0, min_width=170
            )
            close = gr.Button(
                "Close my model", size="sm", elem_id="own-model-close", visible=False, scale=0, min_width=140
            )
        with gr.Column(visible=False, elem_id="own-model-panel") as panel:
            gr.HTML(hint_html(models.rules), padding=False)
            file = ModelFiles(label="ONNX", file_count="multiple", height=150, elem_id="own-model-file")
        with gr.Row(equal_height=True, elem_id="own-model-work"):
            status = gr.HTML(elem_id="own-model-status", padding=False)
            cancel = gr.Button("Cancel", size="sm", elem_id="own-model-cancel", visible=False, scale=0, min_width=110)
        evidence = gr.HTML(elem_id="own-model-evidence", padding=False)
        with gr.Column(visible=False, elem_id="own-model-form") as form:
            fields = build_fields()
            with gr.Row():
                measure = gr.Button("Measure the best setting", elem_id="own-model-measure", min_width=200)
                use = gr.Button("Use this model", variant="primary", elem_id="own-model-use", min_width=200)
    bringing = bring.Bringing(file, status, cancel, panel, form, evidence, links.model)
    shown = list(Shown(which, toggle, save, close))
    is_hidden = "() => !document.querySelector('#own-model-panel')?.offsetParent"
    hidden = gr.Checkbox(visible="hidden", show_label=False)
    toggle.click(lambda hidden: gr.update(visible=bool(hidden)), hidden, panel, js=is_hidden, **QUIET)
    runs = _wire_work(sets, bringing, fields, measure, use)
    cancel.click(ending(bring.JOB), None, None, **QUIET)
    links.model.change(bound(show_model, models.own), None, shown, **QUIET)
    for run in runs:
        run.then(bound(show_model, models.own), None, shown, **QUIET)
    close.click(bound(close_model, models), None, list(bringing), **QUIET)
    download(save, bound(card_file, models.own), None)


def _wire_work(sets: Sets, bringing: bring.Bringing, fields: Fields, measure: gr.Button, use: gr.Button) -> list[Any]:
    wiring: dict[str, Any] = {"outputs": [*bringing, *fields], **QUIET, **LONG}
    models = sets.own_models
    store = sets.store if sets.bundled else None
    return [
        bringing.file.upload(bound(bring.open_upload, models), bringing.file, **wiring),
        measure.click(bound(bring.measure_settings, models, models.pending, ASKING, store), list(fields), **wiring),
        use.click(bound(bring.use_model, models, models.pending, ASKING), list(fields), **wiring),
    ]


def hint_html(rules: ModelRules) -> str:
    """What may be brought, and what becomes of it."""
    bounds = rules.bounds
    return (
        '<p class="quiet">Drop an <b>ONNX file</b> that turns a picture of a face into an embedding, with its card '
        "(<code>model.json</code>) if it has one, and with the files in which it keeps its weights, chosen together. "
        f"Up to {rules.total_bytes / 1e6:,.0f} MB. It is computed on the machine that runs this app, in a process of "
        f"its own with at most {bounds.memory_bytes / 1e9:g} GB of memory and {bounds.pass_seconds:g} seconds a pass. "
        "Only this page of your browser sees it; it is deleted when you close it, five minutes after you close or "
        "reload the page, or two hours after your last click. Open only files that you would run.</p>"
    )


def which_html(own: OwnModel | None) -> str:
    """Which model of the visitor is open."""
    if own is None or own.embedder is None:
        return '<p class="which">Verify, Embeddings and Pose errors can use <b>a model of your own</b></p>'
    return (
        f'<p class="which">Your model <b>{escape(own.embedder.card.title)}</b> is in the choice of Verify, Explore, '
        "Embeddings and Pose errors</p>"
    )


def show_model(own: OwnModel | None) -> Shown:
    """Which model is open."""
    there = gr.update(visible=own is not None)
    return Shown(which_html(own), "Open another model" if own else "Open your own model", there, there)


def close_model(models: OwnModels, request: gr.Request) -> bring.Bringing:
    """Delete the visitor's model."""
    models.close(session_of(request))
    gone = gr.update(visible=False)
    return bring.Bringing([], CLOSED, gone, gone, gone, "", opened(None))


def card_file(own: OwnModel | None) -> tuple[str, bytes]:
    """(file name, content) of the card of the visitor's model."""
    if own is None:
        raise gr.Error(GONE, print_exception=False)
    path = card_path(own.weights)
    return path.name, Path(path).read_bytes()
