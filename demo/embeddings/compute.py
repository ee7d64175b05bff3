"""Embeddings of the dataset on request, inside the Embeddings tab: computed with progress, or cancelled."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from demo.common.embedding_store import EmbeddingStore
from demo.common.jobs import Stopped, follow_shown
from demo.common.notices import notices_html
from sfpn.errors import UserError
from sfpn.progress import StageProgress

MISSING = "The embeddings under this model are not there yet: press “Compute embeddings”."
NOT_KEPT = "The dataset folder cannot be written here, so they are kept in a private temporary folder."
NOT_OFFERED = "There are no embeddings under this model, and this page computes none: run it on your own computer."
JOB = "embeddings"


def missing_words(store: EmbeddingStore) -> str:
    """What is said where there are no embeddings."""
    if not store.computes:
        return NOT_OFFERED
    return MISSING if store.writable else f"{MISSING} {NOT_KEPT}"


def offer_buttons(store: EmbeddingStore) -> tuple[dict, dict]:
    """(compute, cancel): shown where embeddings are computed."""
    return gr.update(visible=store.computes), gr.update(visible=store.computes)


def compute_embeddings(store: EmbeddingStore, model: str, request: gr.Request | None = None) -> Iterator[str]:
    """Progress while the dataset is embedded; a cancelled run keeps nothing."""
    if not store.computes:
        yield notices_html([NOT_OFFERED])
        return

    def work(progress: StageProgress) -> None:
        store.compute(model, lambda done, total: progress("embedding", done, total))

    try:
        yield from follow_shown(str, work, request, JOB)
    except UserError as error:
        yield notices_html([str(error)])
        return
    except Stopped:
        pass
    yield ""
