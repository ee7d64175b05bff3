"""From what a visitor gives to their open model: tried, asked about, measured, used, with progress, or cancelled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gradio as gr

from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import SKIP
from demo.common.jobs import Stopped, follow_shown
from demo.common.links import opened
from demo.common.notices import notices_html
from demo.common.own_model import OwnModel
from demo.common.own_models import GONE, OwnModels
from demo.model.card_form import Fields, filled, guess
from demo.model.evidence_html import evidence_html
from sfpn.errors import UserError
from sfpn.evaluation.preprocess_search import Tried, chosen_by, settings, some_faces, try_settings
from sfpn.network.first_card import first_card, onnx_architecture
from sfpn.network.onnx_guarded import GuardedModel
from sfpn.network.onnx_model import Undecided
from sfpn.onnx_runtime import onnx_runtime
from sfpn.progress import StageProgress

NO_RUNTIME = "A model of your own needs ONNX Runtime: run pip install onnxruntime, and start the app again."
NO_CARD = (
    '<p class="quiet">This model has no card. Say below how a face becomes its input, or let it be measured: each '
    "plausible setting on the faces of the set that is open.</p>"
)
NO_FACES = "There are no faces here to measure with: start with --dataset, or fill the form in."
JOB = "model"
CANCELLED = '<p class="quiet">Cancelled.</p>'


class Bringing(NamedTuple):
    """What changes while a model is brought: the components, or their values."""

    file: Any = SKIP
    status: Any = SKIP
    cancel: Any = SKIP
    panel: Any = SKIP
    form: Any = SKIP
    evidence: Any = SKIP
    model: Any = SKIP


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
        yield from _follow(own, lambda progress: models.use(own), _used, request, drop=models.drop)
    else:
        yield from _follow(
            own, lambda progress: _look(models, own), lambda found: _ask(own, found), request, models.drop
        )


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

    def work(progress: StageProgress) -> list[Tried]:
        if store is None:
            raise UserError(NO_FACES)
        network = _network(models, own, fields)
        given = {"mean": (0.0, 0.0, 0.0), "scale": 1.0} if network.input.is_whole else {}
        faces = some_faces(store.view.dataset)
        tried = try_settings(
            network.run,
            faces,
            settings(network.size, fields.kept() | given),
            lambda done, total: progress("measuring settings", done, total),
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

    def work(progress: StageProgress) -> Any:
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
    work: Callable[[StageProgress], Any],
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
            lambda bar: _values(Bringing(status=bar, cancel=gr.update(visible=True))), work, request, JOB
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
