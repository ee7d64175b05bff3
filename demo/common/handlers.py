"""functools.partial as Gradio needs it: keeping the type hints by which Gradio hands over events, requests and progress."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any


def bound(function: Callable[..., Any], *given: Any) -> Callable[..., Any]:
    """`function` with its first arguments given, for use as an event handler (also a generator or with gr.EventData)."""
    parameters = list(inspect.signature(function).parameters.values())[len(given) :]
    hints = typing.get_type_hints(function)

    if inspect.isgeneratorfunction(function):

        def handler(*args: Any):
            yield from function(*given, *args)
    else:

        def handler(*args: Any):
            return function(*given, *args)

    functools.update_wrapper(handler, function, assigned=("__name__", "__doc__", "__module__"))
    del handler.__wrapped__  # it would hide the shorter signature
    handler.__signature__ = inspect.Signature(parameters)
    handler.__annotations__ = {p.name: hints[p.name] for p in parameters if p.name in hints}
    return handler
