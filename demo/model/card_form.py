"""The form that asks for what a card needs: its fields, what is guessed from the file, and what was measured."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import gradio as gr

from demo.common.page import may_be_empty
from sfpn.errors import UserError
from sfpn.network.onnx_guarded import GuardedModel
from sfpn.photos.preprocess import CHANNELS, GEOMETRIES, Preprocess
from sfpn.schema import MAX_SIZE

MOST_LETTERS = 200
GEOMETRY, PIXELS, ORDER = "geometry", "mean and scale", "channel order"
MEASURED = (GEOMETRY, PIXELS, ORDER)  # what the button tries, unless told to keep it
FIELDS_OF = {GEOMETRY: ("geometry", "crop_factor", "padding"), PIXELS: ("mean", "scale"), ORDER: ("channels",)}
ALIGNED_SIZE = 112  # px, of the ArcFace family, whose faces are aligned by five points
PADDING = {"five_point": "black", "box": "edge"}


class Fields(NamedTuple):
    """The components of the form, or their values."""

    name: Any
    licence: Any
    size: Any
    geometry: Any
    crop_factor: Any
    mean: Any
    scale: Any
    channels: Any
    output: Any
    measured: Any

    def given(self) -> Fields:
        """With texts that are texts, of a bounded length, whatever a request brought."""
        return self._replace(**{name: str(getattr(self, name) or "").strip()[:MOST_LETTERS] for name in _TEXTS})

    def side(self) -> int:
        """The size in pixels. Raises UserError."""
        if self.size is None or not 1 <= self.size <= MAX_SIZE or self.size != int(self.size):
            raise UserError(f"Size: give the side of the pictures in pixels, a whole number from 1 to {MAX_SIZE}.")
        return int(self.size)

    def preprocess(self) -> Preprocess:
        """What the fields say. Raises UserError, which names the field."""
        for label, value in (("Scale", self.scale), ("Square", self.crop_factor)):
            if value is None or not 0 < value < math.inf:
                raise UserError(f"{label}: give a number above zero.")
        return Preprocess(
            geometry=self.geometry,
            size=self.side(),
            crop_factor=float(self.crop_factor),
            padding=PADDING[self.geometry],
            mean=parse_mean(self.mean),
            scale=float(self.scale),
            channels=self.channels,
        )

    def kept(self) -> dict[str, Any]:
        """The fields of Preprocess that are not to be tried. Raises UserError as `preprocess`."""
        stated = self.preprocess()
        names = [name for what, names in FIELDS_OF.items() if what not in (self.measured or []) for name in names]
        return {name: getattr(stated, name) for name in names}


_TEXTS = ("name", "licence", "mean", "output")


def build_fields() -> Fields:
    """Lay out the form."""
    with gr.Row():
        name = _text("Name", "name")
        licence = _text("Licence of the weights", "licence", placeholder="not stated")
        output = _text("Output that is the embedding, if there are several", "output")
    with gr.Row():
        size = may_be_empty(
            gr.Number(
                ALIGNED_SIZE, label="Size of the pictures (px)", precision=0, elem_id="own-model-size", min_width=150
            )
        )
        mean = _text("Mean, subtracted from pixels 0–255 (R G B)", "mean")
        scale = may_be_empty(
            gr.Number(127.5, label="Scale, by which they are then divided", elem_id="own-model-scale", min_width=150)
        )
    with gr.Row():
        geometry = gr.Radio(
            [("aligned by five landmarks", "five_point"), ("square around the face", "box")],
            value=GEOMETRIES[0],
            label="Geometry of the crop",
            elem_id="own-model-geometry",
            min_width=260,
        )
        crop_factor = may_be_empty(
            gr.Number(
                Preprocess.crop_factor,
                label="Square: its side over the face's shorter one",
                elem_id="own-model-factor",
                min_width=150,
            )
        )
        channels = gr.Radio(
            list(CHANNELS), value=CHANNELS[0], label="Channel order", elem_id="own-model-channels", min_width=150
        )
    measured = gr.CheckboxGroup(
        list(MEASURED),
        value=list(MEASURED),
        label="To be measured; untick what you know",
        elem_id="own-model-measured",
    )
    return Fields(name, licence, size, geometry, crop_factor, mean, scale, channels, output, measured)


def _text(label: str, name: str, placeholder: str | None = None) -> gr.Textbox:
    """One line of text."""
    return gr.Textbox(
        label=label,
        placeholder=placeholder,
        elem_id=f"own-model-{name}",
        max_lines=1,
        max_length=MOST_LETTERS,
        min_width=200,
    )


def guess(stem: str, network: GuardedModel | None) -> Fields:
    """What a file's input makes likely; of a network that could not be tried yet, only a usual size."""
    size = network.size if network else ALIGNED_SIZE
    whole = network is not None and network.input.is_whole
    geometry = "five_point" if size == ALIGNED_SIZE else "box"
    mean, scale = ((0.0, 0.0, 0.0), 1.0) if whole else ((127.5, 127.5, 127.5), 127.5)
    likely = Preprocess(geometry, size, Preprocess.crop_factor, PADDING[geometry], mean, scale)
    output = network.output if network else ""
    measured = [what for what in MEASURED if not (whole and what == PIXELS)]
    return filled(likely)._replace(name=stem[:MOST_LETTERS], licence="", output=output, measured=measured)


def filled(preprocess: Preprocess) -> Fields:
    """The fields of a setting; the others stay as they are."""
    keep = gr.skip()
    return Fields(
        name=keep,
        licence=keep,
        size=preprocess.size,
        geometry=preprocess.geometry,
        crop_factor=preprocess.crop_factor,
        mean=mean_words(preprocess.mean),
        scale=preprocess.scale,
        channels=preprocess.channels,
        output=keep,
        measured=keep,
    )


def mean_words(mean: tuple[float, ...]) -> str:
    """As the field shows it.

    >>> mean_words((127.5, 127.5, 127.5)), mean_words((131.0912, 103.8827, 91.4953))
    ('127.5', '131.0912 103.8827 91.4953')
    """
    return " ".join(f"{value:.10g}" for value in (mean[:1] if len(set(mean)) == 1 else mean))


def parse_mean(text: str) -> tuple[float, float, float]:
    """The field's numbers, one for all channels or three. Raises UserError.

    >>> parse_mean("127.5"), parse_mean("1, 2; 3")
    ((127.5, 127.5, 127.5), (1.0, 2.0, 3.0))
    """
    try:
        numbers = [float(part) for part in re.split(r"[\s,;]+", text.strip()) if part]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
        raise UserError("Mean: give one number, or three for red, green and blue, as 131.09 103.88 91.5.")
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third
