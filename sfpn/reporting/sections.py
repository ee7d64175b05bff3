"""The sections of a report file as HTML: figures, tables and sentences, in the order in which they are read.

What comes from a report is escaped; readings are Markdown whose data is escaped already, with only ** as markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

from sfpn.errors import UserError
from sfpn.evaluation.cells import Cell
from sfpn.evaluation.difference import Difference
from sfpn.evaluation.report import Report
from sfpn.reporting import figures, map_figure, svg, tables
from sfpn.reporting.reading import read_differences, read_leak, read_matrix, read_people
from sfpn.reporting.tables import KINDS, Table
from sfpn.reporting.views import METRICS, View, cell_of, difference_table, size_words, table_of
from sfpn.reporting.words import in_markdown, label_of, pair_names
from sfpn.schema import POSE_PAIRS, pair_key

PAIRS_SHOWN = 5  # of each kind and cell
Pictures = Callable[[Report, str], str]  # (report, row_id) -> an <img>, or '' where there is none


def sentence(markdown: str) -> str:
    """A reading as HTML."""
    return "<p>" + re.sub(r"[*]{2}(.+?)[*]{2}", r"<b>\1</b>", markdown) + "</p>"


def table(of: Table) -> str:
    """A table of texts, which are escaped; '' without rows."""
    if not of.rows:
        return ""
    top = "".join(f"<th>{escape(str(cell))}</th>" for cell in of.head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in of.rows)
    said = f"<caption>{escape(of.caption)}</caption>" if of.caption else ""
    kind = "wide words" if of.wordy else "wide"
    return f'<div class="{kind}"><table>{said}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def section(title: str, *parts: str) -> str:
    """A titled section; '' where it has nothing to say."""
    inside = "".join(parts)
    return f"<section><h2>{escape(title)}</h2>{inside}</section>" if inside else ""


def row_of(drawings: Iterable[str]) -> str:
    """Figures side by side, as many as fit."""
    inside = "".join(f'<div class="figure">{drawing}</div>' for drawing in drawings if drawing)
    return f'<div class="figures">{inside}</div>' if inside else ""


def legend(reports: Sequence[Report]) -> str:
    """Which curve is whose, where there are two."""
    if len(reports) < 2:
        return ""
    keys = [
        f'<span><svg width="26" height="8" viewBox="0 0 26 8"><path d="M0 4L26 4" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"/></svg> {escape(name)}</span>'
        for name, (colour, dashes) in zip(tables.names_of(reports), svg.MODELS, strict=False)
    ]
    return f'<p class="legend">{" ".join(keys)}</p>'


def reading(reports: Sequence[Report]) -> str:
    """What the matrices say."""
    return section("In words", *(sentence(read_matrix(report, View())) for report in reports))


def matrices(reports: Sequence[Report]) -> str:
    """The pose matrix of every model and number of images a side, and all rates as a table."""
    drawn = [
        figures.matrix(table_of(report, View(template_size=size)), f"{name} · EER · {_images(size)}")
        for report, name in zip(reports, tables.names_of(reports), strict=True)
        for size in report.template_sizes()
        if isinstance(size, int) and not table_of(report, View(template_size=size)).empty
    ]
    note = (
        '<p class="note">Under each rate its 95 % interval (bootstrap over subjects) and the genuine / impostor '
        "comparisons. Faces that were not found are embedded from the whole image.</p>"
    )
    return section("Error rate by pose pair", row_of(drawn), note, table(tables.rates(reports)))


def _images(size: int | str) -> str:
    return "one image a side" if size == 1 else f"{size_words(size)} a side"


def curves(reports: Sequence[Report]) -> str:
    """DET curves and scores per pose pair, of one image a side (else of the fewest)."""
    size = min((s for s in reports[0].template_sizes() if isinstance(s, int)), default=1)
    keys = [pair_key(pair) for pair in POSE_PAIRS if any(pair in report.pose_pairs() for report in reports)]
    found = {key: [cell_of(report, key, View(template_size=size)) for report in reports] for key in keys}
    drawn = [figures.det(cells, label_of(key)) for key, cells in found.items() if any(cells)]
    histograms = [
        figures.scores(cell, label_of(key) if len(reports) == 1 else f"{label_of(key)} · {name}")
        for key, cells in found.items()
        for cell, name in zip(cells, tables.names_of(reports), strict=True)
        if cell is not None and not cell.tables["histogram"].empty
    ]
    note = (
        '<p class="note">Both rates at every threshold, on normal deviates; the diagonal is the EER. Below: genuine '
        "(blue) and impostor (orange) scores, each scaled to its share; dashed: the threshold of the EER.</p>"
    )
    return section("DET curves and scores", legend(reports), row_of(drawn), note, row_of(histograms))


def by_pose(reports: Sequence[Report]) -> str:
    """Error against the difference of yaw, and over yaw and pitch."""
    named = dict(zip(tables.names_of(reports), (report.yaw_cells() for report in reports), strict=True))
    maps = [
        map_figure.pose_map(report.pose_map, rate, f"{name}: {rate.upper()} %, one threshold for all")
        for report, name in zip(reports, named, strict=True)
        if report.pose_map is not None
        for rate in ("fnmr", "fmr")
    ]
    note = (
        '<p class="note">Each image of that yaw and pitch is compared with every near frontal, level one, at the '
        "threshold of the EER of all these comparisons. Grey: too few comparisons, with the number of images.</p>"
    )
    yaws = figures.by_yaw({name: cells for name, cells in named.items() if cells})
    parts = [legend(reports) if yaws else "", row_of([yaws]), row_of(maps), note if maps else ""]
    return section("Error by yaw and pitch", *parts)


def failures(reports: Sequence[Report]) -> str:
    """Faces that were not found, and what each way to treat them gives."""
    return section("Failures to acquire", table(tables.acquisition(reports)), table(tables.treatments(reports)))


def differences_of(reports: Sequence[Report]) -> dict[str, list[Difference]] | str:
    """The paired differences of two models per metric, of cells over all folds; or in Markdown why there are none."""
    try:
        found = {title: reports[0].compare(reports[1], metric) for title, metric in METRICS.items()}
    except UserError as error:
        return f"There is no paired difference: {in_markdown(error)}."
    pairs = {pair_key(pair) for pair in reports[0].pose_pairs()}
    return {title: [d for d in of if d.pose_pair in pairs and d.fold is None] for title, of in found.items()}


def compared(reports: Sequence[Report]) -> str:
    """Paired differences of two models, for every metric that all of it supports."""
    if len(reports) < 2:
        return ""
    first, second = tables.names_of(reports)
    kept = differences_of(reports)
    if isinstance(kept, str):
        return section("The two models", sentence(kept))
    single = [difference for difference in kept["EER"] if difference.template_size == 1]
    drawn = figures.differences(difference_table(single), first, second)
    words = sentence(read_differences(single, first, second)) if single else ""
    return section("The two models, paired", words, row_of([drawn]), table(tables.paired(reports, kept)))


def who_fails(reports: Sequence[Report]) -> str:
    """The people who carry the errors, and the pose leak."""
    parts = []
    for report, name in zip(reports, tables.names_of(reports), strict=True):
        cells = [cell for cell in tables.single_cells(report) if cell.who_fails is not None]
        drawn = map_figure.concentration(cells)
        if drawn:
            parts += [f"<h3>{escape(name)}</h3>" if len(reports) > 1 else "", row_of([drawn])]
            parts += [_people_in_words(cells), table(tables.people(report))]
        if report.pose_leak:
            parts += [sentence(read_leak(report)), table(tables.leak(report))]
    note = (
        '<p class="note">Dot: the share of the errors on the ten worst people, at the threshold of the EER. Bar: where '
        "95 % of shuffles of the images among people lie; a dot to its right means people, not pictures.</p>"
    )
    return section("Who fails", *parts, note if any("<svg" in part for part in parts) else "")


def _people_in_words(cells: Sequence[Cell]) -> str:
    """The worst pose pair; the others stand in the table."""
    worst = max(cells, key=lambda cell: cell.rates().eer or 0)
    return "".join(sentence(f"{pair_names(worst.pose_pair or '')}: {read_people(worst, kind)}") for kind in KINDS)


def hardest(reports: Sequence[Report], pictures: Pictures | None) -> str:
    """The hardest pairs of every pose pair, by row_id, or as pictures."""
    parts = []
    for report, name in zip(reports, tables.names_of(reports), strict=True):
        for cell in tables.single_cells(report):
            title = label_of(cell.pose_pair or "") + (f" · {name}" if len(reports) > 1 else "")
            kinds = "".join(_pairs(report, cell, kind, pictures) for kind in KINDS)
            parts.append(f'<div class="cell"><h3>{escape(title)}</h3><div class="two">{kinds}</div></div>')
    return section("Hardest pairs", *parts)


def _pairs(report: Report, cell: Cell, kind: str, pictures: Pictures | None) -> str:
    what = "one person, lowest scores" if kind == "genuine" else "two persons, highest scores"
    lines = []
    for pair in cell.hardest(kind).head(PAIRS_SHOWN).to_dict("records"):
        ids = (pair["row_id_a"], pair["row_id_b"])
        shown = "".join(pictures(report, row_id) for row_id in ids) if pictures else ""
        lost = "" if pair["acquired"] else " · no face found"
        names = " · ".join(f"<code>{escape(row_id)}</code>" for row_id in ids)
        lines.append(f"<li>{shown}<b>{pair['score']:.3f}</b> <small>{names}{lost}</small></li>")
    return f'<div><p class="kind">{what}</p><ol>{"".join(lines)}</ol></div>'
