"""Models that visitors bring, where the app runs on one's own machine. Each belongs to one session and goes with it.

    models = OwnModels(shared, rules)        # shared: those that everybody sees; rules None: nobody may bring any
    button.click(bound(show, models.here), ...)      # `show` gets the models of whoever clicked, by name

A model lies in a private folder that is never served; see demo.common.own_model.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import ChainMap
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from demo.common import events
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import PerSession
from demo.common.own_model import OwnModel, ReportsWithOwn
from demo.common.uploads import FREE_BYTES, discard, folder_beside_uploads, move_upload
from demo.common.visitor import NO_SESSION, client_of, session_of
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.network.card import Card, card_path, save_card
from sfpn.network.embedders import Embedder, OnnxEmbedder
from sfpn.network.onnx_guarded import Bounds, GuardedModel

MODELS = 4  # open at once, each with a process of its own
MODELS_OF_ONE = 2  # of one address
YOURS = " (yours)"  # behind the title of a visitor's model
GONE = "Your model is not there any more: bring it again."
ONE_FILE = (
    "Give one .onnx file; its card, a .json file, and the files in which it keeps its weights may come with it, all "
    "chosen at once."
)


@dataclass(frozen=True)
class Rules:
    """How large a model may be, with all its files, and what it may take when it is computed."""

    total_bytes: int
    bounds: Bounds = field(default_factory=Bounds)


class Known(ChainMap):
    """Models by name. Raises gr.Error for one that is not there any more."""

    def __missing__(self, key: str) -> Embedder:
        raise events.gone()


class OwnModels:
    """The models of one running app: those that everybody sees, and of each session the one that it brought."""

    def __init__(self, shared: Mapping[str, Embedder], rules: Rules | None = None) -> None:
        self.shared, self.rules = dict(shared), rules
        self._open: dict[str, OwnModel] = {}
        self._opening: dict[str, OwnModel] = {}
        self._root: Path | None = None
        self._lock = threading.Lock()
        self.here, self.own = PerSession(self.models_of), PerSession(self.own_of)
        self.pending = PerSession(self.pending_of)

    def own_of(self, request: gr.Request | None) -> OwnModel | None:
        """The model that the session at hand can use, None if it brought none."""
        return self._open.get(session_of(request)) if request else None

    def pending_of(self, request: gr.Request | None) -> OwnModel | None:
        """The model that the session at hand gave and that waits for its card."""
        return self._opening.get(session_of(request)) if request else None

    def models_of(self, request: gr.Request | None) -> Mapping[str, Embedder]:
        """The models of the session at hand by name, those of all first."""
        own = self.own_of(request)
        return Known(self.shared | ({own.embedder.name: own.embedder} if own and own.embedder else {}))

    def store_over(self, request: gr.Request | None, base: EmbeddingStore) -> EmbeddingStore:
        """A set as the session at hand sees it."""
        own = self.own_of(request)
        return own.store_over(base) if own else base

    def reports_over(self, request: gr.Request | None, reports: ChainMap) -> MutableMapping[str, Report]:
        """Reports as the session at hand sees them: of its own model it has some that nobody else sees."""
        own = self.own_of(request)
        if own is None or own.embedder is None:
            return reports
        return ReportsWithOwn(own, reports)

    def begin(self, request: gr.Request | None, paths: Sequence[str]) -> OwnModel:
        """Take uploads into a new private folder. Raises UserError, also then nothing of them stays."""
        try:
            own = self._new(request)
        except UserError:
            discard(paths)
            raise
        try:
            self._take(own, paths)
        except (UserError, OSError) as error:
            self.drop(own)
            if isinstance(error, UserError):
                raise
            raise UserError("The model cannot be written: this computer's disk is full.") from error
        finally:
            discard(paths)
        return own

    def look(self, own: OwnModel, **choices: Any) -> GuardedModel:
        """Try a model that has no card yet, with a size, output or descriptor_size. Raises UserError."""
        assert self.rules
        if own.network:
            own.network.close()
        own.network = GuardedModel(own.weights, threads=torch.get_num_threads(), bounds=self.rules.bounds, **choices)
        if own.closed:
            own.delete()
            raise UserError(GONE)
        return own.network

    def use(self, own: OwnModel, card: Card | None = None) -> OnnxEmbedder:
        """Open a model with its card (written if given), in place of the one that was open. Raises UserError."""
        assert self.rules
        if card is not None:
            save_card(card, own.weights)
        try:
            embedder = OnnxEmbedder(own.weights, guarded=self.rules.bounds)
        except UserError:
            if card is not None:
                card_path(own.weights).unlink(missing_ok=True)
            raise
        embedder.name = embedder.card.name + (YOURS if embedder.card.name in self.shared else "")
        embedder.card = replace(embedder.card, title=embedder.card.title + YOURS)
        own.embedder = embedder
        if own.network:
            own.network.close()
        with self._lock:
            if own.closed or self._opening.pop(own.session, None) is not own:
                own.delete()
                raise UserError(GONE)
            before, self._open[own.session] = self._open.get(own.session), own
        if before:
            before.delete()
        return embedder

    def drop(self, own: OwnModel) -> None:
        """Delete a model that did not come to be used."""
        with self._lock:
            if self._opening.get(own.session) is own:
                del self._opening[own.session]
        if self._open.get(own.session) is not own:
            own.delete()

    def close(self, session: str) -> None:
        """Delete what a session brought."""
        with self._lock:
            found = [self._opening.pop(session, None), self._open.pop(session, None)]
        for own in found:
            if own:
                own.delete()

    def close_all(self) -> None:
        """Delete everything, at the end of the app."""
        for session in {*self._open, *self._opening}:
            self.close(session)
        if self._root:
            shutil.rmtree(self._root, ignore_errors=True)

    def _new(self, request: gr.Request | None) -> OwnModel:
        session, rules = session_of(request), self.rules
        if request is None or not session or rules is None:
            raise UserError(NO_SESSION)
        client = client_of(request)
        with self._lock:
            before = self._opening.pop(session, None)
            others = {own.session: own for own in [*self._open.values(), *self._opening.values()]}
            others.pop(session, None)
            if len(others) >= MODELS or sum(own.client == client for own in others.values()) >= MODELS_OF_ONE:
                raise UserError("Busy: as many models are open as this app can hold; close one in another page first.")
            root = self._make_root()
            if shutil.disk_usage(root).free < 2 * rules.total_bytes + FREE_BYTES:
                raise UserError("This computer has no room for a model at the moment: try again in some minutes.")
            own = OwnModel(session, client, root / secrets.token_urlsafe(24))
            own.folder.mkdir(mode=0o700)
            self._opening[session] = own
        if before:
            before.delete()
        return own

    def _take(self, own: OwnModel, paths: Sequence[str]) -> None:
        assert self.rules
        names, left = [], self.rules.total_bytes
        for path in dict.fromkeys(paths):
            name = Path(path).name
            if name in names or name.startswith("."):
                raise UserError(ONE_FILE)
            move_upload(path, own.folder / name, left, "a model", "export a smaller one, or raise --own-model")
            left -= (own.folder / name).stat().st_size
            names.append(name)
        weights = [name for name in names if name.lower().endswith(".onnx")]
        cards = [name for name in names if name.lower().endswith(".json")]
        if len(weights) != 1 or len(cards) > 1:
            raise UserError(f"{', '.join(names) or 'Nothing'}: {ONE_FILE}"[:400])
        own.weights = own.folder / f"{Path(weights[0]).stem}.onnx"
        (own.folder / weights[0]).rename(own.weights)
        if cards:
            (own.folder / cards[0]).rename(card_path(own.weights))

    def _make_root(self) -> Path:
        if self._root is None:
            self._root = folder_beside_uploads("models")
        return self._root
