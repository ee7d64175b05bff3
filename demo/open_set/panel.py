"""The bar above the tabs: which set they show, and the panel in which a visitor opens a set of their own."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import LONG, QUIET, bound
from demo.common.jobs import Stopped, bar_html, ending, follow
from demo.common.links import Links, opened
from demo.common.notices import notices_html
from demo.common.own_sets import OwnSet, Rules, Sets
from demo.common.uploads import upload_paths
from demo.common.visitor import session_of
from demo.open_set.ledger_html import ledger_html, left_out, read_ledger
from demo.open_set.making import JOB, Making, open_hub, open_upload
from demo.open_set.steps import Clock
from demo.open_set.take_along import zip_link
from sfpn.errors import UserError

FOLDER_BUTTON = """<div class="own-folder"><button type="button">Choose a folder</button>
<input id="own-folder-input" type="file" webkitdirectory multiple hidden tabindex="-1">
<span>with a folder for each person in it; the browser packs it</span></div>"""
FOLDER_SCRIPT = Path(__file__).with_name("folder.js")
SAVE_LINK = "() => { document.querySelector('#own-zip a')?.click(); return []; }"


class SetInput(gr.File):
    """One file, handed over as it came; see demo.common.photo_inputs."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        """The path of the upload."""
        return None if payload is None or not payload.path else upload_paths([payload.path])[0]


class Shown(NamedTuple):
    """What says which set is open: the components, or their values."""

    which: Any
    toggle: Any
    take: Any
    leave: Any
    about: Any
    ledger: Any
    zipped: Any


def build(sets: Sets, links: Links) -> None:
    """Lay out and wire; nothing where visitors may bring nothing."""
    store, rules = sets.bundled, sets.rules
    if store is None or rules is None:
        return
    with gr.Column(elem_id="own-set", min_width=280):
        with gr.Row(equal_height=True, elem_id="own-bar"):
            which = gr.HTML(which_html(store), elem_id="which-set", padding=False, min_width=220)
            toggle = gr.Button("Open your own photos", size="sm", elem_id="own-open", scale=0, min_width=190)
            take = gr.Button(
                "Take it with you (ZIP)", size="sm", elem_id="own-take", visible=False, scale=0, min_width=190
            )
            leave = gr.Button("Close my set", size="sm", elem_id="own-leave", visible=False, scale=0, min_width=130)
        with gr.Column(visible=False, elem_id="own-panel") as panel:
            gr.HTML(hint_html(rules), padding=False)
            given = _build_inputs(rules)
        with gr.Row(equal_height=True, elem_id="own-work"):
            status = gr.HTML(elem_id="own-status", padding=False)
            cancel = gr.Button("Cancel", size="sm", elem_id="own-cancel", visible=False, scale=0, min_width=110)
        pictures = gr.HTML(elem_id="own-pictures", padding=False)
        zipped = gr.HTML(elem_id="own-zip", padding=False)
        with gr.Accordion("What was left out, and why", open=False, visible=False, elem_id="own-about") as about:
            ledger = gr.HTML(elem_id="own-ledger", padding=False)
    making = Making(given.file, status, pictures, cancel, panel, links.dataset, links.embedded)
    runs = _wire_making(sets, given, making)
    is_hidden = "() => !document.querySelector('#own-panel')?.offsetParent"
    hidden = gr.Checkbox(visible="hidden", show_label=False)
    toggle.click(lambda hidden: gr.update(visible=bool(hidden)), hidden, panel, js=is_hidden, **QUIET)
    shown = list(Shown(which, toggle, take, leave, about, ledger, zipped))
    links.dataset.change(bound(show_set, sets.store, sets.own), None, shown, **QUIET)
    for run in runs:  # once more at the end, should a busy page have refused the change
        run.then(bound(show_set, sets.store, sets.own), None, shown, **QUIET)
    leave.click(bound(leave_set, sets), None, list(making), **QUIET)
    take.click(bound(take_along, sets.own), None, zipped, **QUIET, **LONG).then(
        None, None, None, js=SAVE_LINK, api_visibility="private"
    )


class Given(NamedTuple):
    """The components in which a visitor gives a set; those of the Hub are None where it is not offered."""

    file: SetInput
    columns: gr.Textbox
    hub: gr.Textbox | None = None
    read: gr.Button | None = None


def _build_inputs(rules: Rules) -> Given:
    with gr.Row(equal_height=False):
        file = SetInput(label="ZIP", height=150, elem_id="own-file", min_width=280)
        with gr.Column(min_width=260):
            gr.HTML(FOLDER_BUTTON, js_on_load=FOLDER_SCRIPT.read_text(encoding="utf-8"), padding=False)
            columns = gr.Textbox(
                label="Columns of a table, if it does not call them image and identity",
                placeholder="image=img identity=person pose=view",
                elem_id="own-columns",
                max_lines=1,
                max_length=500,
            )
    hub, read = _build_hub() if rules.hub else (None, None)
    return Given(file, columns, hub, read)


def _wire_making(sets: Sets, given: Given, making: Making) -> list[Any]:
    wiring: dict[str, Any] = {"outputs": list(making), **QUIET, **LONG}
    runs: list[Any] = [given.file.upload(bound(open_upload, sets), [given.file, given.columns], **wiring)]
    if given.hub and given.read:
        runs.append(given.read.click(bound(open_hub, sets), [given.hub, given.columns], **wiring))
    making.cancel.click(ending(JOB), None, None, **QUIET)
    return runs


def _build_hub() -> tuple[gr.Textbox, gr.Button]:
    with gr.Row(equal_height=True):
        name = gr.Textbox(
            label="or the id of a dataset on the Hugging Face Hub",
            placeholder="user/faces",
            elem_id="own-hub",
            max_lines=1,
            max_length=200,
        )
        return name, gr.Button("Read it", size="sm", elem_id="own-hub-open", scale=0, min_width=110)


def hint_html(rules: Rules) -> str:
    """What may be brought, and what becomes of it."""
    table = "a Parquet file that holds its pictures, or " if rules.parquet else ""
    return (
        '<p class="quiet">Drop a <b>ZIP with a folder for each person</b> (<code>person/photo.jpg</code>), '
        f"{table}a ZIP with a CSV file of the columns <code>image</code> and <code>identity</code>. Up to "
        f"{rules.photos:,} photos and {rules.total_bytes / 1e6:,.0f} MB. Faces, poses and embeddings are computed by "
        "this app. Only this page of your browser sees the set; it is deleted when you close it, at most five minutes "
        "after you close or reload the page, or two hours after your last click. Bring photos of people only if you "
        "may.</p>"
    )


def which_html(store: EmbeddingStore) -> str:
    """Which set the tabs show."""
    title = escape(str(store.view.dataset.card.get("title", store.view.dataset.name)))
    rows = store.view.rows
    whose = "Your set" if store.own else "Explore, Embeddings and Pose errors show"
    people = len(set(rows["identity"]))
    counted = f"{len(rows):,} images of {people:,} {'identity' if people == 1 else 'identities'}"
    return f'<p class="which">{whose} <b>{title}</b>: {counted}</p>'


def leave_set(sets: Sets, request: gr.Request) -> Making:
    """Delete the visitor's set, and show the bundled one."""
    sets.close(session_of(request))
    return Making(
        None, '<p class="quiet">Your set was deleted.</p>', "", gr.update(visible=False), dataset=opened(None)
    )


def show_set(store: EmbeddingStore, own: OwnSet | None) -> Shown:
    """Which set is open, and the ledger of a visitor's own."""
    if own is None:
        gone = gr.update(visible=False)
        return Shown(which_html(store), "Open your own photos", gone, gone, gone, "", "")
    lines = read_ledger(own.dataset)
    out, shown = left_out(lines), gr.update(visible=True)
    about = gr.update(visible=True, label=f"{out:,} file{'s' * (out != 1)} left out: which, and why")
    return Shown(which_html(store), "Open another set", shown, shown, about, ledger_html(lines), "")


def take_along(own: OwnSet | None, request: gr.Request) -> Iterator[str]:
    """A link to the set as a ZIP, which is written first."""
    if own is None:
        yield notices_html(["There is no set of yours any more."])
        return
    clock = Clock()
    try:
        steps = follow(lambda progress: zip_link(own, progress), request)
        while True:
            yield bar_html(*clock.bar(*next(steps)))
    except StopIteration as end:
        yield end.value
    except UserError as error:
        yield notices_html([str(error)])
    except Stopped:
        yield ""
