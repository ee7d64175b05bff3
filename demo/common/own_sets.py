"""Datasets that visitors bring. Each belongs to one session, lies in a private folder, and is deleted with the session.

    sets = Sets(bundled, reports, models, rules)     # bundled: what is shown to all who brought nothing
    button.click(bound(show, sets.store), ...)       # `show` gets the EmbeddingStore of whoever clicked

Pictures are served from a folder with an unforeseeable name, and only to the browser that brought them: see `may_read`.
Folders: ROOT/sets/TOKEN (never served), ROOT/pictures/TOKEN (thumbnails, and the ZIP to take along).
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common import events
from demo.common.dataset_view import DatasetView, forget_pictures
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import PerSession
from demo.common.own_models import OwnModels
from demo.common.own_set import OwnSet
from demo.common.uploads import FREE_BYTES, folder_beside_uploads
from demo.common.visitor import NO_SESSION, client_of, session_of, visitor_of
from sfpn.data.dataset import FaceDataset
from sfpn.data.decisions import Decision
from sfpn.data.embed import provenance
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.files import replace_folder
from sfpn.network.embedders import Embedder

SETS_OF_ONE = 3  # of one address
ROOM = 4  # a set may take so many times the bytes that it may bring: upload, dataset, ZIP, embeddings
Builder = Callable[..., None]
"""builder(upload, title, out, seen, progress, columns=...) writes the dataset folder `out`; raises UserError.

