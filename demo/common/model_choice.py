"""The choice of a model, as tabs show it: the models of everybody, and the one that the visitor brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from demo.common.handlers import QUIET, bound, offer_kept
from demo.common.links import Links, Opened
from demo.common.own_models import OwnModels
from sfpn.network.embedders import Embedder


def build_choice(models: OwnModels, links: Links, *, take_new: bool = False, **look: Any) -> gr.Dropdown:
    """A dropdown that follows what the visitor brings; with `take_new` a new model is chosen at once."""
    first = next(iter(models.shared))
    choice = gr.Dropdown(choices_of(models.shared), value=first, filterable=False, **look)
    if models.rules:
        follow = offer_new if take_new else offer
        links.model.change(bound(follow, models.here), [links.model, choice], choice, **QUIET)
    return choice


def offer(models: Mapping[str, Embedder], new: Opened | None, chosen: str) -> dict:
    """The models that there are now; what is chosen stays as long as it is there."""
    return offer_kept(choices_of(models), chosen, next(iter(models)))


def offer_new(models: Mapping[str, Embedder], new: Opened | None, chosen: str) -> dict:
    """The same, with the new model chosen."""
    if new and new.value in models:
        return gr.update(choices=choices_of(models), value=new.value)
    return offer(models, new, chosen)


def choices_of(models: Mapping[str, Embedder]) -> list[tuple[str, str]]:
    """(title, name) of models, for a choice."""
    return [(embedder.card.title, name) for name, embedder in models.items()]
