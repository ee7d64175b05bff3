"""The card beside every weights file: what the numbers in the file need to be used, and how good they are.

A card is a JSON file with the weights' name and the ending .json. The verifier decides with its operating points, the
app shows it, and nothing of what it holds is known to the code otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sfpn.errors import UserError
from sfpn.files import write_text
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import POOLED, OperatingPoint, PosePair, pair_from_key, pair_key


@dataclass(frozen=True)
class ScoreHistogram:
    """Counts (bins,) of scores in equal bins between low and high; scores outside fall into the end bins."""

    low: float
    high: float
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]
    measured_on: str

    @property
    def edges(self) -> np.ndarray:
        """(bins + 1,) edges, ascending."""
        return np.linspace(self.low, self.high, len(self.genuine) + 1)


@dataclass(frozen=True)
class Card:
    """See the fields; `extra` keeps what a card holds beyond them, so that saving a loaded card loses nothing."""

    name: str
    title: str
    architecture: (
        dict  # {"type": "SqueezeFacePoseNet", "depthwise": bool, "descriptor_size": int} or {"type": "onnx", ...}
    )
    preprocess: Preprocess
    licence: str
    weights_sha256: str = ""
    parameters: int | None = None
    descriptor_mean: tuple[float, ...] | None = None  # subtracted from every descriptor
    pose_direction: tuple[float, ...] | None = (
        None  # unit vector, frontal to profile; centred descriptors lose their part along it
    )
    mirror_sum: bool = False  # add the descriptor of the mirrored crop
    training: dict = field(default_factory=dict)
    results: list = field(default_factory=list)  # measured: {"data", "command", "pose_pair", "eer", ...}
    limits: str = ""
    operating_points: dict[str, tuple[OperatingPoint, ...]] = field(default_factory=dict)  # by pair key or "pooled"
    histograms: dict[str, ScoreHistogram] = field(default_factory=dict)
    extra: dict = field(default_factory=dict)

    def points_for(self, pair: PosePair) -> tuple[str, tuple[OperatingPoint, ...]]:
        """('frontal-profile' or 'pooled', its points): those of the pair, else the pooled ones, else none."""
        key = pair_key(pair)
        return (
            (key, self.operating_points[key])
            if self.operating_points.get(key)
            else (POOLED, self.operating_points.get(POOLED, ()))
        )

    def to_json(self) -> dict:
        """Plain values, as the file holds them."""
        record = {name: getattr(self, name) for name in _PLAIN}
        record["preprocess"] = self.preprocess.to_json()
        for name in _VECTORS:
            vector = getattr(self, name)
            record[name] = None if vector is None else list(vector)
        record["operating_points"] = {k: [vars(p) for p in v] for k, v in self.operating_points.items()}
        record["histograms"] = {k: vars(v) for k, v in self.histograms.items()}
        return record | self.extra

    @classmethod
    def from_json(cls, record: dict) -> Card:
        """Raises ValueError, TypeError or KeyError if a field is missing or malformed."""
        known = {name: record[name] for name in _PLAIN if name in record}
        vectors = {name: tuple(float(v) for v in record[name]) for name in _VECTORS if record.get(name) is not None}
        points = {k: tuple(OperatingPoint(**p) for p in v) for k, v in record.get("operating_points", {}).items()}
        histograms = {
            k: ScoreHistogram(**v | {"genuine": tuple(v["genuine"]), "impostor": tuple(v["impostor"])})
            for k, v in record.get("histograms", {}).items()
        }
        for key in [*points, *histograms]:
            if key != POOLED:
                pair_from_key(key)
        return cls(
            **known,
            preprocess=Preprocess.from_json(record["preprocess"]),
            **vectors,
            operating_points=points,
            histograms=histograms,
            extra={k: v for k, v in record.items() if k not in {*_PLAIN, *_STRUCTURED}},
        )


_PLAIN = (
    "name",
    "title",
    "architecture",
    "licence",
    "weights_sha256",
    "parameters",
    "mirror_sum",
    "training",
    "results",
    "limits",
)
_VECTORS = ("descriptor_mean", "pose_direction")  # of the descriptor's size, or null
_STRUCTURED = ("preprocess", *_VECTORS, "operating_points", "histograms")


def card_path(weights: Path) -> Path:
    """Where the card of a weights file lies."""
    return weights.with_suffix(".json")


def load_card(weights: Path) -> Card:
    """The card beside a weights file. Raises UserError if it is missing or not a card."""
    path = card_path(weights)
    if not path.is_file():
        raise UserError(
            f"{weights.name}: its card {path.name} is missing beside it; weights cannot be used without one"
        )
    try:
        return Card.from_json(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a valid card ({error}); restore it or make the weights again") from error


def save_card(card: Card, weights: Path) -> None:
    """Write the card beside its weights, whole or not at all."""
    write_text(json.dumps(card.to_json(), indent=1) + "\n", card_path(weights))
