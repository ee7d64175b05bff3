"""The embeddings of the loaded dataset under each model: read from the dataset folder, or computed when asked.

What is computed is kept in the dataset folder; where that cannot be written, in the private folder of the thumbnails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from demo.common.dataset_view import DatasetView
from sfpn.data.embed import CACHE_FOLDER, Progress, cache_file, embed_dataset, provenance
from sfpn.data.embeddings import Embeddings
from sfpn.evaluation.comparisons import unit_length
from sfpn.network.embedders import Embedder

NEIGHBOURS = 12


@dataclass(frozen=True)
class EmbeddingStore:
    """`get` never computes, `compute` does; rows are those of the view, in its order, as unit vectors (N, D)."""

    view: DatasetView
    models: Mapping[str, Embedder]
    writable: bool = True  # whether new files may be put into the dataset folder
    computes: bool = True  # whether embeddings and reports are computed on request
    own: bool = False  # whether a visitor brought it, and nobody else sees it
    _kept: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _derived: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def get(self, model: str) -> np.ndarray | None:
        """The embeddings, or None if they have not been computed for all rows."""
        if model not in self._kept:
            known = self._stored(model)
            if known is None or not set(self.view.groups) <= set(known.row_ids):
                return None
            self._keep(model, known)
        return self._kept[model]

    def compute(self, model: str, progress: Progress | None = None) -> np.ndarray:
        """Embed what is missing, keep it on disk, and return all; `progress` may raise to stop."""
        dataset, embedder = self.view.dataset, self.models[model]
        self._keep(model, embed_dataset(dataset, embedder, cache=self.cache(model), progress=progress))
        return self._kept[model]

    def cache(self, model: str) -> Path:
        """The file that has the embeddings of a model, or where new ones are to be kept."""
        dataset, embedder = self.view.dataset, self.models[model]
        folder = None if self.writable else self.view.thumbnails / CACHE_FOLDER
        return self._stored_in(model) or cache_file(dataset, embedder, folder)

    def derived(self, what: str, model: str, make: Callable[[np.ndarray], Any]) -> Any:
        """What `make` gives for the embeddings of a model, made once per name `what`."""
        if (what, model) not in self._derived:
            self._derived[what, model] = make(self._kept[model])
        return self._derived[what, model]

    def is_own_model(self, model: str) -> bool:
        """Whether the visitor brought the model, so that nobody else may see what is made with it."""
        return False

    def position(self, row_id: str) -> int:
        """The row of a picture in the arrays."""
        found: Any = self.view.rows.index.get_loc(row_id)  # one number: row_ids occur once
        return found

    def neighbours(self, model: str, query: str | np.ndarray, count: int = NEIGHBOURS) -> pd.DataFrame | None:
        """row_id and score of the samples most alike to a row_id or to an embedding (D,); None without embeddings."""
        known = self.get(model)
        if known is None:
            return None
        own = self.position(query) if isinstance(query, str) else None
        vector = known[own] if own is not None else unit_length(np.asarray(query, np.float32)[None])[0]
        scores = known @ vector
        if own is not None:
            scores[own] = -np.inf
        count = min(count, len(scores) - (own is not None))
        best = np.argpartition(-scores, max(count - 1, 0))[:count]
        best = best[np.argsort(-scores[best], kind="stable")]
        return pd.DataFrame({"row_id": self.view.rows.index[best], "score": scores[best]})

    def _stored(self, model: str) -> Embeddings | None:
        file = self._stored_in(model)
        return None if file is None else Embeddings.load(file)

    def _stored_in(self, model: str) -> Path | None:
        """Any file beside the dataset, or of ours, that was made from it by the same weights, used in the same way."""
        wanted = provenance(self.view.dataset, self.models[model])["recipe_sha256"]
        places = [self.view.dataset.folder, *([] if self.writable else [self.view.thumbnails])]
        for file in (file for place in places for file in sorted((place / CACHE_FOLDER).glob("*.parquet"))):
            made_by = (pq.read_schema(file).metadata or {}).get(b"made_by", b"{}")
            if json.loads(made_by).get("recipe_sha256") == wanted and (self.writable or self._covers(file)):
                return file
        return None

    def _covers(self, file: Path) -> bool:
        return set(self.view.groups) <= set(pq.read_table(file, columns=["row_id"]).column("row_id").to_pylist())

    def _keep(self, model: str, known: Embeddings) -> None:
        for key in [key for key in self._derived if key[1] == model]:
            del self._derived[key]
        self._kept[model] = unit_length(known.of(list(self.view.rows.index)).values)
