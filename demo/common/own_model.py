"""One model that a visitor brought: its private folder, the process that computes it, and what was computed with it.

The process is bounded in time and memory (sfpn.network.onnx_guarded). Embeddings and reports are kept in the private
folder, which is never served, and in memory, nowhere else.
"""

from __future__ import annotations

import shutil
from collections import ChainMap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.common import events
from demo.common.embedding_store import EmbeddingStore
from sfpn.data.embed import CACHE_FOLDER, cache_file
from sfpn.errors import UserError
from sfpn.evaluation.preprocess_search import Tried
from sfpn.evaluation.report import Report
from sfpn.network.card import card_path
from sfpn.network.embedders import OnnxEmbedder
from sfpn.network.onnx_guarded import GuardedModel


@dataclass(eq=False)
class OwnModel:
    """A model that a session brought: `network` while it has no card, then `embedder`; reports made with it."""

    session: str
    client: str
    folder: Path
    weights: Path = Path()
    network: GuardedModel | None = None
    embedder: OnnxEmbedder | None = None
    tried: list[Tried] = field(default_factory=list)  # what was measured, best first
    tried_on: str = ""
    reports: dict[str, Report] = field(default_factory=dict)
    store: StoreWithOwn | None = None
    closed: bool = False

    @property
    def has_card(self) -> bool:
        return card_path(self.weights).is_file()

    def in_short(self, error: UserError) -> str:
        """What is wrong, without the name of the private folder."""
        return str(error).replace(f"{self.folder}/", "").replace(f"{self.folder}\\", "")

    def store_over(self, base: EmbeddingStore) -> EmbeddingStore:
        """The rows and embeddings of a set with those of this model."""
        if self.embedder is None:
            return base
        known = self.store
        if known is None or known.base is not base:
            models = {**base.models, self.embedder.name: self.embedder}
            own = {"base": base, "folder": self.folder, "own": base.own, "computes": base.computes}
            self.store = known = StoreWithOwn(base.view, models, base.writable, **own)
        return known

    def delete(self) -> None:
        """End its process and remove all of it from the disk."""
        self.closed, self.store, self.reports = True, None, {}
        for each in (self.network, self.embedder):
            if each:
                each.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class StoreWithOwn(EmbeddingStore):
    """What a session that brought a model sees of a set: all that `base` has, and the embeddings of its own model."""

    base: EmbeddingStore | None = None
    folder: Path = Path()  # where these are kept

    def get(self, model: str) -> Any:
        """As `base`, for its models."""
        return super().get(model) if self.is_own_model(model) else self._shared.get(model)

    def compute(self, model: str, progress: Any = None) -> Any:
        """As `base`, for its models."""
        if self.is_own_model(model):
            return super().compute(model, progress)
        return self._shared.compute(model, progress)

    def derived(self, what: str, model: str, make: Any) -> Any:
        """As `base`, for its models."""
        if self.is_own_model(model):
            return super().derived(what, model, make)
        return self._shared.derived(what, model, make)

    def cache(self, model: str) -> Path:
        """As `base`, for its models."""
        if self.is_own_model(model):
            return cache_file(self.view.dataset, self.models[model], self.folder / CACHE_FOLDER)
        return self._shared.cache(model)

    def is_own_model(self, model: str) -> bool:
        """Whether the session brought it."""
        return model not in self._shared.models

    @property
    def _shared(self) -> EmbeddingStore:
        assert self.base is not None
        return self.base

    def _stored_in(self, model: str) -> Path | None:
        file = self.cache(model)
        return file if file.is_file() else None


class ReportsWithOwn(ChainMap):
    """The reports of a session that brought a model. Raises gr.Error for one that is not there any more."""

    def __init__(self, own: OwnModel, others: ChainMap) -> None:
        super().__init__(own.reports, *others.maps)
        assert own.embedder
        self._model = own.embedder.name

    def __setitem__(self, title: str, report: Report) -> None:
        self.maps[0 if report.header["model"] == self._model else 1][title] = report

    def __missing__(self, key: str) -> Report:
        raise events.gone()
