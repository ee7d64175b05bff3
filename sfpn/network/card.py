"""The card beside every weights file: what the numbers in the file need to be used, and how good they are.

A card is a JSON file with the weights' name and the ending .json. The verifier decides with its operating points, the
app shows it, and nothing of what it holds is known to the code otherwise. Cards come from strangers as weights do:
every field is checked when a card is read, and a card that does not hold what it should is refused.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from sfpn.errors import UserError
from sfpn.files import write_text
from sfpn.network import operating_surface, template_rates
from sfpn.network.operating_surface import OperatingSurface
from sfpn.network.template_rates import Count, TemplateRates
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import MAX_DESCRIPTOR, MAX_SIZE, POOLED, OperatingPoint, pair_from_key

MAX_BYTES = 10_000_000  # of a card; ours have 170 kB


@dataclass(frozen=True)
class ScoreHistogram:
    """Counts (bins,) of scores in equal bins between low and high; scores outside fall into the end bins."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    low: float
    high: float
    genuine: Annotated[tuple[Count, ...], Field(min_length=1)]
    impostor: tuple[Count, ...]
    measured_on: str

    @property
    def edges(self) -> np.ndarray:
        """(bins + 1,) edges, ascending."""
        return np.linspace(self.low, self.high, len(self.genuine) + 1)


def _checked_point(point: OperatingPoint) -> OperatingPoint:
    for name in ("target_fmr", "fmr", "fnmr"):
        if getattr(point, name) is None or not 0 <= getattr(point, name) <= 1:
            raise ValueError(f"{name} must be a rate of 0 to 1, not {getattr(point, name)}")
    if point.threshold is None or not point.supported:
        raise ValueError("threshold is missing")
    counts = (point.genuine, point.impostor, point.false_matches, point.false_non_matches)
    if any(count is None or count < 0 for count in counts) or not point.impostor:
        raise ValueError("comparisons and errors must be counts, and impostor above zero")
    return point


def _checked_histogram(histogram: ScoreHistogram) -> ScoreHistogram:
    if len(histogram.genuine) != len(histogram.impostor):
        raise ValueError(
            f"genuine and impostor need as many bins, not {len(histogram.genuine)} and {len(histogram.impostor)}"
        )
    if histogram.low >= histogram.high:
        raise ValueError(f"low must be below high, not {histogram.low:g} and {histogram.high:g}")
    return histogram


def _checked_preprocess(preprocess: Preprocess) -> Preprocess:
    if not 1 <= preprocess.size <= MAX_SIZE:
        raise ValueError(f"size must be 1 to {MAX_SIZE} pixels, not {preprocess.size}")
    if preprocess.scale <= 0 or not 0 < preprocess.crop_factor <= 100:
        raise ValueError("scale and crop_factor must be above zero")
    return preprocess


def _checked_architecture(architecture: dict[str, Any]) -> dict[str, Any]:
    size = architecture.get("descriptor_size", 1)
    if not isinstance(architecture.get("type", ""), str) or not isinstance(architecture.get("depthwise", False), bool):
        raise ValueError("type must be a text and depthwise true or false")
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_DESCRIPTOR:
        raise ValueError(f"descriptor_size must be a whole number of 1 to {MAX_DESCRIPTOR}, not {size!r:.40}")
    return architecture


def _checked_keys(by_pair: dict[str, Any]) -> dict[str, Any]:
    for key in by_pair:
        if key != POOLED:
            pair_from_key(key)
    return by_pair


def _checked_name(name: str) -> str:
    if not name.isprintable() or not name.strip():
        raise ValueError("must be printable")
    return name


Vector = Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_DESCRIPTOR)]
Point = Annotated[OperatingPoint, AfterValidator(_checked_point)]
Points = Annotated[dict[str, tuple[Point, ...]], AfterValidator(_checked_keys)]
Histogram = Annotated[ScoreHistogram, AfterValidator(_checked_histogram)]
Surface = Annotated[OperatingSurface, AfterValidator(operating_surface.checked)]
Templates = tuple[Annotated[TemplateRates, AfterValidator(template_rates.checked)], ...]