upload: the file, or None where `title` is the id of a dataset on the Hub. seen(row_id, encoded): each picture as it is
read. progress(done, total): may raise to end it.
"""


@dataclass(frozen=True)
class Rules:
    """Who makes a dataset of what visitors bring, and how much they may bring."""

    build: Builder
    mend: Callable[[Path, Path, list[Decision]], Any]  # (dataset folder, new one, decisions); raises UserError
    total_bytes: int
    photos: int
    sets: int  # at once
    hub: bool = False  # whether ids of the Hub may be named
    parquet: bool = True  # whether Parquet files are taken


class Reports(ChainMap):
    """Reports by title. Raises gr.Error for one that is not there any more."""

    def __missing__(self, key: str) -> Report:
        raise events.gone()


class Sets:
    """All visitors' sets of one running app, and the one that is shown to everybody else."""

    def __init__(
        self,
        bundled: EmbeddingStore | None,
        reports: MutableMapping[str, Report] | None = None,
        models: Mapping[str, Embedder] | None = None,
        rules: Rules | None = None,
        own_models: OwnModels | None = None,
    ) -> None:
        """reports: by title, those that everybody sees. rules: None where visitors can bring nothing.

        own_models: what of models visitors bring, by default nothing; what they see of a set, has those too.
        """
        self.bundled, self.shared = bundled, {} if reports is None else reports
        self.models, self.rules = models or {}, rules
        self.own_models = own_models or OwnModels(self.models)
        self._open: dict[str, OwnSet] = {}
        self._making: dict[str, OwnSet] = {}
        self._left: dict[str, None] = {}  # sessions whose page has gone, in the order in which they went
        self._root: Path | None = None
        self._lock = threading.Lock()
        self.store, self.view = PerSession(self.store_of), PerSession(lambda request: self.store_of(request).view)
        self.dataset = PerSession(lambda request: self.store_of(request).view.dataset)
        self.reports, self.own = PerSession(self.reports_of), PerSession(self.own_of)

    def own_of(self, request: gr.Request | None) -> OwnSet | None:
        """The set that the session at hand has open, None if it brought none."""
        return self._open.get(session_of(request)) if request else None

    def store_of(self, request: gr.Request | None) -> EmbeddingStore:
        """The rows and embeddings that the session at hand sees."""
        own = self.own_of(request)
        store = own.store if own else self.bundled
        assert store is not None  # tabs that use it are only there with a bundled one
        return self.own_models.store_over(request, store)

    def reports_of(self, request: gr.Request | None) -> MutableMapping[str, Report]:
        """The reports that the session at hand sees; what is added belongs to it alone where it has its own set."""
        own = self.own_of(request)
        reports = Reports(own.reports, self.shared) if own else Reports(self.shared)
        return self.own_models.reports_over(request, reports)

    def begin(self, request: gr.Request | None, title: str) -> OwnSet:
        """A new set with its folders, beside the one that is open. Raises UserError when there is no room for it."""
        session, rules = session_of(request), self.rules
        if request is None or not session or rules is None:
            raise UserError(NO_SESSION)
        client = client_of(request)
        with self._lock:
            self._drop_making(session)
            self._make_place(session, client)
            root = self._make_root()
            if shutil.disk_usage(root).free < ROOM * rules.total_bytes + FREE_BYTES:
                raise UserError("This computer has no room for a set at the moment: try again in some minutes.")
            token = secrets.token_urlsafe(24)
            own = OwnSet(session, visitor_of(request), client, title, root / "sets" / token, root / "pictures" / token)
            for folder in (own.folder, own.pictures):
                folder.mkdir(mode=0o700)
            self._making[session] = own
        return own

    def page_left(self, session: str) -> None:
        """The page of a session was closed or reloaded: its set gives way where another one needs the place."""
        if session in self._open or session in self._making:
            self._left[session] = None

    def page_came(self, session: str) -> None:
        """The page of a session is there, maybe again: its connection may have broken."""
        self._left.pop(session, None)

    def make(self, own: OwnSet, upload: Path | None, columns: str, progress: Callable[[int, int], None]) -> None:
        """Build the set and open it in place of the one that was open. Raises UserError, and what `progress` raises."""
        assert self.rules
        try:
            self.rules.build(upload, own.title, own.dataset, own.see, progress, columns=columns)
            view = DatasetView.open(FaceDataset.open(own.dataset), own.pictures)
            own.store = EmbeddingStore(view, self.models, own=True)
            with self._lock:
                if own.closed:
                    raise UserError(NO_SESSION)
                self._making.pop(own.session, None)
                before, self._open[own.session] = self._open.get(own.session), own
            if before:
                before.delete()
        except OSError as error:
            gone = own.closed
            self.drop(own)
            raise UserError(
                NO_SESSION if gone else "The set cannot be written: this computer's disk is full."
            ) from error
        except BaseException:
            self.drop(own)
            raise
        finally:
            if upload:
                upload.unlink(missing_ok=True)

    def mend(self, own: OwnSet, decisions: list[Decision]) -> None:
        """Apply decisions to a visitor's set; embeddings of the rows whose face stays are kept. Raises UserError."""
        assert self.rules and own.store
        before, folder = own.store, own.dataset.with_name("mended")
        kept = [name for name in self.models if before.get(name) is not None]
        known = {name: Embeddings.load(before.cache(name)) for name in kept}
        other_faces = {decision.row_id for decision in decisions if decision.face_box}
        try:
            self.rules.mend(own.dataset, folder, decisions)
        except OSError as error:
            raise UserError("The decisions cannot be written: this computer's disk is full.") from error
        replace_folder(folder, own.dataset)
        forget_pictures()
        view = DatasetView.open(FaceDataset.open(own.dataset), own.pictures)
        after = EmbeddingStore(view, self.models, own=True)
        stay = [row_id for row_id in view.rows.index if row_id not in other_faces]
        for name, embeddings in known.items():
            made_by = provenance(view.dataset, self.models[name])
            replace(embeddings.of(stay), made_by=made_by).save(after.cache(name))
            if other_faces:
                after.compute(name)
        own.store, own.reports = after, {}
        if own.closed:
            own.delete()

    def drop(self, own: OwnSet) -> None:
        """Delete a set that was not finished."""
        with self._lock:
            if self._making.get(own.session) is own:
                del self._making[own.session]
        if self._open.get(own.session) is not own:
            own.delete()

    def close(self, session: str) -> bool:
        """Delete what a session brought; whether it had a set open."""
        with self._lock:
            own = self._forget(session)
        self._clear_strays()
        return own is not None

    def close_all(self) -> None:
        """Delete everything, at the end of the app."""
        with self._lock:
            for own in [*self._open.values(), *self._making.values()]:
                own.closed = True
            self._open, self._making = {}, {}
            if self._root:
                shutil.rmtree(self._root, ignore_errors=True)

    def may_read(self, path: str, visitor: str) -> bool:
        """Whether a visitor may be served a file: of visitors' sets only the pictures of their own."""
        root = self._root
        if root is None:
            return True
        try:
            file = Path(os.path.realpath(os.path.abspath(path)))
        except (ValueError, OSError):  # a name that no file can have
            return True
        if not file.is_relative_to(os.path.realpath(root)):
            return True
        parts = file.relative_to(os.path.realpath(root)).parts
        owners = {own.pictures.name: own.visitor for own in [*self._open.values(), *self._making.values()]}
        if len(parts) != 3 or parts[0] != "pictures" or parts[1] not in owners:
            return False
        return secrets.compare_digest(owners[parts[1]], visitor)

    def _make_place(self, session: str, client: str) -> None:
        """Delete as many sets of pages that have gone as are in the way. Raises UserError where that is not enough."""
        assert self.rules
        for most, clients in ((SETS_OF_ONE, [client]), (self.rules.sets, None)):
            known = [own for own in [*self._open.values(), *self._making.values()] if own.session != session]
            others = {own.session for own in known if clients is None or own.client in clients}
            too_many = max(0, len(others) + 1 - most)
            gone = [name for name in self._left if name in others][:too_many]
            if len(gone) < too_many:
                raise UserError("Busy: as many sets are open as this app can hold. Try again in some minutes.")
            for name in gone:
                self._forget(name)

    def _forget(self, session: str) -> OwnSet | None:
        """Delete what a session brought; the set that it had open."""
        self._left.pop(session, None)
        self._drop_making(session)
        if own := self._open.pop(session, None):
            own.delete()
        return own

    def picture_file(self, path: str) -> Path | bytes | None:
        """The small picture that an address of some set's means, made if it is not there; None for any other path.

        JPEG where it cannot be kept on the disk. Raises UserError if the picture cannot be decoded.
        """
        file = Path(path)
        stores = [self.bundled, *(own.store for own in list(self._open.values()))]
        for store in filter(None, stores):
            if file.parent == store.view.thumbnails:
                return store.view.picture_named(file.name)
        return None

    def _drop_making(self, session: str) -> None:
        if own := self._making.pop(session, None):
            own.delete()

    def _make_root(self) -> Path:
        """The folder of all sets; that of the pictures is one that Gradio serves files from."""
        if self._root is None:
            self._root = folder_beside_uploads("sets")
            for name in ("sets", "pictures"):
                (self._root / name).mkdir(mode=0o700)
            gr.set_static_paths([self._root / "pictures"])
        return self._root

    def _clear_strays(self) -> None:
        """Remove what work that ended late has written after its set was deleted."""
        if self._root is None:
            return
        known = {own.folder.name for own in [*self._open.values(), *self._making.values()]}
        for folder in self._root.glob("*/*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
