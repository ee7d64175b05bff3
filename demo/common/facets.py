"""Which rows of a dataset are shown: facets as masks, with counts under the other facets. Fast at 100,000 rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

NAMES = ("pose", "identity", "template", "source", "split")  # facets that are lists of names
YAW_LIMITS = PITCH_LIMITS = (-90.0, 90.0)
FOUND = {"found": True, "not found": False}


@dataclass(frozen=True)
class Facets:
    """Empty tuples and full ranges choose everything. `detected` holds keys of FOUND.

    Rows of unknown yaw, pitch or quality are chosen only while that range is full.
    """

    pose: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    template: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    detected: tuple[str, ...] = ()
    yaw_low: float = YAW_LIMITS[0]
    yaw_high: float = YAW_LIMITS[1]
    pitch_low: float = PITCH_LIMITS[0]
    pitch_high: float = PITCH_LIMITS[1]
    quality: float = 0.0  # at least

    @classmethod
    def of(cls, *values) -> Facets:
        """From the values of the components, in the order of the fields; None means empty."""
        given: dict[str, Any] = dict(zip((field.name for field in fields(cls)), values, strict=True))
        for name, value in given.items():
            given[name] = tuple(value or ()) if isinstance(getattr(cls, name), tuple) else float(value)
        return cls(**given)


def masks(rows: pd.DataFrame, facets: Facets) -> dict[str, np.ndarray]:
    """One (N,) mask per facet that leaves something out."""
    found = {name: _one_of(rows[name], getattr(facets, name)) for name in NAMES if getattr(facets, name)}
    if facets.detected:
        found["detected"] = np.isin(rows["detected"].to_numpy(), [FOUND[name] for name in facets.detected])
    if (facets.yaw_low, facets.yaw_high) != YAW_LIMITS:
        yaw = rows["yaw_degrees"].to_numpy()
        found["yaw"] = (yaw >= facets.yaw_low) & (yaw <= facets.yaw_high)
    if (facets.pitch_low, facets.pitch_high) != PITCH_LIMITS:
        pitch = rows["pitch_degrees"].to_numpy(float)
        found["pitch"] = (pitch >= facets.pitch_low) & (pitch <= facets.pitch_high)
    if facets.quality > 0:
        found["quality"] = rows["quality"].to_numpy() >= facets.quality
    return found


def select(rows: pd.DataFrame, found: dict[str, np.ndarray]) -> np.ndarray:
    """The row_ids (n,) that all masks choose, in the order of the rows."""
    return rows.index.to_numpy()[joined(found, len(rows))]


def joined(found: dict[str, np.ndarray], count: int, but: str = "") -> np.ndarray:
    """All masks together, but one."""
    mask = np.ones(count, bool)
    for name, own in found.items():
        if name != but:
            mask &= own
    return mask


def counts(rows: pd.DataFrame, found: dict[str, np.ndarray], name: str) -> dict[str, int]:
    """How many rows each value of a facet would show, the other facets being as they are."""
    mask = joined(found, len(rows), but=name)
    if name == "detected":
        values = rows["detected"].to_numpy()[mask]
        return {label: int((values == value).sum()) for label, value in FOUND.items()}
    column = rows[name].cat
    numbers = np.bincount(column.codes.to_numpy()[mask], minlength=len(column.categories))
    return dict(zip(column.categories, numbers.tolist(), strict=True))


def _one_of(column: Any, values: Sequence[str]) -> np.ndarray:
    return np.isin(column.cat.codes.to_numpy(), column.cat.categories.get_indexer(list(values)))
