"""The end of a run: batch normalisation folded, descriptor mean, operating points, results and card, all by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sfpn.data.selection import Selection
from sfpn.evaluation import metrics
from sfpn.evaluation.calibrate import CellScores, calibrate_mean, calibrate_points
from sfpn.network import checkpoint
from sfpn.network.card import Card, save_card
from sfpn.network.model import SFPN, fold_batch_norm
from sfpn.schema import pair_record

LIMITS = (
    "Thresholds are measured on press photos of celebrities; "
    "expect other error rates on children, low resolution, masks, "
    "heavy occlusion and other cameras. Not for identifying people, not for decisions about them."
)


@dataclass(frozen=True)
class Measuring:
    """Whom finished weights are measured on. Parse it before training: a misspelt folder should cost no run."""

    mean_from: Selection | None = None  # descriptor mean
    remove_pose_direction: bool = False  # see sfpn.evaluation.calibrate.pose_direction
    set_on: tuple[Selection, ...] = ()  # thresholds
    measure_on: tuple[Selection, ...] = ()  # error rates at these thresholds, and EER


@dataclass(frozen=True)
class Outcome:
    """How a sitting of a run ended: after which step, and with which weights (None: stopped, the run can go on)."""

    step: int
    weights: Path | None
    main: bool = True  # among several processes, the one that writes


def variant(depthwise: bool) -> tuple[str, str]:
    """The short name of a network's variant, and its words in a card's title."""
    return ("depthwise", "3x3 expands grouped by channel (depth-wise variant)") if depthwise else ("base", "base")


def finish_run(network: SFPN, card: Card, path: Path, measuring: Measuring) -> Card:
    """Write the network, folded, as `path` (.safetensors) with its card beside it, measured as asked; returns the card.

    The network may have batch normalisation; it is put into evaluation mode. Repeating it overwrites both files.
    """
    checkpoint.save(fold_batch_norm(network.eval().cpu()), card, path)
    if measuring.mean_from:
        calibrate_mean(path, measuring.mean_from, measuring.remove_pose_direction)
    if measuring.set_on:
        measured = calibrate_points(path, list(measuring.set_on), list(measuring.measure_on))
        card = checkpoint.load_checked_card(path)
        save_card(replace(card, results=[_result(key, cell) for key, cell in measured.items()]), path)
    return checkpoint.load_checked_card(path)


def _result(key: str, cell: CellScores) -> dict:
    """What the card keeps of one pose pair: all comparisons of faces that were found."""
    return {
        "data": cell.source,
        "protocol": "all-pairs, undetected faces left out",
        **pair_record(key),
        "template_size": 1,
        "genuine": cell.genuine.total,
        "impostor": cell.impostor.total,
        "eer": round(metrics.eer(cell.genuine, cell.impostor).rate, 5),
    }
