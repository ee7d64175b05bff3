"""A report as Markdown, for the card of a model: `model-index` on top, then the tables and the reading."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sfpn.evaluation.cells import metric_name
from sfpn.evaluation.report import Report
from sfpn.reporting import tables
from sfpn.reporting.page import TERMS, commands, facts
from sfpn.reporting.reading import read_differences, read_leak, read_matrix, read_people
from sfpn.reporting.sections import differences_of
from sfpn.reporting.tables import KINDS, Table
from sfpn.reporting.views import View
from sfpn.reporting.words import in_markdown, pair_names

TASK = "image-feature-extraction"  # the Hub's task for embeddings


def markdown(reports: Sequence[Report], command: str) -> str:
    """The file as text; data in it is escaped."""
    names = " and ".join(map(in_markdown, tables.names_of(reports)))
    parts = [f"---\n{model_index(reports)}---\n", f"# {names} across poses\n"]
    parts += [f"{read_matrix(report, View())}\n" for report in reports]
    parts += ["## Error rates\n", table(tables.rates(reports)), "## Failures to acquire\n"]
    parts += [table(tables.acquisition(reports)), table(tables.treatments(reports))]
    if len(reports) > 1:
        found = differences_of(reports)
        words = found if isinstance(found, str) else read_differences(found["EER"], *tables.names_of(reports))
        parts += ["## The two models, paired\n", f"{words}\n"]
        parts += [] if isinstance(found, str) else [table(tables.paired(reports, found))]
    for report, name in zip(reports, tables.names_of(reports), strict=True):
        parts += _people(report, name)
    parts.append("## Provenance\n")
    parts.append(table(Table(["", *tables.names_of(reports)], [[name, *values] for name, values in facts(reports)])))
    parts += ["```", *(line.replace("```", "") for line in commands(reports, command)), "```\n", TERMS]
    return "\n".join(part for part in parts if part) + "\n"


def _people(report: Report, name: str) -> list[str]:
    found = tables.people(report)
    parts = [f"## Who fails: {in_markdown(name)}\n"] if found.rows or report.pose_leak else []
    for cell in tables.single_cells(report):
        if cell.who_fails:
            parts += [f"* {pair_names(cell.pose_pair or '')}: {read_people(cell, kind)}" for kind in KINDS]
    parts += ["", table(found)]
    if report.pose_leak:
        parts += [f"{read_leak(report)}\n", table(tables.leak(report))]
    return parts


def table(of: Table) -> str:
    """A table with its caption below."""
    if not of.rows:
        return ""
    rows = [of.head, ["---", *(["---"] if of.wordy else ["---:"]) * (len(of.head) - 1)], *of.rows]
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *([in_markdown(of.caption), ""] if of.caption else [])])


def _cell(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch("-+:?", value) else in_markdown(value)


def model_index(reports: Sequence[Report]) -> str:
    """`model-index` as the Hub reads it from a card, one entry per model: EER and FNMR per pose pair, in per cent."""
    import yaml
    from huggingface_hub.repocard_data import eval_results_to_model_index

    entries = []
    for report, name in zip(reports, tables.names_of(reports), strict=True):
        entries += eval_results_to_model_index(name, results_of(report))
    return yaml.safe_dump({"model-index": entries}, sort_keys=False, allow_unicode=True)


def results_of(report: Report) -> list:
    """The rates of single images, as the Hub's records."""
    from huggingface_hub import EvalResult

    header, found = report.header, []
    for cell in tables.single_cells(report):
        rates = cell.rates()
        metrics = {"EER": ("eer", rates.eer)} | {
            f"FNMR at FMR {100 * point.target_fmr:g} %": (metric_name(point.target_fmr), point.fnmr)
            for point in rates.operating_points
            if point.supported
        }
        for title, (kind, rate) in metrics.items():
            if rate is not None:
                found.append(
                    EvalResult(
                        task_type=TASK,
                        task_name=f"Face verification, {pair_names(cell.pose_pair or '')}",
                        dataset_type=re.sub(r"[^\w.-]+", "-", header["dataset"]) or "dataset",
                        dataset_name=header["dataset"],
                        dataset_config=f"{cell.pose_pair}",
                        dataset_args={"protocol": header["protocol"], "folds": header["folds"]},
                        dataset_revision=header["dataset_fingerprint"],
                        metric_type=kind,
                        metric_name=f"{title} (%)",
                        metric_value=round(100 * rate, 4),
                    )
                )
    return found
