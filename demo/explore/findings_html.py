"""Doubts about a dataset as HTML: the pictures, the evidence, and what can be decided with a click.

For demo.common.clickable; a click gives ["decide", finding, suggestion] or ["sample", row_id].
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from demo.common.dataset_view import DatasetView
from demo.common.pictures import data_uri
from demo.common.sample_html import pose_words
from sfpn.data.decisions import FIX_LABEL, LEAVE_OUT, OTHER_FACE, Decision
from sfpn.evaluation.checks.finding import Finding

PICTURES = 4  # of one finding
FACE_SIDE = 72  # px
FACE_MARGIN = 0.15  # of its box


def findings_html(view: DatasetView, findings: Sequence[tuple[int, Finding]], decided: Mapping[int, int]) -> str:
    """`findings` with their numbers; `decided`: the suggestion that was accepted, by the number of the finding."""
    if not findings:
        return '<p class="quiet">Nothing of this kind.</p>'
    return "".join(_finding(view, number, finding, decided.get(number)) for number, finding in findings)


def _finding(view: DatasetView, number: int, finding: Finding, chosen: int | None) -> str:
    pictures = "".join(_picture(view, row_id) for row_id in finding.row_ids[:PICTURES] if row_id in view)
    more = f"<small>and {len(finding.row_ids) - PICTURES:,} more</small>" if len(finding.row_ids) > PICTURES else ""
    buttons = "".join(
        _button(view, number, place, decision, place == chosen) for place, decision in enumerate(finding.suggestions)
    )
    state = " settled" if chosen is not None else ""
    return (
        f'<article class="finding{state}"><div class="grid">{pictures}</div>{more}'
        f'<p>{escape(finding.why)} <small title="comparable within a kind only">({finding.score:.2f})</small></p>'
        f'<div class="choices">{buttons}</div></article>'
    )


def _picture(view: DatasetView, row_id: str) -> str:
    row = view.rows.loc[row_id]
    target = escape(json.dumps(["sample", row_id]))
    return (
        f'<button type="button" data-select="{target}" title="{escape(row_id)}">'
        f'<img src="{view.address(row_id)}" loading="lazy" alt="{escape(row_id)}">'
        f"<span>{escape(str(row['identity']))}<br>{pose_words(row)}</span></button>"
    )


def _button(view: DatasetView, number: int, place: int, decision: Decision, chosen: bool) -> str:
    target = escape(json.dumps(["decide", str(number), str(place)]))
    pressed = "true" if chosen else "false"
    return (
        f'<button type="button" class="choice" aria-pressed="{pressed}" data-select="{target}">'
        f"{_face(view, decision)}{escape(decision_words(decision))}</button>"
    )


def _face(view: DatasetView, decision: Decision) -> str:
    """The face that a decision would take, cut out of the photo."""
    if decision.face_box is None or decision.row_id not in view:
        return ""
    photo = view.photo(decision.row_id)
    left, top, right, bottom = decision.face_box
    margin = FACE_MARGIN * max(right - left, bottom - top)
    low = [round(max(value - margin, 0)) for value in (left, top)]
    high = [round(min(value + margin, side)) for value, side in zip((right, bottom), photo.size, strict=True)]
    if low[0] >= high[0] or low[1] >= high[1]:
        return ""
    face = photo.crop((low[0], low[1], high[0], high[1]))
    return f'<img src="{data_uri(face, FACE_SIDE)}" alt="the other face">'


def decision_words(decision: Decision) -> str:
    """What a click accepts.

    >>> decision_words(Decision("same_person", identity="anne", new_identity="ann"))
    'Same person: anne is ann'
    """
    if decision.action == LEAVE_OUT:
        return f"Leave out {decision.row_id}"
    if decision.action == FIX_LABEL:
        news = [decision.new_identity and f"is {decision.new_identity}", decision.new_pose]
        return f"Fix the label: {decision.row_id} {', '.join(filter(None, news))}"
    if decision.action == OTHER_FACE:
        return f"Take this face of {decision.row_id}"
    return f"Same person: {decision.identity} is {decision.new_identity}"
