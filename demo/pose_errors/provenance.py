"""Where a report comes from, and whether it is about what the app has loaded, in sentences."""

from __future__ import annotations

from html import escape

from demo.common.embedding_store import EmbeddingStore
from sfpn.evaluation.report import Report

SHOWN = 12  # letters of a hash


def provenance_html(report: Report) -> str:
    """Date, command, and the hashes of the weights and the dataset."""
    header = report.header
    date, command = escape(header["date"][:10]), escape(header["command"] or "the app")
    weights, dataset = (escape(header[name][:SHOWN]) for name in ("weights_sha256", "dataset_fingerprint"))
    return (
        f'<p class="quiet">Made {date} by <code>{command}</code> · weights <code>{weights}</code> · '
        f"dataset fingerprint <code>{dataset}</code></p>"
    )


def is_own(report: Report, store: EmbeddingStore | None) -> bool:
    """Whether a report is about the loaded dataset or another build of it: then its row_ids name loaded pictures."""
    return store is not None and report.header["dataset"] == store.view.dataset.name


def doubts(report: Report, store: EmbeddingStore | None) -> list[str]:
    """Sentences about a report of another build of the loaded dataset, or of other weights than those loaded."""
    if store is None:
        return []
    header, found = report.header, []
    loaded = store.view.dataset.fingerprint
    if is_own(report, store) and report.mismatches(dataset_fingerprint=loaded):
        found.append(
            f"This report was made on another build of {header['dataset']} "
            f"(fingerprint {header['dataset_fingerprint'][:SHOWN]}; loaded is {loaded[:SHOWN]}): its rates are about "
            "that build, and its pairs are shown by row_id with the pictures of the loaded one."
        )
    model = store.models.get(header["model"])
    if model is not None and report.mismatches(weights_sha256=model.card.weights_sha256):
        found.append(
            f"This report was made with other weights of {header['model']} ({header['weights_sha256'][:SHOWN]}; "
            f"loaded is {model.card.weights_sha256[:SHOWN]}): scores in Verify will differ from those of its pairs."
        )
    return found
