"""Addresses open what they were made of, whatever its letters, and however a browser writes them."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode

import gradio as gr
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from demo.common.links import cell_address, open_address, opened, pair_address, sample_address

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def open_query(address: str):
    """What the page opens for an address, as the server gets it from a browser."""
    query = dict(parse_qsl(address.removeprefix("?"), keep_blank_values=True))
    rewritten = dict(parse_qsl(urlencode(query), keep_blank_values=True))  # as URLSearchParams writes it
    assert rewritten == query
    return open_address(SimpleNamespace(query_params=query))


@given(NAMES, NAMES)
@example("a,b", "c")
@example("50%", "a%2Cb")
@example("x&pair=y", "#+ ?")
def test_a_pair_opens_again(first, second):
    found = open_query(pair_address(opened((first, second))))
    assert found.pair.value == (first, second) and found.sample is None and found.cell is None


@given(NAMES)
def test_a_sample_opens_again(row_id):
    assert open_query(sample_address(opened(row_id))).sample.value == row_id


@given(NAMES)
def test_a_cell_opens_again(model):
    cell = ("frontal-three_quarter", model)
    assert open_query(cell_address(opened(cell))).cell.value == cell


def test_plain_addresses_stay_as_they_were():
    assert pair_address(opened(("syn/1-a.jpg", "b c"))) == "?pair=syn/1-a.jpg,b%20c"


@pytest.mark.parametrize("address", ["", "?", "?pair=a", "?pair=a,b,c", "?pair=,", "?other=1"])
def test_other_addresses_open_nothing(address):
    assert open_query(address) == (gr.skip(), None, None, None)
