"""/search_samples: rows of the loaded dataset by facets."""

from __future__ import annotations

from typing import Any

from demo.api.checks import choices, number, plain, refusals, whole
from demo.common.dataset_view import CATEGORIES, UNKNOWN, DatasetView
from demo.common.facets import PITCH_LIMITS, YAW_LIMITS, Facets, masks, select
from sfpn.errors import UserError
from sfpn.schema import ROW_COLUMNS

MOST_SAMPLES = 100
COLUMNS = tuple(name for name in ROW_COLUMNS if name != "image")


def search_samples(
    view: DatasetView | None,
    pose: list[str] | None = None,
    identity: list[str] | None = None,
    split: list[str] | None = None,
    yaw_from: float = YAW_LIMITS[0],
    yaw_to: float = YAW_LIMITS[1],
    limit: int = 20,
    offset: int = 0,
    pitch_from: float = PITCH_LIMITS[0],
    pitch_to: float = PITCH_LIMITS[1],
) -> dict:
    """Search the rows of the loaded dataset by pose, identity, split, yaw and pitch.

    All facets must hold; within one, any of the values. Left out, a facet chooses everything. Rows whose yaw or
    pitch is unknown are found only while its range is full. The pictures themselves are not given, only what is
    known about them. An error is one sentence that names the argument and lists what may be given; without a dataset it
    says so.

    Args:
        pose: Any of frontal, three_quarter, profile, unknown.
        identity: Names of people as the column identity has them.
        split: Names of splits, such as train or test.
        yaw_from: Least yaw in degrees, -90 to 90; positive means that the face turns to the image's right.
        yaw_to: Greatest yaw in degrees, -90 to 90.
        limit: How many rows to give, 1 to 100.
        offset: How many of the rows found to leave out before these, for further pages; from 0.
        pitch_from: Least pitch in degrees, -90 to 90; positive means that the face is lifted.
        pitch_to: Greatest pitch in degrees, -90 to 90.

    Returns:
        An object: dataset (its name), fingerprint, total (rows found), offset, row_ids, and samples, in the order of
        the dataset, each an object with row_id, identity, pose, yaw_degrees, template, pose_estimated, yaw_source,
        pitch_degrees, roll_degrees, quality (detector's confidence, 0 to 1), source, split, box_xyxy, landmarks_xy
        (px of the picture) and detector; null where something is not known.
    """
    with refusals():
        if view is None:
            raise UserError("this app has no dataset: start it with --dataset DIR")
        facets = Facets(
            pose=_names(view, "pose", pose),
            identity=_names(view, "identity", identity),
            split=_names(view, "split", split),
            yaw_low=number("yaw_from", yaw_from, *YAW_LIMITS),
            yaw_high=number("yaw_to", yaw_to, *YAW_LIMITS),
            pitch_low=number("pitch_from", pitch_from, *PITCH_LIMITS),
            pitch_high=number("pitch_to", pitch_to, *PITCH_LIMITS),
        )
        start, count = whole("offset", offset, 0, 10**9), whole("limit", limit, 1, MOST_SAMPLES)
        found = select(view.rows, masks(view.rows, facets))
        row_ids = found[start : start + count].tolist()
        return {
            "dataset": view.dataset.name,
            "fingerprint": view.dataset.fingerprint,
            "total": len(found),
            "offset": start,
            "row_ids": row_ids,
            "samples": [sample_record(view, row_id) for row_id in row_ids],
        }


def sample_record(view: DatasetView, row_id: str) -> dict[str, Any]:
    """What is known of a row, as plain JSON values."""
    row = view.rows.loc[row_id]
    return {
        name: None if name in CATEGORIES and row[name] == UNKNOWN and name != "pose" else plain(row[name])
        for name in COLUMNS
    }


def _names(view: DatasetView, name: str, values: object) -> tuple[str, ...]:
    return choices(name, values, list(view.rows[name].cat.categories))
