"""Embeddings keyed by row_id, and their file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sfpn.errors import UserError
from sfpn.files import whole_file

AT_ONCE = 1024  # rows


@dataclass(frozen=True)
class Embeddings:
    """`values` (N, D) float32, or float16 where so loaded, for `row_ids` (N,), whether each face was found (N,), and
    what made them."""

    row_ids: np.ndarray
    values: np.ndarray
    acquired: np.ndarray
    made_by: dict[str, str] = field(default_factory=dict)  # see sfpn.data.embed.provenance

    def of(self, row_ids: Sequence[str]) -> Embeddings:
        """These rows in this order. Raises KeyError for a row that is not there."""
        position = pd.Series(np.arange(len(self.row_ids)), index=self.row_ids)
        chosen = position.loc[list(row_ids)].to_numpy()
        return Embeddings(self.row_ids[chosen], self.values[chosen], self.acquired[chosen], self.made_by)

    def save(self, file: Path, half: bool = False) -> None:
        """Parquet: row_id, acquired, embedding; `made_by` in its metadata. Written whole or not at all.

        `half`: numbers of half the size, with about three digits. Raises UserError when the place cannot be written.
        """
        kind = np.float16 if half else np.float32
        values = pa.FixedSizeListArray.from_arrays(pa.array(self.values.astype(kind).ravel()), self.values.shape[1])
        table = pa.table({"row_id": pa.array(self.row_ids.tolist()), "acquired": self.acquired, "embedding": values})
        try:
            with whole_file(file) as temporary:
                table = table.replace_schema_metadata({"made_by": json.dumps(self.made_by)})
                plain: Any = ["row_id"]  # a dictionary of numbers takes long to read
                pq.write_table(table, temporary, use_dictionary=plain)
        except OSError as error:
            raise UserError(f"{file} cannot be written ({error.strerror}): choose another --cache or --out") from error

    @classmethod
    def load(cls, file: Path, row_ids: Sequence[str] | None = None, half: bool = False) -> Embeddings:
        """`row_ids`: these rows, each once, in this order (None: all as they are); `half`: values as float16.

        Values are put where they belong as they are read, so that a large file takes no more memory than they do.
        Raises UserError when the file is not one that `save` wrote, and KeyError for a row that it does not have.
        """
        with _said_of(file):
            stored = pq.ParquetFile(file)
            made_by = dict(json.loads(stored.schema_arrow.metadata[b"made_by"]).items())
            table = stored.read(["row_id", "acquired"])
            known, acquired = (table.column(name).to_numpy() for name in ("row_id", "acquired"))
            if row_ids is not None and pd.Index(known).has_duplicates:
                raise ValueError("a row_id occurs twice")
        chosen = np.arange(len(known)) if row_ids is None else pd.Index(known).get_indexer(pd.Index(row_ids))
        if (chosen < 0).any():
            raise KeyError("a row without embedding")
        with _said_of(file):
            values = _read_values(stored, chosen, np.dtype(np.float16 if half else np.float32))
        return cls(known[chosen], values, acquired[chosen], made_by)


def _read_values(stored: pq.ParquetFile, chosen: np.ndarray, kind: np.dtype) -> np.ndarray:
    """The embeddings (n, D) of the rows at these positions (n,) of a file."""
    size = stored.schema_arrow.field("embedding").type.list_size
    target = np.full(stored.metadata.num_rows, -1)
    target[chosen] = np.arange(len(chosen))
    values, first = np.empty((len(chosen), size), kind), 0
    for batch in stored.iter_batches(AT_ONCE, columns=["embedding"]):  # the whole table takes five times its size
        if batch.column(0).null_count:
            raise ValueError("a row has no embedding")
        places = target[first : first + len(batch)]
        found = batch.column(0).flatten().to_numpy().reshape(-1, size)
        wanted = places >= 0
        values[places[wanted]] = found if wanted.all() else found[wanted]
        first += len(batch)
    return values


@contextmanager
def _said_of(file: Path) -> Iterator[None]:
    """What a damaged file makes go wrong, as a UserError."""
    try:
        yield
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise UserError(
            f"{file} is not a file of embeddings ({why}): delete it or make it again with `python -m sfpn embed`"
        ) from error


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) divided by their length; a vector of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
