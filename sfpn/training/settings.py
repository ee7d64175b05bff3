"""Fields of a run's frozen settings that are also options of its command, each with what it means, in what unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any


def setting(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | None = None,
    metavar: str | None = None,
    positive: bool = False,
) -> Any:
    """A dataclass field with its default, and what the option made from it says (sfpn.commands.options.add_settings).

    positive: only whole numbers above zero will do.
    """
    return field(default=default, metadata={"help": help, "choices": choices, "metavar": metavar, "positive": positive})
