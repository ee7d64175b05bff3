"""One HTML file of a report, or of two on the same pairs: everything inside, nothing asked for from outside.

Sober and dense, after the report cards of NIST's face recognition evaluations; prints on A4.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from sfpn.evaluation.report import Report
from sfpn.reporting import sections, tables
from sfpn.reporting.sections import Pictures
from sfpn.reporting.views import View, value_of
from sfpn.reporting.words import interval, label_of, percent, title_of

LARGEST = 5_000_000  # bytes
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # a browser asks nobody, whatever is in a name
STYLE = Path(__file__).with_name("page.css")
TERMS = (
    "FMR: share of impostor comparisons (two persons) that are accepted. FNMR: share of genuine comparisons (one "
    "person) that are rejected. EER: where both are equal. A score is a cosine; a pair is accepted from the threshold "
    "on. Intervals are 95 %, by a bootstrap over subjects. F frontal, 3/4 three-quarter, P profile. A rate belongs to "
    "these people, cameras and labels; it is no promise for others."
)


def html(reports: Sequence[Report], command: str, pictures: Pictures | None = None) -> str:
    """The file as text; `command` is what makes it from the reports. One or two reports."""
    body = [
        _header(reports),
        sections.reading(reports),
        sections.matrices(reports),
        sections.curves(reports),
        sections.by_pose(reports),
        sections.failures(reports),
        sections.compared(reports),
        sections.who_fails(reports),
        sections.hardest(reports, pictures),
        provenance(reports, command),
    ]
    title = escape(" and ".join(title_of(report) for report in reports))
    style = STYLE.read_text(encoding="utf-8")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _header(reports: Sequence[Report]) -> str:
    first = reports[0].header
    names = " and ".join(tables.names_of(reports))
    folds = f", folds {', '.join(map(str, first['folds']))}" if first["folds"] else ""
    about = (
        f"{first['dataset']}{folds} · protocol {first['protocol']} · {first['images']:,} images of "
        f"{first['subjects']:,} subjects · {' · '.join(dict.fromkeys(r.header['date'][:10] for r in reports))}"
    )
    return (
        f'<header><p class="kind">Face verification across poses · report card</p><h1>{escape(names)}</h1>'
        f'<p>{escape(about)}</p><div class="headline">{_headline(reports)}</div></header>'
    )


def _headline(reports: Sequence[Report]) -> str:
    """The EER of every pose pair of single images, model by model."""
    tiles = []
    for report, name in zip(reports, tables.names_of(reports), strict=True):
        for cell in tables.single_cells(report):
            value = value_of(cell, View())
            whose = f" · {name}" if len(reports) > 1 else ""
            tiles.append(
                f"<div><small>EER {escape(label_of(cell.pose_pair or '') + whose)}</small><b>{percent(value.rate)}</b>"
                f"<small>{interval(value.low, value.high)}</small></div>"
            )
    return "".join(tiles)


def provenance(reports: Sequence[Report], command: str) -> str:
    """Where every number comes from, and how to make it again."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for name, values in facts(reports)
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in tables.names_of(reports))
    again = "".join(f"<p><code>{escape(line)}</code></p>" for line in commands(reports, command))
    return sections.section(
        "Provenance",
        f'<table class="facts words"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>',
        "<h3>Made again by</h3>",
        again,
        f'<p class="note">{escape(TERMS)}</p>',
    )


def facts(reports: Sequence[Report]) -> list[tuple[str, list[str]]]:
    """Name and one value per report."""
    headers = [report.header for report in reports]
    kept = ("date", "protocol", "dataset", "dataset_fingerprint", "weights_sha256", "rows_sha256", "rounds", "seed")
    found = [(name.replace("_", " "), [str(header[name]) for header in headers]) for name in kept]
    reasons = dict.fromkeys(reason for header in headers for reason in header["left_out"])
    return found + [
        (f"left out: {reason}", [f"{header['left_out'].get(reason, 0):,}" for header in headers]) for reason in reasons
    ]


def commands(reports: Sequence[Report], command: str) -> list[str]:
    """What makes the reports and then the file."""
    made = [
        report.header["command"] or f"(made in the app: protocol {report.header['protocol']})" for report in reports
    ]
    return [*made, command]
