"""The page whose handlers get only values that its components can have, whatever a request brings."""

from __future__ import annotations

import errno
from html import escape
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.utils import get_type_hints

from demo.common import events
from sfpn.errors import UserError

SINGLE = (gr.Radio, gr.Dropdown, gr.Slider, gr.Number)  # of these, a handler always gets a value

CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
FULL_DISK = "This cannot be done at the moment: the disk of this computer is full. Try again in some minutes."
LOOK_SECONDS, PROGRESS_SECONDS = 0.005, 0.1  # between looks; Gradio's 1 and 10 ms kept a processor busy doing nothing


def no_statistics(records: list) -> dict:
    """In place of tables of the last events, which took longer than many of them."""
    return {}


def may_be_empty(component: Any) -> Any:
    """Mark a choice or number whose value may be None; returns it."""
    component.may_be_empty = True
    return component


class Page(gr.Blocks):
    """gr.Blocks that answers values of the wrong kind with one sentence, before any handler sees them."""

    is_template = True
    own_sets: Any = None  # demo.common.own_sets.Sets, for the gate and for the end of sessions
    own_models: Any = None  # demo.common.own_models.OwnModels, for the end of sessions

    def queue(self, *args: Any, **kwargs: Any) -> Page:
        """The page, whose queue looks for work less often than Gradio's, and makes no statistics that nobody sees."""
        super().queue(*args, **kwargs)
        self._queue.sleep_when_free = LOOK_SECONDS
        self._queue.progress_update_sleep_when_free = PROGRESS_SECONDS
        self._queue.compute_analytics_summary = no_statistics
        return self

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Raise gr.Error when there are too few values."""
        if not isinstance(inputs, list) or len(inputs) < len(block_fn.inputs):
            raise events.gone()

    async def preprocess_data(self, block_fn: BlockFunction, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The values for the handler. Raises gr.Error for what the page would not send."""
        try:
            values = await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:  # components fail in their own ways on values that are none of theirs
            raise events.gone() from error
        for component, value in zip(block_fn.inputs, values, strict=False):
            check_value(component, value)
        return values

    async def call_function(
        self,
        block_fn: BlockFunction | int,
        processed_input: list[Any],
        iterator: Any = None,
        requests: Any = None,
        event_id: str | None = None,
        event_data: gr.EventData | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The handler's answer.

        Raises gr.Error for events that run in the browser only, for empty clicks, and with the sentence of a UserError
        or of a disk that cannot be written.
        """
        function = block_fn.fn if isinstance(block_fn, BlockFunction) else self.fns[block_fn].fn
        if function is None:
            raise events.gone()
        if event_data is not None and gr.SelectData in get_type_hints(function).values():
            try:
                gr.SelectData(None, event_data._data)
            except (TypeError, KeyError) as error:
                raise events.gone() from error
        given = (processed_input, iterator, requests, event_id, event_data, *args)
        try:
            return await super().call_function(block_fn, *given, **kwargs)
        except UserError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error
        except OSError as error:
            if error.errno not in CANNOT_BE_WRITTEN:
                raise
            raise gr.Error(FULL_DISK, print_exception=False) from error


def check_value(component: Any, value: Any) -> None:
    """Raise gr.Error for a value that a choice or number cannot have; whether a choice exists, Gradio has checked."""
    if not isinstance(component, SINGLE) or getattr(component, "multiselect", False):
        return
    if value is None:
        if component.value is not None and not getattr(component, "may_be_empty", False):
            raise events.gone()
    elif isinstance(component, (gr.Slider, gr.Number)):
        events.number(value)
    elif not isinstance(value, (str, int, float)):
        raise events.gone()
