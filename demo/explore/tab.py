"""The Explore tab: filter a dataset by facets and clicks, page through its thumbnails, look at one sample closely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.dataset_view import UNKNOWN, DatasetView
from demo.common.download import download
from demo.common.facets import NAMES, PITCH_LIMITS, YAW_LIMITS, Facets, counts, masks, select
from demo.common.handlers import AT_ONCE, QUIET, SKIP, bound, opening, show_when_opened
from demo.common.links import EMBEDDINGS, Links, Opened, goto, opened
from demo.common.notices import in_markdown
from demo.common.own_sets import Sets
from demo.common.plotly_view import PlotlyView
from demo.common.sample_html import grid_html
from demo.common.samples import open_clicked, selection_csv
from demo.common.words import pose_label
from demo.explore import check as check_set
from demo.explore import sample
from demo.explore.figures import angle_histogram, identity_table
from demo.explore.name_facet import is_searched, name_facet, offer_names, search, with_counts
from sfpn.photos.detector import FaceDetector
from sfpn.schema import POSES

PAGE = 48  # thumbnails at once
RowIds = Sequence[str] | np.ndarray
NO_DATASET = "No dataset is loaded. Start with `python app.py --dataset DIR`; `python -m data_tools build` makes one."


class Controls(NamedTuple):
    """The facets' components in the order of the fields of Facets, or their values."""

    pose: Any
    identity: Any
    template: Any
    source: Any
    split: Any
    detected: Any
    yaw_low: Any
    yaw_high: Any
    pitch_low: Any
    pitch_high: Any
    quality: Any


class Filtered(NamedTuple):
    """What follows from the facets: the components, or their values. `row_ids` is the state of the chosen rows."""

    pose: Any
    detected: Any
    identity: Any
    yaw: Any
    pitch: Any
    people: Any
    row_ids: Any
    summary: Any
    grid: Any
    page: Any
    number: Any


FIGURES = ("yaw", "pitch", "people")  # of Filtered


def build(sets: Sets, detector: FaceDetector, links: Links, tab: gr.Tab) -> None:
    """Lay out and wire the tab."""
    if sets.bundled is None:
        gr.Markdown(NO_DATASET)
        return
    view = sets.bundled.view
    card = gr.Markdown(card_words(view), elem_id="data-card", elem_classes="quiet")
    check_set.build(sets, sets.bundled, detector, links)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=260):
            controls = _build_controls(view)
            with gr.Row():
                clear = gr.Button("Clear filters", size="sm", elem_id="clear", min_width=110)
                chance = gr.Button("Random sample", size="sm", elem_id="random", min_width=110)
                export = gr.Button("Export CSV", size="sm", elem_id="export", min_width=110)
                on_map = gr.Button("Show on the map", size="sm", elem_id="to-map", min_width=110)
        with gr.Column(scale=5, min_width=310):
            yaw, pitch, people, pitch_part = _build_figures(view)
            number, shown = gr.Number(1, visible=False), gr.State(())
            summary = gr.HTML(elem_id="summary")
            grid = Clickable(elem_id="grid")
            back, page, ahead = _build_pages()
    filtered = Filtered(
        controls.pose, controls.detected, controls.identity, yaw, pitch, people, shown, summary, grid, page, number
    )
    shown_rows: tuple = (bound(show_filtered, sets.view), list(controls), list(filtered))
    show_when_opened(opening(tab), *shown_rows)
    links.dataset.change(bound(offer, sets.view), None, [card, pitch_part, *controls], **QUIET).then(
        *shown_rows, **QUIET
    )
    for name in NAMES[1:]:
        if sets.rules or is_searched(view, name):
            facet = getattr(controls, name)
            facet.key_up(bound(search, sets.view, name), list(controls), facet, **AT_ONCE)
    clear.click(clear_facets, None, list(controls), **QUIET)
    yaw.select(pick_angle, None, [controls.yaw_low, controls.yaw_high], **QUIET)
    pitch.select(pick_angle, None, [controls.pitch_low, controls.pitch_high], **QUIET)
    people.select(bound(pick_identity, sets.view), None, [controls.identity, controls.pose], **QUIET)
    for button, step in ((back, -1), (ahead, 1)):
        button.click(bound(turn_page, sets.view, step), [shown, number], [grid, page, number], **QUIET)
    download(export, bound(selection_csv, sets.view), shown)
    on_map.click(
        lambda row_ids: (goto(EMBEDDINGS), opened(tuple(row_ids))), shown, [links.tabs, links.selection], **QUIET
    )
    chance.click(random_sample, shown, [links.sample], **QUIET)
    grid.select(bound(open_clicked, sets.view), None, [links.tabs, links.pair, links.sample], **QUIET)
    sample.build(sets, links)


