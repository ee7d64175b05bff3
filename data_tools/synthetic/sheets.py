"""Three contact sheets of a drawn dataset, small enough to lie beside its card."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_tools.synthetic.expression import Expression
from data_tools.synthetic.scene import Model, render
from data_tools.synthetic.variation import sample_view

CELL, COLUMNS = 112, 12  # px
SHEET_QUALITY = 75


def save_sheets(folder: Path, rows: list[dict[str, Any]], model: Model) -> None:
    """Write sheet-identities.webp (each identity at frontal), sheet-yaw.webp and sheet-light.webp (of one model)."""
    first = {row["identity"]: row for row in reversed(rows) if row["pose"] == "frontal"}
    identities = [Image.open(io.BytesIO(first[name]["image"]["bytes"])) for name in sorted(first)]
    for name, pictures in (
        ("identities", identities),
        ("yaw", over_yaw(model)),
        ("light", over_light_and_expression(model)),
    ):
        sheet(pictures).save(folder / f"sheet-{name}.webp", quality=SHEET_QUALITY, method=6)


def sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures side by side in rows of COLUMNS."""
    lines = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (CELL * min(COLUMNS, len(pictures)), CELL * lines), "white")
    for number, picture in enumerate(pictures):
        small = picture.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)
        page.paste(small, (number % COLUMNS * CELL, number // COLUMNS * CELL))
    return page


def over_yaw(model: Model) -> list[Image.Image]:
    """One person turning from -90 to 90 degrees, otherwise unmoved."""
    still = sample_view(model.person, "frontal", np.random.default_rng(1))
    still = replace(still, pitch=0.0, roll=0.0, expression=Expression(), hat=None)
    pictures = []
    for yaw in np.linspace(-90, 90, COLUMNS).tolist():
        camera = replace(still.camera, field=32.0, centre=(0.045 * yaw, -0.8))
        pictures.append(render(model, replace(still, yaw=yaw, body_yaw=0.6 * yaw, camera=camera)).image)
    return pictures


def over_light_and_expression(model: Model) -> list[Image.Image]:
    """One person in twelve photographs that differ as those of the dataset do, at frontal."""
    return [render(model, sample_view(model.person, "frontal", np.random.default_rng(n))).image for n in range(COLUMNS)]
