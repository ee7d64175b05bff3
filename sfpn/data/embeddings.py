"""Embeddings keyed by row_id, and their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sfpn.errors import UserError
from sfpn.files import whole_file

AT_ONCE = 1024  # rows


@dataclass(frozen=True)
class Embeddings:
    """`values` (N, D) float32 for `row_ids` (N,), whether each face was found (N,), and what made them."""

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
                pq.write_table(table.replace_schema_metadata({"made_by": json.dumps(self.made_by)}), temporary)
        except OSError as error:
            raise UserError(f"{file} cannot be written ({error.strerror}): choose another --cache or --out") from error

    @classmethod
    def load(cls, file: Path) -> Embeddings:
        """Raises UserError when the file is not one that `save` wrote."""
        try:
            stored = pq.ParquetFile(file)
            made_by = dict(json.loads(stored.schema_arrow.metadata[b"made_by"]).items())
            size = stored.schema_arrow.field("embedding").type.list_size
            values, position = np.empty((stored.metadata.num_rows, size), np.float32), 0
            for batch in stored.iter_batches(
                AT_ONCE, columns=["embedding"]
            ):  # the whole table takes five times its size
                if batch.column(0).null_count:
                    raise ValueError("a row has no embedding")
                values[position : position + len(batch)] = batch.column(0).flatten().to_numpy().reshape(-1, size)
                position += len(batch)
            table = stored.read(["row_id", "acquired"])
            row_ids, acquired = (table.column(name).to_numpy() for name in ("row_id", "acquired"))
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split())
            raise UserError(
                f"{file} is not a file of embeddings ({why}): delete it or make it again with `python -m sfpn embed`"
            ) from error
        return cls(row_ids, values, acquired, made_by)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) divided by their length; a vector of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
