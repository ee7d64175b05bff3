"""The embeddings of the loaded dataset under each model: read from the dataset folder, or computed when asked.

What is computed is kept in the dataset folder; where that cannot be written, in the private folder of the thumbnails.
Of many images, the numbers are kept with two bytes each: scores then err by less than 0.0001.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from demo.common.dataset_view import DatasetView
from demo.common.vectors import make_unit, products, rows_of
from sfpn.data.embed import CACHE_FOLDER, cache_file, embed_dataset, provenance
from sfpn.data.embeddings import Embeddings, unit_length
from sfpn.network.embedders import Embedder
from sfpn.progress import Progress

NEIGHBOURS = 12
WIDE = 16_000_000  # numbers up to which they are kept with four bytes each


@dataclass(frozen=True)
class EmbeddingStore:
    """`get` never computes, `compute` does; rows are those of the view, in its order, as unit vectors (N, D).

    They are float16 where there are more than WIDE numbers: multiply them with demo.common.vectors.
    """

    view: DatasetView
    models: Mapping[str, Embedder]
    writable: bool = True  # whether new files may be put into the dataset folder
    computes: bool = True  # whether embeddings and reports are computed on request
    own: bool = False  # whether a visitor brought it, and nobody else sees it
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False)  # one reads, others wait for it
    _kept: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _derived: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def get(self, model: str) -> np.ndarray | None:
        """The embeddings, or None if they have not been computed for all rows."""
        with self._reading:
            if model not in self._kept and (known := self._stored(model)):
                self._keep(model, known.values)
        return self._kept.get(model)

    def compute(self, model: str, progress: Progress | None = None) -> np.ndarray:
        """Embed what is missing, keep it on disk, and return all; `progress` may raise to stop."""
        dataset, embedder = self.view.dataset, self.models[model]
        known = embed_dataset(dataset, embedder, cache=self.cache(model), progress=progress)
        self._keep(model, known.values)
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

    def has_derived(self, what: str, model: str) -> bool:
        """Whether `derived` would give it at once."""
        return (what, model) in self._derived

    def neighbours(self, model: str, query: str | np.ndarray, count: int = NEIGHBOURS) -> pd.DataFrame | None:
        """row_id and score of the samples most alike to a row_id or to an embedding (D,); None without embeddings."""
        known = self.get(model)
        if known is None:
            return None
        own = self.view.position(query) if isinstance(query, str) else None
        vector = unit_length(np.asarray(query, np.float32)) if own is None else rows_of(known, own)
        scores = products(known, vector)
        if own is not None:
            scores[own] = -np.inf
        count = min(count, len(scores) - (own is not None))
        best = np.argpartition(-scores, max(count - 1, 0))[:count]
        best = best[np.argsort(-scores[best], kind="stable")]
        return pd.DataFrame({"row_id": self.view.rows.index[best], "score": scores[best]})

    def _stored(self, model: str) -> Embeddings | None:
        """Of all rows, in their order; None if there are none, or not all."""
        file = self._stored_in(model)
        if file is None:
            return None
        try:
            return Embeddings.load(file, list(self.view.rows.index), half=_numbers(file) > WIDE)
        except KeyError:
            return None

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
        return set(self.view.rows.index) <= set(pq.read_table(file, columns=["row_id"]).column("row_id").to_pylist())

    def _keep(self, model: str, values: np.ndarray) -> None:
        if values.size > WIDE:
            values = values.astype(np.float16, copy=False)
        make_unit(values)
        for key in [key for key in self._derived if key[1] == model]:
            del self._derived[key]
        self._kept[model] = values


def _numbers(file: Path) -> int:
    """How many numbers a file of embeddings has."""
    stored = pq.ParquetFile(file)
    kind: Any = stored.schema_arrow.field("embedding").type if "embedding" in stored.schema_arrow.names else None
    return stored.metadata.num_rows * getattr(kind, "list_size", 0)
