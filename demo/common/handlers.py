"""How events are wired: what keeps a handler quiet, at once or alone, and functools.partial as Gradio needs it."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
AT_ONCE: dict[str, Any] = QUIET | {"queue": False}  # quick handlers that change no State: that needs the queue
ONE_AT_A_TIME: dict[str, Any] = {
    "concurrency_limit": 1,
    "concurrency_id": "model",  # neither detector nor processor gain from more
}
COMPARING: dict[str, Any] = {  # one waits for the network while another decodes; large photos: demo.common.at_once
    "concurrency_limit": 3,
    "concurrency_id": "verify",
}
LONG: dict[str, Any] = {"concurrency_limit": 16, "concurrency_id": "long"}  # they wait in demo.common.jobs.LINE
SKIP = gr.skip()  # a value that leaves its component as it is


def opening(tab: gr.Tab) -> Callable[..., Any]:
    """The event that comes when a visitor opens the tab for the first time: few ever open them all."""
    seen = gr.Checkbox(False, visible="hidden", show_label=False)  # unlike a State it changes without a request
    tab.select(None, None, seen, js="() => true", api_visibility="private")
    return seen.change


def show_when_opened(
    opened: Callable[..., Any], function: Callable[..., Any], inputs: list, outputs: Any, **wiring: Any
) -> None:
    """Run a handler when its tab is first opened, and whenever one of its inputs changes that a visitor sees."""
    changes = [each.change for each in inputs if hasattr(each, "change") and not isinstance(each, gr.State)]
    on_latest([opened, *changes], function, inputs, outputs, **wiring)


def on_latest(
    triggers: Sequence[Callable[..., Any]], fn: Callable[..., Any], inputs: Any, outputs: Any, **wiring: Any
) -> Dependency:
    """Run a handler at each of these events; of those that come while it runs only at the last, when it has run.

    In Gradio that is trigger_mode="always_last", the default of `change`. But when such a handler has run, its page
    (6.31) asks for all handlers of the event anew: two of them ask for each other forever. So each has an event
    of its own, that of a step without a request. Handlers of one event also run side by side in this way.
    """
    asked = gr.on(triggers, None, None, None, js="() => []", api_visibility="private")
    return asked.then(fn, inputs, outputs, trigger_mode="always_last", **QUIET | wiring)


def offer_kept(choices: list, chosen: Any, otherwise: Any) -> dict:
    """The update to other choices, (words, value) or value each: what is chosen stays as long as it is there.

    What stays is not sent, as the visitor may choose another before the answer comes, which it would put back.
    """
    there = chosen in [choice[1] if isinstance(choice, tuple) else choice for choice in choices]
    return gr.update(choices=choices) if there else gr.update(choices=choices, value=otherwise)


@dataclass(frozen=True)
class PerSession:
    """An argument of `bound` that each session has its own of: what `of` gives for the request at hand."""

    of: Callable[[gr.Request | None], Any]


def bound(function: Callable[..., Any], *given: Any) -> Callable[..., Any]:
    """`function` with its first arguments given, for use as an event handler (also a generator or with gr.EventData).

    functools.partial would hide the type hints by which Gradio hands over events, requests and progress. What is given
    as PerSession is looked up for each request.
    """
    parameters = list(inspect.signature(function).parameters.values())[len(given) :]
    hints = typing.get_type_hints(function)
    per_session = any(isinstance(value, PerSession) for value in given)

    def all_given(args: tuple) -> tuple:
        if not per_session:
            return *given, *args
        request, *rest = args
        return *(value.of(request) if isinstance(value, PerSession) else value for value in given), *rest

    if inspect.isgeneratorfunction(function):

        def steps(*args: Any) -> Any:
            yield from function(*all_given(args))

        handler: Any = steps
    else:

        def answer(*args: Any) -> Any:
            return function(*all_given(args))

        handler = answer

    functools.update_wrapper(handler, function, assigned=("__name__", "__doc__", "__module__"))
    del handler.__wrapped__  # it would hide the shorter signature
    first = [inspect.Parameter("whose", inspect.Parameter.POSITIONAL_OR_KEYWORD)] if per_session else []
    handler.__signature__ = inspect.Signature([*first, *parameters])
    handler.__annotations__ = {p.name: hints[p.name] for p in parameters if p.name in hints}
    if per_session:
        handler.__annotations__["whose"] = gr.Request
    return handler
