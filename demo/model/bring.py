"""The panel in which a visitor opens a model of their own, where the app runs on a machine of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import LONG, QUIET, SKIP, PerSession, bound
from demo.common.jobs import Report, Stopped, follow_shown
from demo.common.links import Links, opened
from demo.common.notices import notices_html
from demo.common.own_model import OwnModel
from demo.common.own_models import GONE, OwnModels
from demo.common.own_models import Rules as ModelRules
from demo.common.own_sets import Sets
from demo.common.uploads import upload_paths
from demo.common.visitor import session_of
from demo.model.card_form import Fields, build_fields, filled, guess
from demo.model.evidence_html import evidence_html
from sfpn.errors import UserError
from sfpn.evaluation.preprocess_search import Tried, chosen_by, settings, some_faces, try_settings
from sfpn.network.card import card_path
from sfpn.network.first_card import first_card, onnx_architecture
from sfpn.network.onnx_guarded import GuardedModel
from sfpn.network.onnx_model import Undecided
from sfpn.onnx_runtime import onnx_runtime

ASKING = PerSession(lambda request: request)
NO_RUNTIME = "A model of your own needs ONNX Runtime: run pip install onnxruntime, and start the app again."
NO_CARD = (
    '<p class="quiet">This model has no card. Say below how a face becomes its input, or let it be measured: each '
    "plausible setting on the faces of the set that is open.</p>"
)
NO_FACES = "There are no faces here to measure with: start with --dataset, or fill the form in."
CANCELLED = '<p class="quiet">Cancelled.</p>'
CLOSED = '<p class="quiet">Your model was deleted.</p>'


class ModelFiles(gr.File):
    """Any files, handed over as they came; see demo.common.photo_inputs."""

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        """The paths of the uploads."""
        return [] if payload is None else upload_paths([file.path for file in payload.root])


class Bringing(NamedTuple):
    """What changes while a model is brought: the components, or their values."""

    file: Any = SKIP
    status: Any = SKIP
    cancel: Any = SKIP
    panel: Any = SKIP
    form: Any = SKIP
    evidence: Any = SKIP
    model: Any = SKIP


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
    bringing = Bringing(file, status, cancel, panel, form, evidence, links.model)
    shown = list(Shown(which, toggle, save, close))
    is_hidden = "() => !document.querySelector('#own-model-panel')?.offsetParent"
    hidden = gr.Checkbox(visible="hidden", show_label=False)
    toggle.click(lambda hidden: gr.update(visible=bool(hidden)), hidden, panel, js=is_hidden, **QUIET)
    runs = _wire_work(sets, bringing, fields, measure, use)
    stopped = cancel.click(bound(cancel_work, models.pending), None, [status, cancel, form], cancels=runs, **QUIET)
    stopped.then(bound(cancel_work, models.pending), None, [status, cancel, form], **QUIET)  # see demo.open_set.panel
    links.model.change(bound(show_model, models.own), None, shown, **QUIET)
    for run in runs:
        run.then(bound(show_model, models.own), None, shown, **QUIET)
    close.click(bound(close_model, models), None, list(bringing), **QUIET)
    download(save, bound(card_file, models.own), None)


def _wire_work(sets: Sets, bringing: Bringing, fields: Fields, measure: gr.Button, use: gr.Button) -> list[Any]:
    wiring: dict[str, Any] = {"outputs": [*bringing, *fields], **QUIET, **LONG}
    models = sets.own_models
    store = sets.store if sets.bundled else None
    return [
        bringing.file.upload(bound(open_upload, models), bringing.file, **wiring),
        measure.click(bound(measure_settings, models, models.pending, ASKING, store), list(fields), **wiring),
        use.click(bound(use_model, models, models.pending, ASKING), list(fields), **wiring),
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


def open_upload(models: OwnModels, paths: list[str], request: gr.Request) -> Iterator[tuple]:
    """Open a model that came with its card; ask for what the card of another needs."""
    if not paths:
        yield _values()
        return
    try:
        onnx_runtime()
        own = models.begin(request, paths)
    except (UserError, ModuleNotFoundError) as error:
        words = str(error) if isinstance(error, UserError) else NO_RUNTIME
        yield _values(Bringing([], notices_html([words]), form=gr.update(visible=False), evidence=""))
        return
    if own.has_card:
        yield from _follow(own, lambda report: models.use(own), _used, request, drop=models.drop)
    else:
        yield from _follow(own, lambda report: _look(models, own), lambda found: _ask(own, found), request, models.drop)


def _look(models: OwnModels, own: OwnModel) -> GuardedModel | str:
    """The network of a file without a card, or what it leaves open, in words. Raises UserError."""
    try:
        return models.look(own)
    except Undecided as error:
        return own.in_short(error)


def _ask(own: OwnModel, found: GuardedModel | str) -> tuple:
    """The form, filled with what is likely."""
    network, words = (None, found) if isinstance(found, str) else (found, "")
    status = NO_CARD + (notices_html([words]) if words else "")
    return _values(
        Bringing([], status, gr.update(visible=False), gr.update(visible=False), gr.update(visible=True), ""),
        guess(own.weights.stem, network),
    )


def measure_settings(
    models: OwnModels, own: OwnModel | None, request: gr.Request, store: EmbeddingStore | None, *values: Any
) -> Iterator[tuple]:
    """Try the settings that are not to be kept, show how each does, and fill the best one in."""
    if own is None:
        yield _gone()
        return
    fields = Fields(*values).given()

    def work(report: Report) -> list[Tried]:
        if store is None:
            raise UserError(NO_FACES)
        network = _network(models, own, fields)
        given = {"mean": (0.0, 0.0, 0.0), "scale": 1.0} if network.input.is_whole else {}
        faces = some_faces(store.view.dataset)
        tried = try_settings(
            network.run,
            faces,
            settings(network.size, fields.kept() | given),
            lambda done, total: report("measuring settings", done, total),
        )
        own.tried, own.tried_on = tried, store.view.dataset.name
        return tried

    def show(tried: list[Tried]) -> tuple:
        assert store
        title = str(store.view.dataset.card.get("title", store.view.dataset.name))
        evidence = evidence_html(tried, title)
        return _values(
            Bringing(status="", cancel=gr.update(visible=False), evidence=evidence), filled(tried[0].preprocess)
        )

    yield from _follow(own, work, show, request)


def use_model(models: OwnModels, own: OwnModel | None, request: gr.Request, *values: Any) -> Iterator[tuple]:
    """Write the card that the form describes, and open the model with it."""
    if own is None:
        yield _gone()
        return
    fields = Fields(*values).given()

    def work(report: Report) -> Any:
        preprocess = fields.preprocess()
        network = _network(models, own, fields)
        measured = [each for each in own.tried if each.preprocess == preprocess]
        why = chosen_by(own.tried, own.tried_on) if measured == own.tried[:1] and measured else "given"
        card = first_card(
            own.weights,
            hashlib.sha256(own.weights.read_bytes()).hexdigest(),
            preprocess,
            onnx_architecture(network.descriptor_size, network.output, network.external),
            why,
            name=fields.name,
            licence=fields.licence,
        )
        return models.use(own, card)

    yield from _follow(own, work, _used, request)


def _network(models: OwnModels, own: OwnModel, fields: Fields) -> GuardedModel:
    """The network with the size and output of the form; tried again only where these are others. Raises UserError."""
    known, size = own.network, fields.side()
    if known is not None and known.size == size and fields.output in ("", known.output):
        return known
    return models.look(own, size=size, output=fields.output or None)


def _used(embedder: Any) -> tuple:
    done = '<p class="quiet">Done: your model can be chosen in the tabs.</p>'
    gone = gr.update(visible=False)
    return _values(Bringing([], done, gone, gone, gone, SKIP, opened(embedder.name)))


def _follow(
    own: OwnModel,
    work: Callable[[Report], Any],
    show: Callable[[Any], tuple],
    request: gr.Request,
    drop: Callable[[OwnModel], None] | None = None,
) -> Iterator[tuple]:
    """Progress while something is done, then what `show` makes of its result, or what went wrong.

    drop: what to do with the model if it did not come so far.
    """
    done = False
    try:
        found = yield from follow_shown(
            lambda bar: _values(Bringing(status=bar, cancel=gr.update(visible=True))), work, request
        )
        yield show(found)
        done = True
    except UserError as error:
        yield _failed(notices_html([own.in_short(error)]), drop is not None)
    except Stopped:
        yield _failed(CANCELLED, drop is not None)
    finally:
        if drop and not done:
            drop(own)


def _failed(words: str, dropped: bool) -> tuple:
    file, form = ([], gr.update(visible=False)) if dropped else (SKIP, SKIP)
    return _values(Bringing(file, words, gr.update(visible=False), form=form, evidence="" if dropped else SKIP))


def _gone() -> tuple:
    return _values(Bringing(status=notices_html([GONE]), form=gr.update(visible=False), evidence=""))


def _values(bringing: Bringing | None = None, fields: Fields | None = None) -> tuple:
    return *(bringing or Bringing()), *(fields or [SKIP] * len(Fields._fields))


def cancel_work(pending: OwnModel | None) -> tuple:
    """(status, cancel, form) once the work was ended."""
    return CANCELLED, gr.update(visible=False), gr.update(visible=pending is not None)


def show_model(own: OwnModel | None) -> Shown:
    """Which model is open."""
    there = gr.update(visible=own is not None)
    return Shown(which_html(own), "Open another model" if own else "Open your own model", there, there)


def close_model(models: OwnModels, request: gr.Request) -> Bringing:
    """Delete the visitor's model."""
    models.close(session_of(request))
    gone = gr.update(visible=False)
    return Bringing([], CLOSED, gone, gone, gone, "", opened(None))


def card_file(own: OwnModel | None) -> tuple[str, bytes]:
    """(file name, content) of the card of the visitor's model."""
    if own is None:
        raise gr.Error(GONE, print_exception=False)
    path = card_path(own.weights)
    return path.name, Path(path).read_bytes()
