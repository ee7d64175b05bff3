"""One dataset that a visitor brought: its private folder, its pictures, and what was computed on it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from demo.common.dataset_view import forget_pictures, save_thumbnail, thumbnail_name
from demo.common.embedding_store import EmbeddingStore
from sfpn.evaluation.report import Report


@dataclass(eq=False)
class OwnSet:
    """A visitor's set; `store` is None while it is made. `reports` are those computed on it."""

    session: str
    visitor: str  # the secret of their browser, '' where it takes no cookies
    client: str
    title: str
    folder: Path
    pictures: Path
    store: EmbeddingStore | None = None
    reports: dict[str, Report] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)  # row_ids whose thumbnails are there, as they came
    closed: bool = False

    @property
    def dataset(self) -> Path:
        """Where the dataset is built; the folder is called as the set."""
        return self.folder / (re.sub(r"[^\w-]+", "-", Path(self.title).stem).strip("-")[:60] or "own")

    def see(self, row_id: str, encoded: bytes) -> None:
        """Make the thumbnail of a picture that was read."""
        save_thumbnail(encoded, row_id, self.pictures)
        self.seen.append(row_id)

    def thumbnail_file(self, row_id: str) -> Path:
        """Where the thumbnail of a picture is."""
        return self.pictures / f"{thumbnail_name(row_id)}.jpg"

    def delete(self) -> None:
        """Remove all of it from the disk."""
        self.closed = True
        for folder in (self.folder, self.pictures):
            shutil.rmtree(folder, ignore_errors=True)
        forget_pictures()
