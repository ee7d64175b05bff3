"""What the options of several commands share: their types, and options made from the fields of a settings class."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import types
import typing
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sfpn.data.embed import CACHE_FOLDER
from sfpn.data.selection import Selection

DRAWN_PEOPLE = Path(__file__).parents[2] / "demo" / "assets" / "synthetic"  # where the app lies beside the package


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number above zero, got {text!r}")
    return int(text)


def fraction(text: str) -> float:
    """A number from 0 to 1, both allowed."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return value


def folds(text: str) -> tuple[int, ...]:
    """'1,2,3': official folds of a dataset, ascending, each once."""
    try:
        return tuple(sorted({int(fold) for fold in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"folds are numbers separated by commas, e.g. 1,2,3; got {text!r}") from error


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that `embed` and `evaluate` share."""
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="twice as fast on the CPU, scores move by about 0.001 (SqueezeFacePoseNet only)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="cpu, cuda, cuda:1 ..., mps; auto takes the first there is of CUDA, MPS, CPU (default: auto)",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help=f"where embeddings are kept (default: DIR/{CACHE_FOLDER})"
    )


def note_old_poses(selections: Iterable[Selection]) -> None:
    """Say so on stderr, one line a dataset, where poses are those of another estimator than the bundled one."""
    for note in dict.fromkeys(selection.note_on_poses() for selection in selections):
        if note:
            print(f"note: {note}", file=sys.stderr)


Parser = argparse.ArgumentParser | argparse._ArgumentGroup  # both have add_argument


def add_settings(parser: Parser, settings: type, names: Collection[str] | None = None, **defaults: Any) -> None:
    """One option per field of a dataclass that has a help text (see sfpn.training.settings), or of the named ones.

    `defaults` replace those of the class. A field that is True by default becomes --no-NAME.
    """
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        if "help" in field.metadata and (names is None or field.name in names):
            _add_setting(parser, field, hints[field.name], defaults.get(field.name, field.default))


def settings_of(args: argparse.Namespace, settings: type) -> dict[str, Any]:
    """Field name -> value of every field of the dataclass that is among the parsed options."""
    given = vars(args)
    return {field.name: given[field.name] for field in dataclasses.fields(settings) if field.name in given}


def _add_setting(parser: Parser, field: dataclasses.Field, hint: Any, default: Any) -> None:
    word, meant = field.name.replace("_", "-"), field.metadata["help"]
    if isinstance(default, bool):
        flag, action = (f"--no-{word}", "store_false") if default else (f"--{word}", "store_true")
        parser.add_argument(flag, dest=field.name, action=action, help=meant)
        return
    several = typing.get_origin(hint) is tuple
    shown = " ".join(map(str, default)) if several else f"{default:g}" if isinstance(default, float) else default
    parser.add_argument(
        f"--{word}",
        nargs="+" if several else None,
        type=_type_of(hint, field.metadata),
        default=default,
        choices=field.metadata.get("choices"),
        metavar=field.metadata.get("metavar"),
        help=meant if default is None else f"{meant} (default: {shown})",
    )


def _type_of(hint: Any, metadata: Any) -> Any:
    """The type of one word of an option, of fields like `int`, `float | None` and `tuple[float, ...]`."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) else (hint,)
    kind = next(kind for kind in kinds if kind not in (type(None), ...))
    return positive if metadata.get("positive") else kind
