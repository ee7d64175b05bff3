"""SqueezeFacePoseNet: the network, its preprocessing, the verification protocol and every number the demo shows.

    from sfpn import Verifier

    verifier = Verifier.from_pretrained("base")
    comparison = verifier("a.jpg", "b.jpg")
    print(comparison.decision, comparison.score, comparison.rule.point.fmr)

The names below are loaded at first use: importing the package costs nothing and loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfpn.data.dataset import FaceDataset
    from sfpn.evaluation.evaluate import evaluate
    from sfpn.evaluation.report import Report
    from sfpn.network.embedders import load_embedder
    from sfpn.network.model import SFPN
    from sfpn.photos.detector import FaceDetector
    from sfpn.photos.photo import load_photo
    from sfpn.verification.verifier import Verifier

__all__ = ["SFPN", "FaceDataset", "FaceDetector", "Report", "Verifier", "evaluate", "load_embedder", "load_photo"]

_HOMES = {
    "SFPN": "sfpn.network.model",
    "FaceDataset": "sfpn.data.dataset",
    "FaceDetector": "sfpn.photos.detector",
    "Report": "sfpn.evaluation.report",
    "Verifier": "sfpn.verification.verifier",
    "evaluate": "sfpn.evaluation.evaluate",
    "load_embedder": "sfpn.network.embedders",
    "load_photo": "sfpn.photos.photo",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
