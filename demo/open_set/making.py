"""From what a visitor gives to their open set: begun, built, embedded, with progress and thumbnails, or cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.common.handlers import SKIP
from demo.common.jobs import WAITING, Stopped, bar_html, follow
from demo.common.links import opened
from demo.common.notices import notices_html
from demo.common.own_sets import OwnSet, Sets
from demo.common.pictures import file_address
from demo.common.uploads import discard, move_upload
from demo.open_set.steps import EMBEDDING, FACES, Clock
from sfpn.errors import UserError
from sfpn.progress import StageProgress

NEWEST = 24  # thumbnails shown while a set is read
JOB = "set"
CANCELLED = '<p class="quiet">Cancelled; nothing of it was kept.</p>'
NOT_EMBEDDED = (
    '<p class="quiet">The set is open, without embeddings: the tab Embeddings computes them when you ask for them.</p>'
)


class Making(NamedTuple):
    """What changes while a set is made: the components, or their values."""

    file: Any = SKIP
    status: Any = SKIP
    pictures: Any = SKIP
    cancel: Any = SKIP
    panel: Any = SKIP
    dataset: Any = SKIP
    embedded: Any = SKIP


def open_upload(sets: Sets, path: str | None, columns: str, request: gr.Request) -> Iterator[Making]:
    """Make a set of an upload, which is moved to the set's own folder."""
    if not path:
        yield Making()
        return
    try:
        own = sets.begin(request, Path(path).name)
    except UserError as error:
        discard([path])
        yield Making(None, notices_html([str(error)]))
        return
    try:
        assert sets.rules
        upload = own.folder / "upload"
        move_upload(path, upload, sets.rules.total_bytes + 1_000_000)  # a ZIP has names beside its pictures
    except UserError as error:
        sets.drop(own)
        yield Making(None, notices_html([str(error)]))
        return
    yield from make_set(sets, own, upload, columns, request)


def open_hub(sets: Sets, name: str, columns: str, request: gr.Request) -> Iterator[Making]:
    """Make a set of a dataset of the Hub."""
    try:
        own = sets.begin(request, str(name or "").strip()[:200])
    except UserError as error:
        yield Making(status=notices_html([str(error)]))
        return
    yield from make_set(sets, own, None, columns, request)


def make_set(sets: Sets, own: OwnSet, upload: Path | None, columns: str, request: gr.Request) -> Iterator[Making]:
    """Progress and thumbnails while faces are found; the set opens; then progress while they are embedded."""
    model = next(iter(sets.models))

    def work(progress: StageProgress) -> None:
        sets.make(own, upload, str(columns or ""), lambda done, total: progress(FACES, done, total))
        try:
            if own.store:
                progress(EMBEDDING, 0, len(own.store.view.rows))
                own.store.compute(model, lambda done, total: progress(EMBEDDING, done, total))
        finally:
            if own.closed:  # meanwhile; what was written since goes too
                own.delete()

    clock, announced, steps = Clock(), False, None
    try:
        steps = follow(work, request, JOB)
        for stage, done, total in steps:
            if stage.startswith(WAITING):
                clock = Clock()
            ready = own.store is not None and not announced
            announced = announced or ready
            yield Making(
                status=bar_html(*clock.bar(stage, done, total)),
                pictures="" if announced else newest_html(own),
                cancel=gr.update(visible=True),
                panel=gr.update(visible=False),
                dataset=opened(own.title) if ready else SKIP,
            )
        yield Making(
            file=None,
            status='<p class="quiet">Done: faces, poses and embeddings are there.</p>',
            pictures="",
            cancel=gr.update(visible=False),
            dataset=SKIP if announced else opened(own.title),
            embedded=opened(model),
        )
    except (UserError, Stopped) as error:
        is_open = own.store is not None and not own.closed
        stopped = NOT_EMBEDDED if is_open else CANCELLED
        yield Making(
            file=None,
            status=stopped if isinstance(error, Stopped) else notices_html([str(error)]),
            pictures="",
            cancel=gr.update(visible=False),
            panel=gr.update(visible=not is_open),
            dataset=opened(own.title) if is_open and not announced else SKIP,
        )
    finally:
        if steps:
            steps.close()
        if own.store is None:
            sets.drop(own)


def newest_html(own: OwnSet) -> str:
    """The pictures that were read last."""
    newest = own.seen[-NEWEST:]
    if not newest:
        return ""
    tiles = "".join(
        f'<img src="{file_address(own.thumbnail_file(row_id))}" alt="{escape(row_id)}" title="{escape(row_id)}">'
        for row_id in newest
    )
    return f'<div class="flow">{tiles}</div>'
