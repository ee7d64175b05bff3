"""A drawn dataset with embeddings and reports of two models, for the tests of the explorer's tabs."""

from __future__ import annotations

from pathlib import Path

from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from helpers.evaluation_data import ColourEmbedder, write_dataset
from sfpn.data.dataset import FaceDataset
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.evaluation.report import Report

ROUNDS = 20


def make_store(folder: Path, computed: bool = True) -> EmbeddingStore:
    """A store with the model 'colour' over a new dataset in `folder`."""
    dataset = FaceDataset.open(write_dataset(folder / "drawn"))
    store = EmbeddingStore(DatasetView.open(dataset, folder / "thumbnails"), {"colour": ColourEmbedder()})
    if computed:
        store.compute("colour")
    return store


def make_report(folder: Path, blur: float = 0.0, seed: int = 0) -> Report:
    """The report of a colour embedder in the protocol with templates, written to and read from a folder."""
    data = folder / f"data-{seed}"
    dataset = FaceDataset.open(data if data.is_dir() else write_dataset(data, seed=seed))
    name = f"colour-{blur:g}"
    report = evaluate(
        dataset, ColourEmbedder(name, f"{name:*<64}", blur), EvaluateConfig("vggface2-pose", rounds=ROUNDS)
    )
    report.save(folder / f"{name}-{seed}")
    return Report.load(folder / f"{name}-{seed}")
