"""Who fails, inside the Pose errors tab: the people who carry the errors of a cell, their pairs, and the pose leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from json import dumps
from typing import Any, NamedTuple

import gradio as gr
import pandas as pd

from demo.common import events
from demo.common.clickable import Clickable
from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from demo.common.handlers import QUIET, SKIP, bound, show_when_opened
from demo.common.links import Links
from demo.common.notices import in_markdown
from demo.common.own_sets import Sets
from demo.common.words import percent, pose_label
from demo.pose_errors import pair_list
from demo.pose_errors.hardest import KINDS
from demo.pose_errors.pairs_html import pairs_html
from demo.pose_errors.provenance import is_own
from sfpn.evaluation.cells import Cell
from sfpn.evaluation.pose_leak import ALL, PoseLeak
from sfpn.evaluation.report import Report
from sfpn.evaluation.who_fails import PersonErrors
from sfpn.reporting.reading import ERRORS, NO_PEOPLE, read_leak, read_people
from sfpn.reporting.views import View, cell_of
from sfpn.schema import POSES

TITLES = {"genuine": "Hard to match with themselves (goats)", "impostor": "Easily taken for others (lambs, wolves)"}
DIRECTIONS = {"none": "this model", "removed": "this model", "kept": "direction kept"}
CLICK = "Click a person to see their pairs."


class People(NamedTuple):
    """The components of the section, or their values."""

    genuine_reading: Any
    genuine: Any
    impostor_reading: Any
    impostor: Any
    title: Any
    pairs: Any


def build(sets: Sets, cell: list, links: Links, opened: Callable[..., Any]) -> None:
    """Lay out and wire; `cell` holds the components of report, pose pair and template size; `opened` is of the tab."""
    gr.HTML('<h3 class="section-title">Who fails <small>at the threshold of the EER</small></h3>')
    with gr.Row(equal_height=False):
        genuine_reading, genuine = _column("genuine")
        impostor_reading, impostor = _column("impostor")
    title = gr.Markdown(elem_id="person-title")
    pairs = pair_list.build(sets, cell[0], cell[2], links, "person-pairs")
    shown = People(genuine_reading, genuine, impostor_reading, impostor, title, pairs)
    named, store = sets.reports, sets.store if sets.bundled else None
    show_when_opened(opened, bound(show_people, named), cell, list(shown))
    for people in (shown.genuine, shown.impostor):
        people.select(bound(pick_person, named, store), cell, [title, pairs], **QUIET)
    gr.HTML('<h3 class="section-title">Pose leak <small>is a stranger near because of the pose?</small></h3>')
    with gr.Row(equal_height=False):
        with gr.Column(min_width=310):
            reading = gr.Markdown(elem_id="leak-reading")
        with gr.Column(min_width=310):
            meter = gr.HTML(elem_id="leak", padding=False)
    show_when_opened(opened, bound(show_leak, named), cell[:1], [reading, meter])


def show_leak(named: Mapping[str, Report], name: str) -> tuple[str, str]:
    """(reading, meter) of a report."""
    return read_leak(named[name]), leak_html(named[name].pose_leak)


def show_people(named: Mapping[str, Report], name: str, key: str, size: int | str) -> People:
    """The people who carry the errors of a cell."""
    cell = cell_of(named[name], key, View(template_size=size))
    if cell is None or cell.who_fails is None:
        return People(NO_PEOPLE, "", "", "", "", "")
    readings, tables = ([make(cell, kind) for kind in KINDS] for make in (read_people, people_html))
    return People(readings[0], tables[0], readings[1], tables[1], CLICK, "")


def _column(kind: str) -> tuple[gr.Markdown, Clickable]:
    with gr.Column(min_width=310):
        return gr.Markdown(elem_id=f"people-{kind}-reading"), Clickable(elem_id=f"people-{kind}")


def pick_person(
    named: Mapping[str, Report],
    store: EmbeddingStore | None,
    name: str,
    key: str,
    size: int | str,
    event: gr.EventData,
) -> tuple:
    """(title, pairs) of the clicked person: the worst pairs that the report keeps."""
    kind, identity = events.texts(events.detail(event, "index"), 2)
    cell = cell_of(named[name], key, View(template_size=size))
    if cell is None or kind not in KINDS:
        return SKIP, SKIP
    pairs = cell.pairs_of(identity, kind)
    if pairs.empty:
        return SKIP, SKIP
    order = "lowest scores with themselves" if kind == "genuine" else "highest scores with others"
    title = f"**{in_markdown(identity)}**: {order}"
    view: DatasetView | None = store.view if store and is_own(named[name], store) else None
    return title, pairs_html(view, pairs)


def people_html(cell: Cell, kind: str) -> str:
    """The worst people of a cell as rows that can be clicked."""
    if cell.who_fails is None or not cell.who_fails.of(kind).worst:
        return ""
    people = cell.who_fails.of(kind).worst
    rates = [max(person.errors, person.expected) / person.comparisons for person in people]
    rows = "".join(_person(kind, person, max(rates)) for person in people)
    return (
        f'<table class="people {kind}"><caption>{TITLES[kind]}</caption><thead><tr><th>Person</th>'
        f"<th>{ERRORS[kind].capitalize()}es</th><th>by chance</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _person(kind: str, person: PersonErrors, widest: float) -> str:
    target = escape(dumps([kind, person.identity]))
    share, expected = (100 * n / person.comparisons / widest for n in (person.errors, person.expected))
    note = "more errors than in 95 % of the shuffles" if person.stands_out else "not beyond chance"
    return (
        f'<tr class="{"out" if person.stands_out else ""}" title="{note}"><td><button type="button" '
        f'data-select="{target}">{escape(person.identity)}</button></td>'
        f"<td>{person.errors:,} <small>of {person.comparisons:,}</small></td><td>{person.expected:,.1f}</td>"
        f'<td class="bar"><i style="width: {share:.1f}%"></i><s style="left: {expected:.1f}%"></s></td></tr>'
    )


def leak_html(leaks: tuple[PoseLeak, ...]) -> str:
    """A line per pose and direction: the share of the nearest strangers that have the pose, and the share by chance."""
    if not leaks:
        return ""
    head = "".join(f"<th>{DIRECTIONS[leak.direction]}</th>" for leak in leaks)
    body = "".join(
        f"<tr><th>{escape(pose_label(pose))}</th>{''.join(f'<td>{_leak(leak, pose)}</td>' for leak in leaks)}"
        f"<td>{percent(leaks[0].shares[pose].chance, 1)}</td></tr>"
        for pose in (*POSES, ALL)
        if pose in leaks[0].shares
    )
    return (
        f'<table class="leak"><caption>Nearest {leaks[0].neighbours} strangers of the same pose, '
        f"{leaks[0].images:,} images of {leaks[0].subjects:,} people</caption><thead><tr><th>pose</th>{head}"
        f"<th>by chance</th></tr></thead><tbody>{body}</tbody></table>"
    )


def _leak(leak: PoseLeak, pose: str) -> str:
    share = leak.shares.get(pose)
    if share is None or pd.isna(share.same_pose):
        return "–"
    return f"<b>{percent(share.same_pose, 1)}</b> <small>[{100 * share.low:.1f}, {100 * share.high:.1f}]</small>"
