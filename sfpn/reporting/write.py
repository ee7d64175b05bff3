"""Writes a report file: HTML, the same as PDF, or Markdown with `model-index`."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.files import whole_file
from sfpn.reporting.markdown import markdown
from sfpn.reporting.page import LARGEST, html
from sfpn.reporting.sections import PAIRS_SHOWN, Pictures
from sfpn.reporting.tables import KINDS, single_cells

KINDS_OF_FILE = (".html", ".pdf", ".md")
SIDE, QUALITY = 112, 80  # pixels of a picture, twice what it is shown with; of JPEG


def write_report(reports: Sequence[Report], out: Path, command: str, dataset: FaceDataset | None = None) -> None:
    """Write one file about one report, or two; with the pictures of the hardest pairs where a dataset is given.

    Raises UserError if the kind of file is none of the three, the dataset is another, what makes PDF is not there, the
    file would be larger than LARGEST, or it cannot be written.
    """
    kind = out.suffix.lower()
    if kind not in KINDS_OF_FILE:
        raise UserError(f"{out.name} must end in {', '.join(KINDS_OF_FILE[:-1])} or {KINDS_OF_FILE[-1]}")
    if kind == ".md" and dataset is not None:
        raise UserError("a .md file holds no pictures: leave out --pictures, or write .html or .pdf")
    if kind == ".md":
        content = markdown(reports, command).encode()
    else:
        page = html(reports, command, pictures_of(reports, dataset) if dataset else None)
        content = pdf(page) if kind == ".pdf" else page.encode()
    if len(content) > LARGEST:
        raise UserError(f"the file would be {len(content) / 1e6:.1f} MB, more than {LARGEST // 1_000_000} MB")
    try:
        with whole_file(out) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({os.strerror(error.errno or 0)}): choose another --out") from error


def pictures_of(reports: Sequence[Report], dataset: FaceDataset) -> Pictures:
    """The pictures of the hardest pairs that are shown, as <img> that hold them; '' for one that is not there.

    Raises UserError if a report is about another dataset.
    """
    for report in reports:
        if report.header["dataset"] != dataset.name:
            raise UserError(
                f"--pictures {dataset.name}: the report is about {report.header['dataset']}; give that dataset's folder"
            )
    wanted: set[str] = set()
    for report in reports:
        for cell in single_cells(report):
            for kind in KINDS:
                pairs = cell.hardest(kind).head(PAIRS_SHOWN)
                wanted.update(pairs["row_id_a"], pairs["row_id_b"])
    there = wanted & set(dataset.rows()["row_id"])
    images = {picture.row_id: _image(picture.row_id, picture.decode()) for picture in dataset.pictures(there)}
    return lambda report, row_id: images.get(row_id, "")


def _image(row_id: str, picture) -> str:
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=QUALITY)
    data = base64.b64encode(encoded.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(row_id)}">'


def pdf(page: str) -> bytes:
    """The HTML as PDF. Raises UserError where WeasyPrint, or a library that it needs, is missing."""
    try:
        from weasyprint import HTML  # pyright: ignore (an extra)
        from weasyprint.urls import URLFetcher  # pyright: ignore
    except (ImportError, OSError) as error:
        raise UserError(
            "PDF needs WeasyPrint (`pip install 'weasyprint>=68'`) and the system's Pango: or write .html and print it"
        ) from error
    inside_only = URLFetcher(allowed_protocols={"data"})  # whatever a name in the report might ask for
    content: bytes = HTML(string=page, url_fetcher=inside_only).write_pdf()
    return content
