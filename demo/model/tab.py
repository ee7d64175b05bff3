"""The Model tab: what a model is, how fast it is here, where its thresholds come from, what it must not be used for."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from demo.common.handlers import ONE_AT_A_TIME, bound, opening, show_when_opened
from demo.common.links import Links
from demo.common.model_choice import build_choice
from demo.common.notices import notices_html
from demo.common.own_sets import Sets
from demo.model import own_model_panel
from demo.model.card_html import facts_html, layers_html, points_html, results_html
from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.embedders import Embedder, OnnxEmbedder

BATCHES = (1, 16)
REPEATS = 7  # timed runs, after one that is not
USE = (
    "Scores are cosines of centred embeddings: higher means more alike. The threshold at which two faces are accepted "
    "depends on their **pose pair**, because the same network errs far more often between a frontal and a profile face "
    "than between two frontal ones. Made to study verification across poses; not tested for identification, "
    "surveillance or any decision about a person."
)
POINTS_TITLE = (
    '<h3 class="section-title">Operating points '
    "<small>thresholds frozen on some people, rates measured on others</small></h3>"
)


class CardValues(NamedTuple):
    """What the choice of a model changes: the components, or their values (HTML)."""

    facts: Any
    layers: Any
    points: Any
    results: Any
    speed: Any


def build(sets: Sets, links: Links, tab: gr.Tab) -> None:
    """Lay out and wire the tab."""
    models = sets.own_models
    own_model_panel.build(sets, links)
    name = build_choice(models, links, take_new=True, label="Model", elem_id="card-model")
    gr.Markdown(USE, elem_classes="quiet")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=310):
            gr.HTML('<h3 class="section-title">Card</h3>')
            facts = gr.HTML(elem_id="card-facts", padding=False)
            measure = gr.Button("Measure the speed on this machine", elem_id="measure")
            speed = gr.HTML(elem_id="speed", padding=False)
        with gr.Column(min_width=310):
            gr.HTML('<h3 class="section-title">Layers</h3>')
            layers = gr.HTML(elem_id="card-layers", padding=False)
    gr.HTML(POINTS_TITLE)
    points = gr.HTML(elem_id="card-points", padding=False)
    gr.HTML('<h3 class="section-title">Measured results</h3>')
    results = gr.HTML(elem_id="card-results", padding=False)
    shown = list(CardValues(facts, layers, points, results, speed))
    show_when_opened(opening(tab), bound(show_card, models.here), [name], shown)
    measure.click(bound(measure_speed, models.here), name, speed, api_visibility="private", **ONE_AT_A_TIME)


def show_card(models: Mapping[str, Embedder], name: str) -> CardValues:
    """The card of a model; of its speed only what it will be measured with."""
    card, backend = models[name].card, backend_html(models[name])
    facts = facts_html(card, file_bytes(models[name], name))
    return CardValues(facts, layers_html(card), points_html(card), results_html(card), backend)


def backend_html(embedder: Embedder) -> str:
    """What computes the model's embeddings here."""
    return f'<p class="quiet">{escape(embedder.backend)}</p>'


def file_bytes(embedder: Embedder, name: str) -> int | None:
    """The size of the weights file of a bundled model, or of a visitor's; None where it is not known."""
    try:
        if isinstance(embedder, OnnxEmbedder):
            return embedder.file_bytes
        return checkpoint.resolve(name).stat().st_size
    except UserError:
        return None


def measure_speed(models: Mapping[str, Embedder], name: str) -> str:
    """Median milliseconds an image from crop to embedding, for one image and for a batch, on crops of noise."""
    embedder, size = models[name], models[name].preprocess.size
    noise = np.random.default_rng(0).integers(0, 256, (max(BATCHES), size, size, 3), dtype=np.uint8)
    crops = [Image.fromarray(pixels) for pixels in noise]
    try:
        lines = [
            f"<b>{1000 * _seconds(embedder, crops[:batch]) / batch:.1f} ms</b> an image in batches of {batch}"
            for batch in BATCHES
        ]
    except UserError as error:  # of a model that a visitor brought
        return notices_html([str(error)])
    how = f"(crop to embedding, median of {REPEATS} runs)"
    return f'<p>{"; ".join(lines)} <span class="quiet">{how}</span></p>{backend_html(embedder)}'


def _seconds(embedder: Embedder, crops: list[Image.Image]) -> float:
    embedder.embed(crops)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        embedder.embed(crops)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
