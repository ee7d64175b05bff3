"""What is clicked in one tab opens in another: selected tab, pair, sample and cell, and their address in the browser.

    links = make_links()                     # once, inside gr.Blocks
    with links.tabs: ...                     # gr.Tab(..., id=VERIFY) and so on
    chart.select(show, None, [links.tabs, links.pair])      # show returns goto(VERIFY), opened((row_id_a, row_id_b))
    links.pair.change(load_pair, links.pair, [...])         # the tab that shows pairs; load_pair gets the Opened
    links.listen(demo)                       # last: the page's address opens a state, and a state writes the address

A pair, a sample and a cell have the addresses ?pair=a,b  ?sample=a  ?cell=frontal,profile&model=NAME.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import gradio as gr

from demo.common.handlers import AT_ONCE, QUIET, SKIP

VERIFY, EXPLORE, EMBEDDINGS, POSE_ERRORS, MODEL = "verify", "explore", "embeddings", "pose_errors", "model"
ON_DEVICE = "on_device"

_counter = itertools.count(1)


@dataclass(frozen=True)
class Opened:
    """A value that was opened; `number` differs each time, so that opening the same value again is a change too."""

    value: Any
    number: int


class Address(NamedTuple):
    """The components that the page's address opens, or their values."""

    tabs: Any
    pair: Any = None
    sample: Any = None
    cell: Any = None


@dataclass(frozen=True)
class Links:
    """Components that the tabs share. States hold an Opened or None: pair (row_id_a, row_id_b), sample row_id,
    cell (pose_pair key, model or ''), selection (row_id, ...), embedded (the model whose embeddings have come), dataset
    (the title of the visitor's own set, None for the bundled one), model (the name of the model that the visitor
    brought, None once it is closed)."""

    tabs: gr.Tabs
    pair: gr.State
    sample: gr.State
    cell: gr.State
    selection: gr.State
    embedded: gr.State
    dataset: gr.State
    model: gr.State
    address: gr.Textbox

    def listen(self, demo: gr.Blocks) -> None:
        """Open what the page's address names, keep it up to date, and keep the progress of quiet handlers to one leaf.

        Gradio hands even hidden progress to each output, and before it does copies all that is inside that output: for
        the tabs the whole page, thirteen times a click.
        """
        outputs = Address(self.tabs, self.pair, self.sample, self.cell)
        demo.load(open_address, None, list(outputs), **QUIET)
        for state, address_of in ((self.pair, pair_address), (self.sample, sample_address), (self.cell, cell_address)):
            state.change(address_of, state, self.address, **AT_ONCE)
        self.address.change(None, self.address, None, js=_SHOW_ADDRESS, api_visibility="private")
        for handler in demo.fns.values():
            if handler.show_progress == "hidden":
                handler.show_progress_on = [self.address]


_SHOW_ADDRESS = "query => { if (query) history.replaceState(null, '', query); return []; }"


def make_links() -> Links:
    """Make the shared components; call it inside gr.Blocks. The tabs are rendered and filled by the caller."""
    return Links(
        pair=gr.State(None),
        sample=gr.State(None),
        cell=gr.State(None),
        selection=gr.State(None),
        embedded=gr.State(None),
        dataset=gr.State(None),
        model=gr.State(None),
        address=gr.Textbox(visible="hidden", elem_id="address", show_label=False),
        tabs=gr.Tabs(elem_id="tabs", render=False),
    )


def opened(value: Any) -> Opened:
    """Wrap a value for one of the states."""
    return Opened(value, next(_counter))


def goto(tab: str) -> gr.Tabs:
    """The update that selects a tab."""
    return gr.Tabs(selected=tab)


def pair_address(pair: Opened | None) -> str:
    """The query of a pair, '' for None."""
    return f"?pair={','.join(quote(_without_comma(row_id), safe='/') for row_id in pair.value)}" if pair else ""


def _without_comma(row_id: str) -> str:
    """A row_id whose commas are not those between the two of a pair; undone by `unquote`.

    The query is decoded once on its way, and browsers write its commas as %2C or not, as they like.
    """
    return row_id.replace("%", "%25").replace(",", "%2C")


def sample_address(sample: Opened | None) -> str:
    """The query of a sample, '' for None."""
    return f"?sample={quote(sample.value, safe='/')}" if sample else ""


def cell_address(cell: Opened | None) -> str:
    """The query of a cell of the pose matrix, '' for None."""
    if not cell:
        return ""
    key, model = cell.value
    return f"?cell={key.replace('-', ',')}" + (f"&model={quote(model, safe='/')}" if model else "")


def open_address(request: gr.Request) -> Address:
    """What the page's address names; whoever shows it checks that it exists."""
    query = request.query_params
    pair = tuple(unquote(row_id) for row_id in query.get("pair", "").split(","))
    if len(pair) == 2 and all(pair):
        return Address(goto(VERIFY), pair=opened(pair))
    if query.get("sample"):
        return Address(goto(EXPLORE), sample=opened(query["sample"]))
    if query.get("cell"):
        return Address(goto(POSE_ERRORS), cell=opened((query["cell"].replace(",", "-"), query.get("model", ""))))
    return Address(SKIP)
