"""What the app loaded, handed to every tab."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from demo.common.own_models import Rules as ModelRules
from demo.common.own_sets import Rules
from demo.examples import Example
from sfpn.data.dataset import FaceDataset
from sfpn.evaluation.report import Report
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector


@dataclass(frozen=True)
class Loaded:
    """Models by the name shown in the app, the first being the default; the rest may be missing (None or empty)."""

    models: dict[str, Embedder]
    detector: FaceDetector
    dataset: FaceDataset | None
    reports: tuple[Report, ...]
    examples: tuple[Example, ...]
    public: bool = False  # anybody may open the page: nothing is written, and no heavy work is offered
    own_sets: Rules | None = None  # what visitors may bring; None: nothing
    own_models: ModelRules | None = None  # whether visitors may bring a model, and of which size
    weights: dict[str, Path | str] = field(default_factory=dict)  # of each model: a bundled name or a file
    cdn: bool = False  # browsers load ONNX Runtime from a public CDN

    @property
    def default_model(self) -> str:
        return next(iter(self.models))
