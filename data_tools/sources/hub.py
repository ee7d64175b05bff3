"""A dataset of the Hugging Face Hub by its id, or local Parquet files, streamed: it may be larger than the disk."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from data_tools.names import escaped
from data_tools.sources.base import Item, Pair, Problem, SourceInfo
from data_tools.sources.columns import Columns, Pictures, files_below, item_from_row, require_columns
from data_tools.sources.tables import DAMAGED
from sfpn.errors import UserError, one_line


@dataclass(frozen=True)
class Hub:
    """`location`: a dataset id such as 'user/faces', or a Parquet file or folder.

    Raises UserError when it cannot be opened.
    """

    location: str
    columns: Columns = field(default_factory=Columns)
    hub_split: str = "train"
    keeps_duplicates: bool = False
    pictures: Pictures | None = None  # None: files, relative paths being below the place of local Parquet files

    def __post_init__(self) -> None:
        named = self._rows.features or next(iter(self._stream()), {})
        require_columns(list(named), self.columns, self.location)

    @property
    def info(self) -> SourceInfo:
        """Licence and citation as the dataset itself states them."""
        stated = self._rows.info
        url = "" if self._files else f"https://huggingface.co/datasets/{self.location}"
        name = escaped(Path(self.location).stem) if self._files else self.location
        return SourceInfo("hub", name, url, stated.license or "not stated", stated.citation or "")

    def total(self) -> int | None:
        """Number of rows where the dataset states it."""
        split = (self._rows.info.splits or {}).get(self.hub_split)
        return split.num_examples if split else None

    def items(self) -> Iterator[Item | Problem]:
        """Every row in the order of the dataset; class labels become their names."""
        features = self._rows.features or {}
        names = {name: feature for name, feature in features.items() if hasattr(feature, "int2str")}
        stem = escaped(Path(self.location).stem) if self._files else self.location
        pictures = self.pictures or files_below(self._base)
        for number, row in enumerate(self._stream()):
            named = {name: _label(row[name], feature) for name, feature in names.items()}
            default_id = f"{stem}/{number:08d}"
            yield item_from_row(row | named, self.columns, pictures=pictures, default_id=default_id)

    def _stream(self) -> Iterator[dict[str, Any]]:
        import pyarrow as pa
        from datasets.exceptions import DatasetsError

        done = 0
        try:
            for row in self._rows:
                yield row
                done += 1
        except (OSError, ValueError, RuntimeError, DatasetsError, pa.ArrowException) as error:
            why = DAMAGED if self._files else f"repeat the command with --resume ({one_line(error)})"
            raise UserError(f"{self.location} cannot be read at row {done + 1} or soon after it: {why}") from error

    def pairs(self) -> Iterator[Pair]:
        """None: a Hub dataset names no official pairs."""
        return iter(())

    @property
    def _base(self) -> Path:
        path = Path(self.location)
        return path.parent if path.is_file() else path

    @cached_property
    def _files(self) -> list[str]:
        path = Path(self.location)
        files = [path] if path.is_file() else sorted(path.glob("**/*.parquet"))
        return [str(file) for file in files]

    @cached_property
    def _rows(self) -> Any:
        import datasets
        from datasets.exceptions import DatasetsError
        from huggingface_hub.utils import logging

        logging.set_verbosity_error()  # what goes wrong is raised, in one sentence
        files = {self.hub_split: [glob.escape(file) for file in self._files]} if self._files else None
        place = "parquet" if self._files else self.location
        try:
            rows: Any = datasets.load_dataset(place, data_files=files, split=self.hub_split, streaming=True)
        except (OSError, ValueError, RuntimeError, DatasetsError) as error:
            raise UserError(f"cannot open the dataset {self.location!r}: {one_line(error)}") from error
        image = (rows.features or {}).get(self.columns.image)
        return rows.cast_column(self.columns.image, datasets.Image(decode=False)) if _is_image(image) else rows


def _is_image(feature: Any) -> bool:
    return type(feature).__name__ == "Image"


def _label(value: Any, feature: Any) -> str | None:
    return None if value is None or value < 0 else feature.int2str(value)
