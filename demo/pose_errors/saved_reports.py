"""Reports on disk: one computed in the app is kept in the folder `reports` of its dataset, and saved as ZIP or HTML."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from sfpn.evaluation.report import REPORT_FILE, Report
from sfpn.reporting.page import html

FOLDER = "reports"  # inside the dataset folder


def saved_reports(dataset: Path) -> list[Path]:
    """The report folders that lie in a dataset folder."""
    return sorted(
        file.parent for file in (dataset / FOLDER).glob(f"*/{REPORT_FILE}") if file.parent.suffix != ".building"
    )


def save_report(report: Report, dataset: Path) -> Path:
    """Keep a report in its dataset's folder and return where; one of the same weights and protocol is replaced.

    Raises UserError if it cannot be written.
    """
    folder = dataset / FOLDER / folder_name(report)
    report.save(folder)
    return folder


def folder_name(report: Report) -> str:
    """model-dataset-protocol-weights, with letters that every file system takes."""
    header = report.header
    parts = (header["model"], header["dataset"], header["protocol"], header["weights_sha256"][:8])
    return re.sub(r"[^\w.-]+", "_", "-".join(parts))


def zipped(report: Report) -> tuple[str, bytes]:
    """(file name, content) of a ZIP whose one folder opens with --report."""
    name, buffer = folder_name(report), io.BytesIO()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        report.save(Path(place) / name)
        for file in sorted((Path(place) / name).iterdir()):
            archive.write(file, f"{name}/{file.name}")
    return f"{name}.zip", buffer.getvalue()


def as_page(reports: Sequence[Report]) -> tuple[str, bytes]:
    """(file name, content) of one self-contained HTML file about one report, or two."""
    names = [folder_name(report) for report in reports]
    name = f"{'--'.join(names)}.html"
    return name, html(reports, f"python -m sfpn report {' '.join(names)} --out {name}").encode()
