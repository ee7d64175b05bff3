"""HTML that Python writes and whose marked parts can be clicked, or reached by keyboard.

view = Clickable(html)
view.select(choose, None, [...])     # evt.index is the JSON in the data-select attribute of what was clicked
view.remove(drop, None, [...])       # the same for data-remove
view.expand(tell, None, [...])       # and for data-expand
"""

from __future__ import annotations

from typing import Any

import gradio as gr

_JAVASCRIPT = """
const ACTIONS = ['select', 'remove', 'expand'];
function act(event) {
  const part = event.target.closest('[data-select], [data-remove], [data-expand]');
  if (!part || !element.contains(part)) return;
  for (const action of ACTIONS)
    if (part.dataset[action] !== undefined) trigger(action, { index: JSON.parse(part.dataset[action]) });
  event.preventDefault();
}
element.addEventListener('click', act);
element.addEventListener('keydown', event => {
  if ((event.key === 'Enter' || event.key === ' ') && event.target.tagName !== 'BUTTON') act(event);
});
"""


class Clickable(gr.HTML):
    """See the module docstring."""

    def __init__(self, value: str = "", **kwargs: Any) -> None:
        super().__init__(value, js_on_load=_JAVASCRIPT, apply_default_css=False, **kwargs)

    def api_info(self) -> dict[str, str]:
        """How the value looks to API clients."""
        return {"type": "string"}