@dataclass(frozen=True)
class Card:
    """See the fields; `extra` keeps what a card holds beyond them, so that saving a loaded card loses nothing."""

    name: Annotated[str, Field(max_length=200), AfterValidator(_checked_name)]
    title: str
    # {"type": "SqueezeFacePoseNet", "depthwise": bool, "descriptor_size": int} or
    # {"type": "onnx", "descriptor_size": int, "output": name, "external_data": {file name: SHA-256}}
    architecture: Annotated[dict[str, Any], AfterValidator(_checked_architecture)]
    preprocess: Annotated[Preprocess, AfterValidator(_checked_preprocess)]
    licence: str
    weights_sha256: str = ""
    parameters: Count | None = None
    descriptor_mean: Vector | None = None  # subtracted from every descriptor
    # unit vector, frontal to profile; centred descriptors lose their part along it
    pose_direction: Vector | None = None
    mirror_sum: bool = False  # add the descriptor of the mirrored crop
    training: dict[str, Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)  # measured: {"data", "command", "pose_pair", ...}
    limits: str = ""
    operating_points: Points = field(default_factory=dict)  # by pair key or "pooled"
    histograms: Annotated[dict[str, Histogram], AfterValidator(_checked_keys)] = field(default_factory=dict)
    surface: Surface | None = None  # operating points by estimated yaw
    templates: Templates = ()  # error rates of sides of several photos
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the file holds them."""
        record = {name: getattr(self, name) for name in _PLAIN}
        record["preprocess"] = self.preprocess.to_json()
        for name in _VECTORS:
            vector = getattr(self, name)
            record[name] = None if vector is None else list(vector)
        record["operating_points"] = {k: [vars(p) for p in v] for k, v in self.operating_points.items()}
        record["histograms"] = {k: vars(v) for k, v in self.histograms.items()}
        if self.surface is not None:
            record["surface"] = asdict(self.surface)
        if self.templates:
            record["templates"] = [asdict(rates) for rates in self.templates]
        return record | self.extra

    @classmethod
    def from_json(cls, record: Any) -> Card:
        """The card of a record as `to_json` gives it.

        Raises ValueError, which names the field, if one is missing or does not hold what it should.
        """
        if not isinstance(record, dict):
            raise ValueError("it is not a JSON object")
        known = {each.name for each in fields(cls)} - {"extra"}
        held = {name: value for name, value in record.items() if name in known}
        _check_fields("preprocess", held.get("preprocess"), Preprocess, ("geometry", "size", "mean", "scale"))
        points = held.get("operating_points")
        for key, listed in points.items() if isinstance(points, dict) else ():
            for point in listed if isinstance(listed, list) else ():
                _check_fields(f"operating_points.{key:.60}", point, OperatingPoint, ("target_fmr", "threshold"))
        extra = {name: value for name, value in record.items() if name not in known}
        text = json.dumps(held | {"extra": extra}, allow_nan=False)
        try:
            return _reader().validate_json(text, strict=True)
        except ValidationError as error:
            raise ValueError(_in_words(error)) from error


@functools.cache
def _reader() -> TypeAdapter[Card]:
    return TypeAdapter(Card)


def _check_fields(where: str, record: Any, kind: type, needed: tuple[str, ...]) -> None:
    """Raise ValueError for an unknown field, and for a missing one whose default would be this project's own habit."""
    if not isinstance(record, dict):
        return  # said better by the reader
    if unknown := sorted(set(record) - {each.name for each in fields(kind)}):
        raise ValueError(f"{where} has a field {unknown[0]!r:.60}, which is not known")
    if missing := [name for name in needed if name not in record]:
        raise ValueError(f"{where}.{missing[0]} is missing")


def _in_words(error: ValidationError) -> str:
    """'operating_points.pooled.0.threshold should be a valid number, not a text'."""
    first, *others = error.errors(include_url=False)
    where = ".".join(str(part)[:60] for part in first["loc"]) or "it"
    what = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    missing = first["type"] in ("missing", "missing_argument")
    words = f"{where} is missing" if missing else f"{where}: {what[:1].lower()}{what[1:]}"
    return " ".join(words.split())[:300] + (f", and {len(others)} more" if others else "")


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
_NUMBERS = re.compile(r"\[\n[-+.,eE\d\s]*\]")  # a list of numbers only, which then stands on one line
_VECTORS = ("descriptor_mean", "pose_direction")  # of the descriptor's size, or null


def card_path(weights: Path) -> Path:
    """Where the card of a weights file lies."""
    return weights.with_suffix(".json")


def load_card(weights: Path) -> Card:
    """The card beside a weights file. Raises UserError if it is missing or not a card."""
    path = card_path(weights)
    if not path.is_file():
        raise UserError(
            f"{weights}: its card {path.name} is missing beside it, and weights cannot be used without one; "
            f"make it with: python -m sfpn make-card {weights}"
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES / 1e6:.0f} MB")
        return Card.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError, RecursionError) as error:
        why = str(error) if not isinstance(error, RecursionError) else "it is nested too deeply"
        raise UserError(f"{path}: not a valid card ({why}); restore it or make the weights again") from error


def save_card(card: Card, weights: Path) -> None:
    """Write the card beside its weights, whole or not at all. Raises ValueError for a number that is not finite."""
    text = json.dumps(card.to_json(), indent=1, allow_nan=False)
    write_text(_NUMBERS.sub(lambda found: "".join(found[0].split()), text) + "\n", card_path(weights))
