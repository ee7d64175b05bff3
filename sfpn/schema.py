"""Names that every part of the project shares: poses, pose pairs, operating points, and the columns of a dataset row.

Yaw is in degrees, 0 = looking into the camera, positive = the subject's face turns to the image's right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

POSES = ("frontal", "three_quarter", "profile")
FRONTAL_BELOW_DEGREES = 20.0
PROFILE_FROM_DEGREES = 65.0

POSE_LABELS = {"frontal": "frontal", "three_quarter": "three-quarter", "profile": "profile"}
POSE_SHORT = {"frontal": "F", "three_quarter": "3/4", "profile": "P"}

PosePair = tuple[str, str]
POSE_PAIRS: tuple[PosePair, ...] = tuple((first, second) for i, first in enumerate(POSES) for second in POSES[i:])
POOLED = "pooled"

YAW_SOURCES = ("given", "estimated")

MAX_SIZE = 1024  # px, side of a crop
MAX_DESCRIPTOR = 65_536  # numbers of an embedding


def pose_from_yaw(yaw_degrees: float) -> str:
    """Name the pose of a yaw angle; the only place where the two cut-offs are applied.

    Raises ValueError when the yaw is not a finite number.

    >>> pose_from_yaw(12), pose_from_yaw(-40), pose_from_yaw(80)
    ('frontal', 'three_quarter', 'profile')
    """
    if not math.isfinite(yaw_degrees):
        raise ValueError(f"yaw_degrees must be a finite number, got {yaw_degrees}")
    if abs(yaw_degrees) < FRONTAL_BELOW_DEGREES:
        return "frontal"
    if abs(yaw_degrees) < PROFILE_FROM_DEGREES:
        return "three_quarter"
    return "profile"


def pose_pair(pose_a: str, pose_b: str) -> PosePair:
    """Put two pose names into the order frontal, three_quarter, profile. Raises ValueError for an unknown pose."""
    for pose in (pose_a, pose_b):
        if pose not in POSES:
            raise ValueError(f"unknown pose {pose!r}; poses are {', '.join(POSES)}")
    first, second = sorted((pose_a, pose_b), key=POSES.index)
    return first, second


def pair_key(pair: PosePair) -> str:
    """The name of a pose pair in JSON and file names, e.g. 'frontal-profile'."""
    return "-".join(pair)


def pair_from_key(key: str) -> PosePair:
    """Inverse of pair_key. Raises ValueError for anything that is not one of the six pose pairs."""
    for pair in POSE_PAIRS:
        if pair_key(pair) == key:
            return pair
    raise ValueError(f"unknown pose pair {key!r}; pose pairs are {', '.join(map(pair_key, POSE_PAIRS))}")


def pair_label(pair: PosePair) -> str:
    """The pose pair as the paper's tables write it, e.g. 'F-P' or '3/4-P'."""
    return "-".join(POSE_SHORT[pose] for pose in pair)


def pair_record(key: str | None) -> dict[str, Any]:
    """How JSON names the pose pair of a key: `pose_pair`, a list of two names, and `scores_of`, the key itself.

    For 'pooled' and None (comparisons that are not of one pose pair) `pose_pair` is null.
    """
    return {"pose_pair": None if key in (None, POOLED) else list(pair_from_key(key)), "scores_of": key}


UNKNOWN: Any = None  # what a number of an unsupported operating point is


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A threshold with its error rates (0-1) and their counts; the same in the library, in cards and in all JSON.

    Not `supported`: too few impostor comparisons to state so low a target; threshold, rates and errors are then None.
    """

    target_fmr: float = UNKNOWN  # None: of a threshold that was not chosen for a target
    supported: bool = True
    genuine: int
    impostor: int
    threshold: float = UNKNOWN
    fmr: float = UNKNOWN
    fnmr: float = UNKNOWN
    false_matches: int = UNKNOWN
    false_non_matches: int = UNKNOWN
    fnmr_low: float | None = None  # interval by bootstrap over subjects, where there was one
    fnmr_high: float | None = None
    set_on: str = ""  # which comparisons the threshold was chosen on
    measured_on: str = ""  # which comparisons the rates come from
    pose_estimated: bool = False  # the poses of these comparisons are estimates, not labels


# The columns of a dataset row, in order. Types are those of Hugging Face `datasets`; see row_features().
ROW_COLUMNS: dict[str, str] = {
    "row_id": "string",  # stable; anything keyed to a picture is keyed by it
    "image": "image",
    "identity": "string",
    "pose": "string",  # one of POSES; the given label where there is one, else the estimate; null if neither
    "yaw_degrees": "float32",  # null where unknown
    "template": "string",  # null where the set defines none
    "pose_estimated": "string",  # from the landmarks; null where no face was found
    "yaw_source": "string",  # one of YAW_SOURCES; null where yaw_degrees is null
    "pitch_degrees": "float32",
    "roll_degrees": "float32",
    "quality": "float32",  # detector confidence 0-1; null where no face was found
    "source": "string",
    "split": "string",
    "box_xyxy": "list:float32",  # pixels of `image`; null where no face was found
    "landmarks_xy": "list:float32",  # 10 numbers x0 y0 ... x4 y4: eyes (image-left, image-right), nose, mouth corners
    "detector": "string",
}


def row_features():
    """The dataset row contract as `datasets.Features` (imported here so that reading pose names stays cheap)."""
    import datasets

    def feature(kind: str):
        if kind == "image":
            return datasets.Image()
        if kind.startswith("list:"):
            return datasets.List(datasets.Value(kind.removeprefix("list:")))
        return datasets.Value(kind)

    return datasets.Features({name: feature(kind) for name, kind in ROW_COLUMNS.items()})
