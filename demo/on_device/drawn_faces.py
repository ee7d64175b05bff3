"""The drawn people as two files for the browser, over whom a visitor's own model is measured.

One holds the pictures one after the other, as the dataset has them; the other, gzipped JSON, says of each how long it
is, who it shows in which pose, and where the face is, and how well the models that ship do on the same pictures.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.examples import ASSETS
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import FaceDataset, Picture
from sfpn.evaluation.cells import Cell
from sfpn.evaluation.report import Report, plain
from sfpn.files import whole_file

PROTOCOL = "vggface2-pose"
REPORTS = ASSETS / "reports"


def write_faces(folder: Path, digest: Callable[[str], str]) -> tuple[Path, Path]:
    """(index, pictures): paths in the folder, written where they are not there yet. Raises OSError and UserError.

    digest: names what a file was made from.
    """
    people = FaceDataset.open(DRAWN_PEOPLE)
    references = [reference(report) for report in reports_on(people)]
    written_as = json.dumps([people.card.get("files_sha256", people.fingerprint), references], sort_keys=True)
    stem = f"faces-{digest(hashlib.sha256(written_as.encode()).hexdigest())}"
    index, pictures = folder / f"{stem}.json.gz", folder / f"{stem}.bin"
    if not (index.is_file() and pictures.is_file()):
        rows = people.rows().set_index("row_id", drop=False).to_dict("index")
        described = []
        with whole_file(pictures) as temporary, temporary.open("wb") as stream:
            for picture in people.pictures(set(rows)):
                stream.write(picture.encoded)
                described.append(_described(picture, rows[picture.row_id]))
        text = json.dumps({"rows": described, "references": references}, allow_nan=False, separators=(",", ":"))
        with whole_file(index) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    return index, pictures


def reports_on(people: FaceDataset) -> list[Report]:
    """The reports that ship about these very pictures, by model."""
    found = [Report.load(file.parent) for file in sorted(REPORTS.glob("synthetic-*/report.json"))]
    return [report for report in found if not report.mismatches(dataset_fingerprint=people.fingerprint)]


def reference(report: Report) -> dict[str, Any]:
    """{"name", "title", "cells"}, as browser/pose_matrix.js has them, with intervals."""
    cells = [cell for cell in report.cells if cell.protocol == PROTOCOL and cell.fold is None and cell.pose_pair]
    name = report.header["model"]
    return {"name": name, "title": name, "cells": [_cell(cell) for cell in cells]}


def _cell(cell: Cell) -> dict[str, Any]:
    rates = cell.rates()
    points = [
        {"target": point.target_fmr, "fnmr": point.fnmr, "fnmr_low": point.fnmr_low, "fnmr_high": point.fnmr_high}
        for point in rates.operating_points
    ]
    return plain(
        {
            "pair": cell.pose_pair,
            "size": cell.template_size,
            "genuine": rates.genuine,
            "impostor": rates.impostor,
            **{name: getattr(rates, name) for name in ("eer", "eer_low", "eer_high")},
            "points": points,
        }
    )


def _described(picture: Picture, row: dict[str, Any]) -> dict[str, Any]:
    face = picture.face
    return {
        "identity": row["identity"],
        "pose": row["pose"],
        "template": row["template"] or "",
        "bytes": len(picture.encoded),
        "box": None if face is None else [float(v) for v in face.box_xyxy],
        "landmarks": None if face is None else [[float(v) for v in point] for point in face.landmarks_xy],
    }
