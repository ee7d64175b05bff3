"""Example pairs that ship with the project: drawn people, so that nobody's face is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path

from demo.common.pictures import data_uri
from sfpn.data.dataset import FaceDataset, Picture

ASSETS = Path(__file__).parent / "assets"
THUMBNAIL_SIDE = 160  # px


@dataclass(frozen=True)
class Example:
    """A named pair of sides, each of one or more pictures of the synthetic dataset."""

    title: str
    first: tuple[Picture, ...]
    second: tuple[Picture, ...]


def load_examples(assets: Path = ASSETS) -> tuple[Example, ...]:
    """The pairs named in assets/examples.json: [{"title", "first": [row_id, ...], "second": [...]}, ...].

    Empty if there are none. Raises UserError for a broken dataset, KeyError for a row_id that is not in it.
    """
    listing = assets / "examples.json"
    if not listing.is_file():
        return ()
    entries = json.loads(listing.read_text(encoding="utf-8"))
    wanted = {row_id for entry in entries for side in ("first", "second") for row_id in entry[side]}
    pictures = {picture.row_id: picture for picture in FaceDataset.open(assets / "synthetic").pictures(wanted)}
    return tuple(
        Example(entry["title"], *(tuple(pictures[row_id] for row_id in entry[side]) for side in ("first", "second")))
        for entry in entries
    )


def examples_html(examples: tuple[Example, ...]) -> str:
    """One button a pair, with both pictures and its title."""
    title = '<p class="section-title">Or try a pair of drawn people</p>'
    buttons = "".join(_button(number, example) for number, example in enumerate(examples))
    return f'{title}<div class="examples">{buttons}</div>'


def _button(number: int, example: Example) -> str:
    pictures = "".join(
        f'<img src="{data_uri(side[0].decode(), THUMBNAIL_SIDE)}" alt="">' for side in (example.first, example.second)
    )
    return (
        f'<button type="button" data-select="{number}"><div class="pair">{pictures}</div>'
        f"<span>{escape(example.title)}</span></button>"
    )
