"""What each further pose in a template is worth: the measured FNMR of one photo against it, from the saved reports."""

from __future__ import annotations

from typing import Any

from demo.examples import ASSETS
from sfpn.evaluation.report import Report

TARGET_FMR = 0.001
TEMPLATES = {  # what the coach can have taken -> the mix in the report
    "one frontal picture": [["frontal", 1]],
    "two frontal pictures": [["frontal", 2]],
    "one frontal, one profile": [["frontal", 1], ["profile", 1]],
    "two frontal, two profiles": [["frontal", 2], ["profile", 2]],
}


def worth_of_poses() -> dict[str, list[dict[str, Any]]]:
    """Model -> [{"template": words, "frontal": FNMR, "profile": FNMR}, ...]; None where it was not measured."""
    found = {}
    for file in sorted((ASSETS / "reports").glob("*-templates-*/report.json")):
        report = Report.load(file.parent)
        rows = [
            {"template": words, **{pose: _fnmr(report, [[pose, 1]], mix) for pose in ("frontal", "profile")}}
            for words, mix in TEMPLATES.items()
        ]
        found[str(report.header["model"])] = [row for row in rows if row["frontal"] is not None]
    return found


def _fnmr(report: Report, photo: list, template: list) -> float | None:
    for cell in report.cells:
        sides = [[list(part) for part in side] for side in cell.sides or ()]
        if sorted(sides) == sorted([photo, template]):
            points = cell.rates().operating_points
            return next((point.fnmr for point in points if point.target_fmr == TARGET_FMR), None)
    return None
