"""The Explore tab: filter a dataset by facets and clicks, page through its thumbnails, look at one sample closely."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.dataset_view import UNKNOWN, DatasetView
from demo.common.download import download
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import bound
from demo.common.plotly_view import PlotlyView
from demo.common.sample_html import grid_html, neighbours_html, sample_html
from demo.explore.facets import NAMES, YAW_LIMITS, Facets, counts, masks, select
from demo.explore.figures import identity_table, yaw_histogram
from demo.explore.name_facet import is_searched, name_facet, search, with_counts
from demo.links import AT_ONCE, EMBEDDINGS, EXPLORE, VERIFY, Links, Opened, goto, opened
from demo.verify.side import notices_html
from sfpn.schema import POSE_LABELS, POSES

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
PAGE = 48  # thumbnails at once
SCROLL = "() => { const title = document.querySelector('#sample-title'); if (title?.offsetParent) title.scrollIntoView({behavior: 'smooth'}); return []; }"
NO_DATASET = "No dataset is loaded. Start with `python app.py --dataset DIR`; `python -m data_tools build` makes one."
NO_NEIGHBOURS = '<p class="quiet">The embeddings of this dataset under this model are not there yet: compute them in the tab Embeddings.</p>'


@dataclass(frozen=True)
class Controls:
    """The facets' components, in the order of the fields of Facets."""

    pose: gr.CheckboxGroup
    identity: gr.Dropdown
    template: gr.Dropdown
    source: gr.Dropdown
    split: gr.Dropdown
    detected: gr.CheckboxGroup
    yaw_low: gr.Slider
    yaw_high: gr.Slider
    quality: gr.Slider

    @property
    def all(self) -> list:
        """All of them."""
        return list(vars(self).values())


def build(store: EmbeddingStore | None, links: Links) -> None:
    """Lay out and wire the tab."""
    if store is None:
        gr.Markdown(NO_DATASET)
        return
    view = store.view
    gr.Markdown(card_words(view), elem_id="data-card", elem_classes="quiet")
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=260):
            controls = _build_controls(view)
            with gr.Row():
                clear = gr.Button("Clear filters", size="sm", elem_id="clear", min_width=110)
                chance = gr.Button("Random sample", size="sm", elem_id="random", min_width=110)
                export = gr.Button("Export CSV", size="sm", elem_id="export", min_width=110)
                on_map = gr.Button("Show on the map", size="sm", elem_id="to-map", min_width=110)
        with gr.Column(scale=5, min_width=310):
            with gr.Row(equal_height=False):
                with gr.Column(min_width=280):
                    yaw = PlotlyView(height=210, elem_id="yaw-histogram")
                with gr.Column(min_width=280):
                    people = PlotlyView(height=210, elem_id="identity-table")
            number, shown = gr.Number(1, visible=False), gr.State(())
            summary = gr.HTML(elem_id="summary")
            grid = Clickable(elem_id="grid")
            with gr.Row(equal_height=True):
                back = gr.Button("← Previous", size="sm", elem_id="previous", min_width=90)
                page = gr.HTML(elem_id="page", padding=False, min_width=100)
                ahead = gr.Button("Next →", size="sm", elem_id="next", min_width=90)
    refreshed = {
        "fn": bound(refresh, view),
        "inputs": controls.all,
        "outputs": [
            controls.pose,
            controls.detected,
            controls.identity,
            yaw,
            people,
            shown,
            summary,
            grid,
            page,
            number,
        ],
        **QUIET,
    }
    gr.on(None, **refreshed, trigger_mode="always_last")
    for name in NAMES:
        if is_searched(view, name):
            facet = getattr(controls, name)
            facet.key_up(bound(search, view, name), controls.all, facet, **AT_ONCE)
    clear.click(clear_facets, None, controls.all, **QUIET)
    yaw.select(pick_yaw, None, [controls.yaw_low, controls.yaw_high], **QUIET)
    people.select(bound(pick_identity, view), None, [controls.identity, controls.pose], **QUIET)
    for button, step in ((back, -1), (ahead, 1)):
        button.click(bound(turn_page, view, step), [shown, number], [grid, page, number], **QUIET)
    download(export, bound(selection_csv, view), shown)
    on_map.click(
        lambda row_ids: (goto(EMBEDDINGS), opened(tuple(row_ids))), shown, [links.tabs, links.selection], **QUIET
    )
    chance.click(random_sample, shown, [links.sample], **QUIET)
    grid.select(bound(follow, view), None, [links.tabs, links.pair, links.sample], **QUIET)
    _build_sample(store, links)