def _build_controls(view: DatasetView) -> Controls:
    return Controls(
        pose=gr.CheckboxGroup([], label="Pose", elem_id="facet-pose"),
        identity=name_facet(view, "identity", "Identity"),
        template=name_facet(view, "template", "Template (images averaged into one)"),
        source=name_facet(view, "source", "Source"),
        split=name_facet(view, "split", "Split"),
        detected=gr.CheckboxGroup([], label="Face", elem_id="facet-detected"),
        yaw_low=_angle_slider("yaw", "from", YAW_LIMITS),
        yaw_high=_angle_slider("yaw", "to", YAW_LIMITS),
        pitch_low=_angle_slider("pitch", "from", PITCH_LIMITS, view.has_pitch),
        pitch_high=_angle_slider("pitch", "to", PITCH_LIMITS, view.has_pitch),
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


def _build_figures(view: DatasetView) -> tuple[PlotlyView, PlotlyView, PlotlyView, gr.Column]:
    """(yaw, pitch, people, the column of the pitch, which not every dataset has)"""
    with gr.Row(equal_height=False):
        with gr.Column(min_width=230):
            yaw = PlotlyView(height=210, elem_id="yaw-histogram")
        with gr.Column(min_width=230, visible=view.has_pitch) as pitch_part:
            pitch = PlotlyView(height=210, elem_id="pitch-histogram")
        with gr.Column(min_width=230):
            people = PlotlyView(height=210, elem_id="identity-table")
    return yaw, pitch, people, pitch_part


def _build_pages() -> tuple[gr.Button, gr.HTML, gr.Button]:
    with gr.Row(equal_height=True):
        back = gr.Button("← Previous", size="sm", elem_id="previous", min_width=90)
        page = gr.HTML(elem_id="page", padding=False, min_width=100)
        ahead = gr.Button("Next →", size="sm", elem_id="next", min_width=90)
    return back, page, ahead


def _angle_slider(angle: str, end: str, limits: tuple[float, float], visible: bool = True) -> gr.Slider:
    """One end, 'from' or 'to', of a range of angles; all angles at first."""
    low = end == "from"
    return gr.Slider(
        *limits,
        value=limits[0 if low else 1],
        step=1,
        label=f"{angle.capitalize()} {end} (degrees)",
        elem_id=f"facet-{angle}-{'low' if low else 'high'}",
        visible=visible,
    )


def card_words(view: DatasetView) -> str:
    """The data card in two lines of Markdown."""
    card = view.dataset.card
    poses = ", ".join(
        f"{count:,} {in_markdown(pose_label(pose))}" for pose, count in card.get("rows_per_pose", {}).items() if count
    )
    source = " · ".join(in_markdown(card[name]) for name in ("citation", "url") if card.get(name))
    found = card.get("rows_with_face", int(np.count_nonzero(view.rows["detected"])))
    return (
        f"**{in_markdown(card.get('title', view.dataset.name))}**: {len(view.rows):,} images of "
        f"{view.rows['identity'].nunique():,} identities ({poses}); a face was found in {found:,}. "
        f"{in_markdown(card.get('description', ''))}\n\n"
        f"Licence: {in_markdown(card.get('licence', 'not stated'))}. Source: {source or 'not stated'}. "
        f"Made by <code>{in_markdown(card.get('command', ''))}</code> · "
        f"fingerprint <code>{in_markdown(view.dataset.fingerprint[:12])}</code>"
    )


def offer(view: DatasetView) -> tuple:
    """(card, pitch, ...Controls): what another dataset changes before anything is chosen from it."""
    names = {name: offer_names(view, name) for name in NAMES[1:]}
    quality = gr.update(value=0.0, visible=bool(view.rows["quality"].notna().any()))
    low, high = (gr.update(value=end, visible=view.has_pitch) for end in PITCH_LIMITS)
    facets = clear_facets()._replace(**names, quality=quality, pitch_low=low, pitch_high=high)
    return card_words(view), gr.update(visible=view.has_pitch), *facets


def show_filtered(view: DatasetView, *values: Any) -> Filtered:
    """As `refresh`, computed once for all visitors who filter in the same way."""

    def make() -> Filtered:
        made = refresh(view, *values)
        made.row_ids.setflags(write=False)
        return made._replace(**{name: getattr(made, name).to_json() for name in FIGURES})

    kept = view.answered(f"filtered by {values}", make)
    return Filtered(*({**value} if isinstance(value, dict) else value for value in kept))  # Gradio changes updates


def refresh(view: DatasetView, *values) -> Filtered:
    """Everything that follows from the facets: live counts, both figures, and the first page of thumbnails."""
    found = masks(view.rows, Facets.of(*values))
    row_ids = select(view.rows, found)
    chosen = view.rows.loc[row_ids] if found else view.rows
    pose, detected, identity = (counts(view.rows, found, name) for name in ("pose", "detected", "identity"))
    poses = [(f"{pose_label(name)} ({pose[name]:,})", name) for name in [*POSES, UNKNOWN] if name in pose]
    grid, page, number = turn_page(view, 0, row_ids, 1)
    return Filtered(
        pose=gr.update(choices=poses),
        detected=gr.update(choices=with_counts(detected)),
        identity=SKIP if is_searched(view, "identity") else gr.update(choices=with_counts(identity)),
        yaw=angle_histogram(chosen, "yaw"),
        pitch=angle_histogram(chosen, "pitch"),
        people=identity_table(chosen),
        row_ids=row_ids,
        summary=f'<p class="summary"><b>{len(row_ids):,}</b> of {len(view.rows):,} images, '
        f"{chosen['identity'].nunique():,} identities</p>",
        grid=grid,
        page=page,
        number=number,
    )


def turn_page(view: DatasetView, step: int, row_ids: RowIds, number: int) -> tuple:
    """(thumbnails, 'page n of m', n) of another page of the chosen rows; pages count from 1."""
    last = max(1, -(-len(row_ids) // PAGE))
    number = min(max(int(number) + step, 1), last)
    grid = grid_html(view, row_ids[(number - 1) * PAGE : number * PAGE])
    return grid, f'<p class="page">page {number:,} of {last:,}</p>', number


def clear_facets() -> Controls:
    """The values of the components that choose everything."""
    return Controls([], [], [], [], [], [], *YAW_LIMITS, *PITCH_LIMITS, 0.0)


def pick_angle(event: gr.SelectData) -> tuple[float, float]:
    """The range of yaw or pitch of the clicked bar."""
    low, high = map(events.number, events.pair(events.detail(event, "value")))
    return max(low, YAW_LIMITS[0]), min(high, YAW_LIMITS[1])


def pick_identity(view: DatasetView, event: gr.SelectData) -> tuple:
    """The identity and pose of the clicked place of the table."""
    identity, pose = events.texts(events.detail(event, "value"), 2)
    if identity not in view.rows["identity"].cat.categories or pose not in view.rows["pose"].cat.categories:
        return gr.skip(), gr.skip()
    return [identity], [pose]


def random_sample(row_ids: RowIds) -> Opened | dict:
    """Any of the chosen rows."""
    return opened(str(np.random.default_rng().choice(list(row_ids)))) if len(row_ids) else gr.skip()
