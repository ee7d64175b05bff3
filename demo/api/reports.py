"""/pose_errors and /worst_pairs: what the loaded reports say of each pose pair, and which pairs went worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demo.api.checks import among, choice, pair, plain, refusals, whole, yes_no
from demo.common.dataset_view import DatasetView
from sfpn.errors import UserError
from sfpn.evaluation.cells import CONFIDENCE, WHOLE_IMAGE, Cell
from sfpn.evaluation.pose_map import RATES, PoseMap
from sfpn.evaluation.report import Report
from sfpn.evaluation.tally import TREATMENTS
from sfpn.schema import OperatingPoint, PosePair, pair_key

KINDS = ("genuine", "impostor")
MOST_PAIRS = 50  # that a report keeps of each kind
POINT = (
    *("target_fmr", "supported", "threshold", "fmr", "fnmr", "fnmr_low", "fnmr_high"),
    *("false_matches", "false_non_matches"),
)
MAP_COUNTS = ("images", "failures", "subjects", "genuine", "impostor")
MAP_RATES = tuple(name for name in RATES if name not in (*MAP_COUNTS, "treatment", "column", "row"))


def pose_errors(
    reports: Mapping[str, Report],
    report: str | None = None,
    template_size: int = 1,
    treatment: str = WHOLE_IMAGE,
    with_pose_map: bool = False,
) -> dict:
    """Read the error rates of a model per pose pair from an evaluation report.

    A cell is one pair of poses, such as frontal and profile: its equal error rate, and the rate of genuine pairs that
    are rejected (FNMR) at thresholds that accept a stated share of impostor pairs (FMR). Rates are fractions, 0 to 1,
    with 95 % intervals by bootstrap over subjects; a rate is null where the comparisons are too few to state it.
    Nothing is computed: the reports were made before. An error is one sentence that names the argument and lists what
    may be given.

    Args:
        report: Title of a report, as `reports` of the answer lists them; left out, the first one.
        template_size: Pictures averaged on each side: 1, or another number that the answer's template_sizes lists.
        treatment: Faces that were not found: whole_image (embedded from the whole image), skip (left out) or reject
            (counted as rejections).
        with_pose_map: Whether to add pose_map, the error map over yaw and pitch of single images.

    Returns:
        An object: report, reports (titles of all), model, weights_sha256, dataset, dataset_fingerprint, protocol,
        date, template_size, template_sizes, treatment, confidence (0.95), and cells, each with pose_pair (two of
        frontal, three_quarter, profile), genuine and impostor (numbers of comparisons), subjects, failures (pictures
        without a face that was found), eer, eer_low, eer_high, and fnmr_at_fmr: a list of objects with target_fmr,
        supported, threshold (score), fmr, fnmr, fnmr_low, fnmr_high, false_matches and false_non_matches.
        With with_pose_map also pose_map, null where the report has none: reference_yaw_degrees and
        reference_pitch_degrees (each picture is compared with those whose yaw and pitch are smaller), references (their
        number), images, left_out (pictures in no cell, by reason), points (thresholds, one for all cells at each
        target_fmr, null for the equal error rate), and cells, each with yaw_degrees and pitch_degrees (low, high),
        images, failures, subjects, genuine, impostor, and rates: a list of objects with target_fmr, false_matches,
        false_non_matches, fmr, fmr_low, fmr_high, fnmr, fnmr_low and fnmr_high, null where comparisons are too few.
    """
    with refusals():
        title, found = among("report", report, reports, "report: start it with --report DIR")
        choice("treatment", treatment, TREATMENTS)
        size = _size(found, template_size)
        cells = [(each, _cell(found, each, size)) for each in found.pose_pairs()]
        wanted = yes_no("with_pose_map", with_pose_map)
        error_map = {"pose_map": pose_map_record(found.pose_map, treatment)} if wanted else {}
        return {
            "report": title,
            "reports": list(reports),
            **{name: found.header[name] for name in ("model", "weights_sha256", "dataset", "dataset_fingerprint")},
            **{name: found.header[name] for name in ("protocol", "date")},
            "template_size": size,
            "template_sizes": found.template_sizes(),
            "treatment": treatment,
            "confidence": CONFIDENCE,
            "cells": [cell_record(each, cell, treatment) for each, cell in cells if cell is not None],
            **error_map,
        }


def worst_pairs(
    reports: Mapping[str, Report],
    view: DatasetView | None,
    pose_pair: list[str],
    kind: str = "genuine",
    report: str | None = None,
    template_size: int = 1,
    limit: int = 10,
) -> dict:
    """List the pairs of pictures that a model judged worst in one pose pair of a report.

    Genuine pairs (one person) with the lowest scores, or impostor pairs (two persons) with the highest, hardest first.
    Pictures are named by row_id of the report's dataset; /search_samples tells more about them where that dataset is
    loaded. An error is one sentence that names the argument and lists what may be given.

    Args:
        pose_pair: Two poses in any order, such as ["frontal", "profile"]; poses are frontal, three_quarter, profile.
        kind: genuine or impostor.
        report: Title of a report, as `reports` of /pose_errors lists them; left out, the first one.
        template_size: Pictures averaged on each side: 1, or another number that /pose_errors lists.
        limit: How many pairs to give, 1 to 50.

    Returns:
        An object: report, dataset, dataset_loaded (whether /search_samples knows these rows), pose_pair, kind,
        template_size, and pairs, each with rank (from 1), row_id_a, row_id_b (of templates the first picture), score
        (cosine, -1 to 1) and faces_found (whether a face was found on both sides).
    """
    with refusals():
        title, found = among("report", report, reports, "report: start it with --report DIR")
        chosen = pair("pose_pair", pose_pair)
        choice("kind", kind, KINDS)
        size, count = _size(found, template_size), whole("limit", limit, 1, MOST_PAIRS)
        cell = _cell(found, chosen, size)
        if cell is None:
            there = " and ".join(map(pair_key, found.pose_pairs())) or "none"
            raise UserError(f"pose_pair: the report has no cell {pair_key(chosen)} of size {size}; it has {there}")
        return {
            "report": title,
            "dataset": found.header["dataset"],
            "dataset_loaded": view is not None and view.dataset.fingerprint == found.header["dataset_fingerprint"],
            "pose_pair": list(chosen),
            "kind": kind,
            "template_size": size,
            "pairs": [pair_record(row) for row in cell.hardest(kind).head(count).to_dict("records")],
        }


def cell_record(pose_pair: PosePair, cell: Cell, treatment: str) -> dict[str, Any]:
    """Counts, equal error rate and operating points of a cell, as plain JSON values."""
    rates = cell.rates(treatment)
    return {
        "pose_pair": list(pose_pair),
        "genuine": rates.genuine,
        "impostor": rates.impostor,
        "subjects": cell.subjects,
        "failures": sum(cell.failures.values()),
        **{name: plain(getattr(rates, name)) for name in ("eer", "eer_low", "eer_high")},
        "fnmr_at_fmr": [_point_record(point) for point in rates.operating_points],
    }


def pose_map_record(pose_map: PoseMap | None, treatment: str) -> dict[str, Any] | None:
    """The error map under one treatment, as plain JSON values."""
    if pose_map is None:
        return None
    about = ("reference_yaw_degrees", "reference_pitch_degrees", "references", "images", "left_out")
    points = pose_map.targets(treatment)
    tables = [pose_map.at(point.target_fmr, treatment).to_dict("records") for point in points]
    return {
        **{name: getattr(pose_map, name) for name in about},
        "points": [_point_record(point) for point in points],
        "cells": [_map_cell(pose_map, lines) for lines in zip(*tables, strict=True)],
    }


def _map_cell(pose_map: PoseMap, lines: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """A cell of the error map; `lines` are its rates at each threshold."""
    column, row = lines[0]["column"], lines[0]["row"]
    return {
        "yaw_degrees": list(pose_map.yaw_edges[column : column + 2]),
        "pitch_degrees": list(pose_map.pitch_edges[row : row + 2]),
        **{name: plain(lines[0][name]) for name in MAP_COUNTS},
        "rates": [{name: plain(line[name]) for name in MAP_RATES} for line in lines],
    }


def pair_record(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A pair of the table of hardest pairs, as plain JSON values."""
    return {
        **{name: plain(row[name]) for name in ("rank", "row_id_a", "row_id_b", "score")},
        "faces_found": bool(row["acquired"]),
    }


def _point_record(point: OperatingPoint) -> dict[str, Any]:
    return {name: plain(getattr(point, name)) for name in POINT}


def _size(report: Report, template_size: object) -> int:
    sizes = report.template_sizes()
    if isinstance(template_size, (int, float)) and template_size in sizes and not isinstance(template_size, bool):
        return int(template_size)
    raise UserError(f"template_size: this report has {' and '.join(map(str, sizes))}")


def _cell(report: Report, pose_pair: PosePair, template_size: int) -> Cell | None:
    try:
        return report.cell(pose_pair, template_size=template_size)
    except KeyError:
        return None
