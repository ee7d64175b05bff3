"""A program for phones as an embedder, computed here by its own runtime, to be measured as the others are."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from sfpn.network import export_executorch, export_executorch_int8, export_litert, export_litert_int8
from sfpn.network.exported import Exported, pixels_of
from sfpn.photos.preprocess import Preprocess

RUNTIMES = {
    each.FORMAT: each for each in (export_executorch, export_executorch_int8, export_litert, export_litert_int8)
}


def compute_on_one_thread(ways: list[str]) -> None:
    """All ways. Before ExecuTorch runs anything, as its pool should not change while it is used."""
    if {export_executorch.FORMAT, export_executorch_int8.FORMAT} & set(ways):
        from executorch.extension.pybindings import _C, portable_lib  # noqa: F401  # pyright: ignore

        _C._unsafe_reset_threadpool(1)
    torch.set_num_threads(1)


class ProgramEmbedder:
    """Crops -> embeddings (B, D) float32, one face at a time."""

    def __init__(self, format: str, done: Exported) -> None:
        self.name, self.card, self.backend = done.card.name, done.card, format
        self.precision = "int8" if format.endswith("-int8") else "float32"
        self._run = RUNTIMES[format].opened(done.path.read_bytes())

    @property
    def preprocess(self) -> Preprocess:
        return self.card.preprocess

    def embed(self, crops: list[Image.Image]) -> np.ndarray:
        return self._run(pixels_of(self.preprocess, crops))