def _build_controls(view: DatasetView) -> Controls:
    return Controls(
        pose=gr.CheckboxGroup([], label="Pose", elem_id="facet-pose"),
        identity=name_facet(view, "identity", "Identity"),
        template=name_facet(view, "template", "Template (images averaged into one)"),
        source=name_facet(view, "source", "Source"),
        split=name_facet(view, "split", "Split"),
        detected=gr.CheckboxGroup([], label="Face", elem_id="facet-detected"),
        yaw_low=gr.Slider(
            *YAW_LIMITS, value=YAW_LIMITS[0], step=1, label="Yaw from (degrees)", elem_id="facet-yaw-low"
        ),
        yaw_high=gr.Slider(
            *YAW_LIMITS, value=YAW_LIMITS[1], step=1, label="Yaw to (degrees)", elem_id="facet-yaw-high"
        ),
        quality=gr.Slider(
            0,
            1,
            value=0,
            step=0.01,
            label="Detector confidence at least",
            elem_id="facet-quality",
            visible=bool(view.rows["quality"].notna().any()),
        ),
    )


def _build_sample(store: EmbeddingStore, links: Links) -> None:
    gr.HTML(
        '<h3 class="section-title" id="sample-title">Sample <small>click a thumbnail: its photo, box, landmarks, crop, columns and neighbours</small></h3>'
    )
    current, marked = gr.State(None), gr.State(None)
    with gr.Row(equal_height=False):
        typed = gr.Textbox(label="row_id", elem_id="sample-id", max_lines=1, scale=3, min_width=200)
        model = gr.Dropdown(
            [(e.card.title, name) for name, e in store.models.items()],
            value=next(iter(store.models)),
            label="Crop and neighbours by",
            elem_id="sample-model",
            scale=3,
            filterable=False,
            min_width=280,
        )
        mark = gr.Button("Pick for comparison", size="sm", elem_id="mark", scale=1, min_width=170)
    picked = gr.HTML(elem_id="picked", padding=False)
    detail = gr.HTML(elem_id="sample", padding=False)
    gr.HTML(
        '<h3 class="section-title">Nearest neighbours <small>score = cosine of embeddings; blue: same identity, orange: another</small></h3>'
    )
    neighbours = Clickable(elem_id="neighbours")
    shown = [typed, detail, neighbours]
    links.sample.change(bound(take_sample, store), [links.sample, model], [current, *shown], **AT_ONCE).then(
        None, None, None, js=SCROLL, api_visibility="private"
    )
    gr.on([model.input, links.embedded.change], bound(show_sample, store), [current, model], shown, **QUIET)
    typed.submit(bound(type_sample, store.view), typed, [links.sample], **QUIET)
    neighbours.select(bound(follow, store.view), None, [links.tabs, links.pair, links.sample], **QUIET)
    mark.click(pick_for_comparison, [current, marked], [marked, mark, picked, links.tabs, links.pair], **QUIET)


def card_words(view: DatasetView) -> str:
    """The data card in two lines."""
    card = view.dataset.card
    poses = ", ".join(
        f"{count:,} {POSE_LABELS.get(pose, pose)}" for pose, count in card.get("rows_per_pose", {}).items() if count
    )
    source = " · ".join(str(card[name]) for name in ("citation", "url") if card.get(name))
    found = card.get("rows_with_face", int(view.rows["detected"].sum()))
    return (
        f"**{card.get('title', view.dataset.name)}**: {len(view.rows):,} images of {view.rows['identity'].nunique():,} identities ({poses}); a face was found in {found:,}. "
        f"{card.get('description', '')}\n\nLicence: {card.get('licence', 'not stated')}. Source: {source or 'not stated'}. "
        f"Made by `{card.get('command', '')}` · fingerprint `{view.dataset.fingerprint[:12]}`"
    )


def refresh(view: DatasetView, *values) -> tuple:
    """Everything that follows from the facets: live counts, both figures, and the first page of thumbnails."""
    facets = Facets.of(*values)
    found = masks(view.rows, facets)
    row_ids = select(view.rows, facets)
    chosen = view.rows.loc[row_ids] if found else view.rows
    pose, detected, identity = (counts(view.rows, found, name) for name in ("pose", "detected", "identity"))
    summary = f'<p class="summary"><b>{len(row_ids):,}</b> of {len(view.rows):,} images, {chosen["identity"].nunique():,} identities</p>'
    grid, page, number = turn_page(view, 0, row_ids, 1)
    return (
        gr.update(
            choices=[
                (f"{POSE_LABELS.get(name, name)} ({pose[name]:,})", name) for name in [*POSES, UNKNOWN] if name in pose
            ]
        ),
        gr.update(choices=with_counts(detected)),
        gr.skip() if is_searched(view, "identity") else gr.update(choices=with_counts(identity)),
        yaw_histogram(chosen),
        identity_table(chosen),
        row_ids,
        summary,
        grid,
        page,
        number,
    )


