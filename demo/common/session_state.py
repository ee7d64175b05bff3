"""What Gradio keeps of a session, without its copy of everything that the page shows.

For deep links, which are closed here, Gradio keeps the configuration of every component of every session with its
latest value: making it is the larger part of what a new page costs, and it would hold pictures of visitors beside the
states that are meant to.
"""

from __future__ import annotations

import datetime
from copy import copy
from typing import Any

import gradio as gr
from gradio import blocks, route_utils, state_holder
from gradio.state_holder import SessionState


class LeanSession(SessionState):
    """The states of a session and the components that it has changed, and no configuration."""

    def __init__(self, page: gr.Blocks) -> None:
        self.blocks_config = copy(page.default_config)
        self.config_values = {}
        self.state_data = {}
        self._state_ttl = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600  # as Gradio has it; demo.common.sessions forgets long before

    def __setitem__(self, key: int, value: Any) -> None:
        """Keep a state's value, or a component as this session has it."""
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = (block.time_to_live, datetime.datetime.now())
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


def lean_sessions() -> None:
    """Make Gradio use it. Call it before the first session begins."""
    state_holder.SessionState = LeanSession
    blocks.SessionState = LeanSession  # pyright: ignore[reportPrivateImportUsage]
    route_utils.SessionState = LeanSession  # pyright: ignore[reportPrivateImportUsage]
