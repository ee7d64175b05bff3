"""From datasets to the weights and the card of the pose estimator."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.files import whole_file, write_text
from sfpn.network import checkpoint
from sfpn.photos.pose import ASIDE, CROP_FACTOR, CROP_SIZE, DOUBTFUL_BELOW, MEAN, WIDER, PoseNet, loaded_network
from sfpn.schema import FRONTAL_BELOW_DEGREES, PROFILE_FROM_DEGREES, pose_from_yaw
from sfpn.training.pose.faces import EXACT, RIG, UNLABELLED, PosedFaces, joined, read_faces
from sfpn.training.pose.student import corrected, rounded, seen_by, targets_for_student, train_student
from sfpn.training.pose.teacher import (
    UNSURE_DETECTION,
    Views,
    head_offsets,
    labels_for_teacher,
    make_views,
    taught,
    wrapped,
)
from sfpn.training.pose.views import estimator_crops
from sfpn.training.settings import setting

FACTOR_WITHOUT_DRAWN = 2.0
UNLABELLED_FACES = 750
QUANTILE = 0.68  # of the errors that an uncertainty covers
YAW_EDGES = (0.0, FRONTAL_BELOW_DEGREES, PROFILE_FROM_DEGREES, 181.0)
YAW_KNOTS = (10.0, 42.5, 80.0)  # where the uncertainty of each range of |yaw| holds; in between it is interpolated
PITCH_EDGES = (-90.0, -15.0, 15.0, 90.0)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class PoseConfig:
    """What the result depends on."""

    steps: int = setting(5500, "of the small network, 96 faces each", positive=True)
    folds: int = setting(
        4, "of the people on the rig: networks that did not see them give the uncertainty", positive=True
    )
    fold_steps: int = setting(700, "of each of those networks", positive=True)
    seed: int = setting(0, "of everything that is drawn by chance")
    start_from: str | None = setting(None, "go on from this pose.safetensors, not from the base network's first layers")


def train(
    config: PoseConfig, selections: Sequence[Selection], calibrating: Sequence[Selection], out: Path, tell: Tell
) -> dict:
    """Write OUT/pose.safetensors and OUT/pose.json; returns the card. Raises UserError for data without known poses.

    calibrating: people and drawn heads beside those trained on, with known directions. The card tells the errors on
    them; the uncertainties are errors on all people with known directions, each by a network that did not see them.
    """
    if (out / "pose.safetensors").exists():
        raise UserError(f"{out} has weights already; remove it or choose another --out")
    faces = thinned(read_faces(selections), config.seed)
    tell(f"{len(faces)} faces: " + ", ".join(f"{count} {kind}" for kind, count in _counts(faces).items()))
    unseen = read_faces(calibrating)
    everyone = joined([faces, unseen.where(unseen.kind == RIG)])
    views, trained_on = make_views(everyone, config.seed, tell), np.arange(len(everyone)) < len(faces)
    start = loaded_network(Path(config.start_from)) if config.start_from else None
    network = train_on(faces, views.of_faces(trained_on), config.steps, config.seed, tell, start)
    card = make_card(network, faces, unseen, out_of_fold(everyone, views, config, tell), config)
    card |= {"data": [_described(s) for s in selections], "calibrated_on": [_described(s) for s in calibrating]}
    save_estimator(network, card, out)
    return card


def thinned(faces: PosedFaces, seed: int) -> PosedFaces:
    """At most UNLABELLED_FACES faces of which nothing is known, by chance: they hardly turn, and are many."""
    unlabelled = np.flatnonzero(faces.kind == UNLABELLED)
    surplus = np.random.default_rng(seed).permutation(unlabelled)[UNLABELLED_FACES:]
    return faces.where(np.setdiff1d(np.arange(len(faces)), surplus))


def train_on(
    faces: PosedFaces, views: Views, steps: int, seed: int, tell: Tell, start: PoseNet | None = None
) -> PoseNet:
    """The network, its answers corrected and its weights rounded as they are stored."""
    torch.set_num_threads(1)
    offsets = head_offsets(faces, views)
    lesson = taught(faces, views, labels_for_teacher(faces, offsets), seed)
    targets = targets_for_student(faces, offsets, lesson)
    return rounded(corrected(train_student(faces, targets, steps, seed, tell, start)))


@dataclass(frozen=True)
class OutOfFold:
    """Faces on the rig, and their yaw, pitch and roll (3, N) as networks see them that did not see these people."""

    faces: PosedFaces
    seen: np.ndarray


def out_of_fold(faces: PosedFaces, views: Views, config: PoseConfig, tell: Tell) -> OutOfFold:
    """All people on the rig, a fold of them at a time, by networks trained on everything else for fold_steps.

    These trainings are shorter than that of the network that is kept, so that their errors are rather too large.
    """
    rig = faces.kind == RIG
    people = np.unique(faces.person[rig])
    folds, seen = min(config.folds, len(people)), np.full((3, len(faces)), np.nan)
    for number in range(folds):
        tell(f"fold {number + 1} of {folds}")
        held = rig & np.isin(faces.person, people[number::folds])
        network = train_on(faces.where(~held), views.of_faces(~held), config.fold_steps, config.seed + number, tell)
        kept_out = faces.where(held)
        seen[:, held] = seen_by(network, estimator_crops(kept_out.squares), kept_out.landmarks)
    return OutOfFold(faces.where(rig), seen[:, rig])


def make_card(network: PoseNet, faces: PosedFaces, unseen: PosedFaces, folds: OutOfFold, config: PoseConfig) -> dict:
    """What the estimator is, what it was trained on, and by how much it is wrong for people it never saw."""
    known = unseen.where(np.isin(unseen.kind, (RIG, EXACT)))
    seen = seen_by(network, estimator_crops(known.squares), known.landmarks)
    rig = known.kind == RIG
    return {
        "title": "Pose estimator: yaw, pitch and roll of a face",
        "architecture": "SqueezeNet's first layers (stride 2, fire2 to fire5), 3x3 averages and five landmarks, "
        "a hidden layer of 48 beside a linear map; the mean with the mirror image",
        "licence": "non-commercial research: its first layers start from the base network's",
        "started_from": {"weights": "base", "sha256": checkpoint.file_sha256(checkpoint.resolve("base"))},
        "crop": {"size": CROP_SIZE, "factor": CROP_FACTOR, "mean": list(MEAN)},
        "second_view": {"below_length": DOUBTFUL_BELOW, "aside": ASIDE, "wider": WIDER},
        "made": datetime.date.today().isoformat(),
        "settings": asdict(config),
        "faces": _counts(faces),
        "uncertainty": uncertainty_of(
            joined([folds.faces, known.where(~rig)]), np.concatenate([folds.seen, seen[:, ~rig]], 1)
        ),
        "errors": {
            "people": error_table(known.where(rig), seen[:, rig]),
            "drawn": error_table(known.where(~rig), seen[:, ~rig]),
        },
        "limits": "Errors are those of the first view alone, against the rig's angles, beside which people hold their "
        "heads by 6 degrees on average; from photographs labelled only as profiles the network learned to call them 80 "
        "degrees.",
    }


def uncertainty_of(faces: PosedFaces, seen: np.ndarray) -> dict:
    """What 68 % of the estimates are at most wrong by, by |estimated yaw|: of people on the rig, against its angles.

    Apart from them, faces that the detector is not sure of, whose boxes may lie beside the face: how many times as
    wrong the estimates of drawn ones are. There are too few such photos of people.
    """
    errors = {"yaw_degrees": np.abs(wrapped(seen[0] - faces.yaw)), "pitch_degrees": np.abs(seen[1] - faces.pitch)}
    unsure, rig = faces.confidence < UNSURE_DETECTION, faces.kind == RIG
    ranges = np.digitize(np.abs(seen[0]), YAW_EDGES[1:-1])
    record: dict = {"covers": QUANTILE, "abs_yaw_degrees": list(YAW_KNOTS)}
    factors: dict = {"below_confidence": UNSURE_DETECTION, "drawn": int((unsure & ~rig).sum())}
    for angle, error in errors.items():
        within = [rig & ~unsure & (ranges == number) for number in range(len(YAW_KNOTS))]
        record[angle] = [_quantile(error[here if here.any() else rig]) for here in within]
        many = _quantile(error[unsure & ~rig]) / max(_quantile(error[~unsure & ~rig]), 0.1)
        factors[f"times_{angle}"] = round(max(many, 1.0), 2) if factors["drawn"] else FACTOR_WITHOUT_DRAWN
    return record | {"unsure": factors, "photos": int(rig.sum()), "people": len(set(faces.person[rig]))}


def _quantile(errors: np.ndarray) -> float:
    return round(float(np.quantile(errors, QUANTILE)), 1) if len(errors) else 90.0


def error_table(faces: PosedFaces, seen: np.ndarray) -> list[dict]:
    """Mean absolute errors in degrees and share of poses named right, by true |yaw| and pitch."""
    table = []
    for low, high in zip(YAW_EDGES, YAW_EDGES[1:], strict=False):
        for lowest, highest in zip(PITCH_EDGES, PITCH_EDGES[1:], strict=False):
            turn, lift = np.abs(faces.yaw), faces.pitch
            here = (turn >= low) & (turn < high) & (lift >= lowest) & (lift < highest)
            if here.any():
                table.append(
                    {"abs_yaw": [low, high], "pitch": [lowest, highest]} | errors_of(faces.where(here), seen[:, here])
                )
    return table


def errors_of(faces: PosedFaces, seen: np.ndarray) -> dict:
    """Mean absolute errors, degrees, and the share of poses named right."""
    right = [pose_from_yaw(a) == pose_from_yaw(b) for a, b in zip(seen[0], faces.yaw, strict=True)]
    return {
        "photos": len(faces),
        "yaw_error": round(float(np.abs(wrapped(seen[0] - faces.yaw)).mean()), 2),
        "pitch_error": round(float(np.abs(seen[1] - faces.pitch).mean()), 2),
        "named_right": round(float(np.mean(right)), 4),
    }


def save_estimator(network: PoseNet, card: dict, out: Path) -> None:
    """OUT/pose.safetensors in half precision, and its card with its hash beside it."""
    out.mkdir(parents=True, exist_ok=True)
    encoded = save({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()})
    with whole_file(out / "pose.safetensors") as temporary:
        temporary.write_bytes(encoded)
    record = card | {"weights_sha256": hashlib.sha256(encoded).hexdigest()}
    write_text(json.dumps(record, indent=1) + "\n", out / "pose.json")


def _counts(faces: PosedFaces) -> dict[str, int]:
    names, counts = np.unique(faces.kind, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _described(selection: Selection) -> dict:
    return {"title": selection.title, "fingerprint": selection.dataset.fingerprint}