def turn_page(view: DatasetView, step: int, row_ids: Sequence[str], number: int) -> tuple:
    """(thumbnails, 'page n of m', n) of another page of the chosen rows; pages count from 1."""
    last = max(1, -(-len(row_ids) // PAGE))
    number = min(max(int(number) + step, 1), last)
    grid = grid_html(view, row_ids[(number - 1) * PAGE : number * PAGE])
    return grid, f'<p class="page">page {number:,} of {last:,}</p>', number


def clear_facets() -> tuple:
    """The values of the components that choose everything."""
    return [], [], [], [], [], [], *YAW_LIMITS, 0.0


def pick_yaw(event: gr.SelectData) -> tuple[float, float]:
    """The yaw range of the clicked bar."""
    low, high = map(events.number, events.pair(events.detail(event, "value")))
    return max(low, YAW_LIMITS[0]), min(high, YAW_LIMITS[1])


def pick_identity(view: DatasetView, event: gr.SelectData) -> tuple:
    """The identity and pose of the clicked place of the table."""
    identity, pose = events.texts(events.detail(event, "value"), 2)
    if identity not in view.rows["identity"].cat.categories or pose not in view.rows["pose"].cat.categories:
        return gr.skip(), gr.skip()
    return [identity], [pose]


def selection_csv(view: DatasetView, row_ids: Sequence[str]) -> tuple[str, bytes]:
    """(file name, CSV) of all columns of the chosen rows; lists as JSON."""
    chosen = view.rows.loc[list(row_ids)].drop(columns="detected")
    for name in ("box_xyxy", "landmarks_xy"):
        chosen[name] = [
            None if value is None else json.dumps([round(float(v), 2) for v in value]) for value in chosen[name]
        ]
    return "selection.csv", chosen.to_csv(index=False).encode()


def random_sample(row_ids: Sequence[str]) -> Opened | dict:
    """Any of the chosen rows."""
    return opened(str(np.random.default_rng().choice(list(row_ids)))) if len(row_ids) else gr.skip()


def follow(view: DatasetView, event: gr.EventData) -> tuple:
    """(tab, pair, sample) of a click on a thumbnail or on 'compare'."""
    what, *row_ids = events.texts(events.detail(event, "index"), 2, 3)
    if not all(row_id in view for row_id in row_ids):
        raise gr.Error("This picture is not in the loaded dataset.", print_exception=False)
    if what == "pair" and len(row_ids) == 2:
        return goto(VERIFY), opened(tuple(row_ids)), gr.skip()
    return goto(EXPLORE), gr.skip(), opened(row_ids[0])


def take_sample(store: EmbeddingStore, sample: Opened | None, model: str) -> tuple:
    """(row_id, and what `show_sample` gives) of the sample that was opened, if the dataset has it."""
    if sample is None:
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    if sample.value not in store.view:
        return (
            gr.skip(),
            gr.skip(),
            notices_html([f"The dataset {store.view.dataset.name} has no sample {sample.value}."]),
            "",
        )
    return sample.value, *show_sample(store, sample.value, model)


def type_sample(view: DatasetView, row_id: str):
    """Open a row_id that was typed."""
    if row_id not in view:
        gr.Warning(f"The dataset {view.dataset.name} has no sample {row_id}.")
        return gr.skip()
    return opened(row_id)


def show_sample(store: EmbeddingStore, row_id: str | None, model: str) -> tuple:
    """(row_id, detail, neighbours) of a sample."""
    if row_id is None:
        return gr.skip(), gr.skip(), gr.skip()
    picture = store.view.picture(row_id)
    photo = picture.decode()
    crop = store.models[model].preprocess.crop(photo, picture.face)
    neighbours = store.neighbours(model, row_id)
    alike = NO_NEIGHBOURS if neighbours is None else neighbours_html(store.view, row_id, neighbours)
    return row_id, sample_html(store.view.rows.loc[row_id], photo, crop), alike


def pick_for_comparison(current: str | None, marked: str | None) -> tuple:
    """(marked, button, words, tab, pair): the first press remembers a sample, the second opens both in Verify."""
    if current is None:
        gr.Info("Click a thumbnail first.")
        return gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
    if marked is None or marked == current:
        words = f'<p class="quiet">Picked <code>{current}</code>. Open another sample and press the button again.</p>'
        return current, gr.update(value="Compare with the picked"), words, gr.skip(), gr.skip()
    return None, gr.update(value="Pick for comparison"), "", goto(VERIFY), opened((marked, current))
