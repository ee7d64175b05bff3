"""A facet of names: a list with live counts, or where names are many, one that is searched while its visitor types.

Gradio copies every property of every component whenever anything on the page changes, so a list of thousands slows
every click.
"""

from __future__ import annotations

import gradio as gr

from demo.common.dataset_view import DatasetView
from demo.common.facets import Facets, counts, masks

LISTED = 200  # names above which a facet is searched
MATCHES = 50  # shown at once


def name_facet(view: DatasetView, name: str, label: str) -> gr.Dropdown:
    """The component; hidden where there is nothing to choose. If it `is_searched`, wire `search` to its key_up."""
    values = list(view.rows[name].cat.categories)
    searched = is_searched(view, name)
    return gr.Dropdown(
        values[:MATCHES] if searched else values,
        multiselect=True,
        allow_custom_value=searched,
        label=label,
        info=_searched_words(values) if searched else None,
        elem_id=f"facet-{name}",
        visible=len(values) > 1,
    )


def is_searched(view: DatasetView, name: str) -> bool:
    """Whether the names are too many for a list."""
    return len(view.rows[name].cat.categories) > LISTED


def offer_names(view: DatasetView, name: str) -> dict:
    """The update of the component for another dataset, nothing being chosen."""
    values = list(view.rows[name].cat.categories)
    searched = is_searched(view, name)
    return gr.update(
        value=[],
        choices=values[:MATCHES] if searched else values,
        allow_custom_value=searched,
        info=_searched_words(values) if searched else None,
        visible=len(values) > 1,
    )


def _searched_words(values: list) -> str:
    return f"{len(values):,} names: type to search"


def search(view: DatasetView, name: str, typed: gr.KeyUpData, *values) -> dict:
    """The names that contain what is typed, those that begin with it first, counted under the other facets.

    Nothing changes where all names are listed.
    """
    if not is_searched(view, name):
        return gr.skip()
    found = counts(view.rows, masks(view.rows, Facets.of(*values)), name)
    part = str(typed.input_value)[:100].casefold()
    matches = sorted(
        (value for value in found if part in value.casefold()), key=lambda value: not value.casefold().startswith(part)
    )
    return gr.update(choices=with_counts({value: found[value] for value in matches[:MATCHES]}))


def with_counts(found: dict[str, int]) -> list[tuple[str, str]]:
    """Choices of a dropdown or a group of boxes."""
    return [(f"{value} ({count:,})", value) for value, count in found.items()]
