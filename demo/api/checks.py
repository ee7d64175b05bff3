"""Arguments of the endpoints, checked against what there is; a refusal is one sentence that says what may be given."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import gradio as gr

from sfpn.errors import UserError
from sfpn.schema import POSES, PosePair, pose_pair

Value = TypeVar("Value")
NAMED = 12  # of what may be given, in a refusal
MOST_VALUES = 1000  # of one list


@contextmanager
def refusals() -> Iterator[None]:
    """Turn UserError into the error whose sentence Gradio hands to the caller."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error


def choice(name: str, value: object, offered: Collection[str]) -> str:
    """One of the offered names. Raises UserError."""
    if not isinstance(value, str) or value not in offered:
        raise UserError(f"{name}: {_shown(value)} is not here; {_listed(offered)}")
    return value


def choices(name: str, values: object, offered: Collection[str]) -> tuple[str, ...]:
    """A list of offered names, or one of them; none at all for None. Raises UserError."""
    listed = [] if values is None else [values] if isinstance(values, str) else values
    if not isinstance(listed, (list, tuple)) or len(listed) > MOST_VALUES:
        raise UserError(f"{name}: give a list of names, or leave it out; {_listed(offered)}")
    return tuple(dict.fromkeys(choice(name, value, offered) for value in listed))


def among(name: str, value: object, offered: Mapping[str, Value], what: str) -> tuple[str, Value]:
    """An offered name and what it stands for; the first one for None. Raises UserError, also where there is none."""
    if not offered:
        raise UserError(f"this app has no {what}")
    if value is None:
        return next(iter(offered.items()))
    chosen = choice(name, value, offered)
    return chosen, offered[chosen]


def number(name: str, value: object, low: float, high: float) -> float:
    """A finite number within a range. Raises UserError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise UserError(f"{name}: {_shown(value)} is not a number from {low:g} to {high:g}")


def whole(name: str, value: object, low: int, high: int) -> int:
    """A whole number within a range; 3.0 is one. Raises UserError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high and value == int(value):
        return int(value)
    raise UserError(f"{name}: {_shown(value)} is not a whole number from {low} to {high}")


def yes_no(name: str, value: object) -> bool:
    """True or False. Raises UserError."""
    if isinstance(value, bool):
        return value
    raise UserError(f"{name}: {_shown(value)} is neither true nor false")


def pair(name: str, value: object) -> PosePair:
    """A list of two poses, in any order. Raises UserError."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, str) and v in POSES for v in value):
        return pose_pair(*value)
    raise UserError(f"{name}: {_shown(value)} is not a list of two poses; poses are {', '.join(POSES)}")


def plain(value: Any) -> Any:
    """A value of a table as JSON has it: no NaN, no arrays."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _shown(value: object) -> str:
    if isinstance(value, (str, int, float, bool, type(None))) and not (isinstance(value, int) and abs(value) > 10**18):
        return repr(value)[:60]
    if isinstance(value, (list, tuple)) and len(value) <= 4 and all(isinstance(each, str) for each in value):
        return repr(value)[:60]
    return "this"


def _listed(offered: Collection[str]) -> str:
    shown = ", ".join(list(offered)[:NAMED])
    more = len(offered) - NAMED
    return f"there are {shown}" + (f" and {more:,} more" if more > 0 else "") if offered else "there are none"
