"""The page whose handlers get only values that its components can have, whatever a request brings."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction

from demo.common import events

SINGLE = (gr.Radio, gr.Dropdown, gr.Slider, gr.Number)  # of these, a handler always gets a value


def may_be_empty(component: Any) -> Any:
    """Mark a choice or number whose value may be None; returns it."""
    component.may_be_empty = True
    return component


class Page(gr.Blocks):
    """gr.Blocks that answers values of the wrong kind with one sentence, before any handler sees them."""

    is_template = True

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
