"""Verification protocols: which images are compared with which. Pure; nothing here knows a model or a file.

* vggface2-pose: every possible comparison of the images that have a `template` label, and of their templates, in the
  six pose pairs. On VGGFace2-Pose (368 subjects x 3 poses x 10 images in 2 templates of 5): templates 368 genuine in a
  same-pose cell and 1,472 in a cross-pose cell; single images 16,560 and 36,800.
* cfp: the official frontal-frontal and frontal-profile pairs, per fold and pooled (10 folds x 350 genuine and 350
  impostor each), accuracy of a fold at the threshold best on the other folds; and every profile-profile pair.
* lfw: the official pairs, pooled and by the estimated pose of their images.
* all-pairs: every pair of images, pooled and by pose pair.
* templates: templates drawn at random, all mixes of one to three poses a side (sfpn.evaluation.templates).
all-pairs, vggface2-pose and cfp also give every pair of their images by |yaw difference|, where the yaw is known
(protocol name "yaw-difference"), and with it the error map over yaw and pitch (sfpn.evaluation.measure_map).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sfpn.errors import UserError
from sfpn.evaluation import metrics
from sfpn.evaluation.comparisons import AllPairs, PairList, Samples, by_pose_pair, directions
from sfpn.evaluation.measure import Plan
from sfpn.evaluation.tally import tally
from sfpn.evaluation.templates import draw_templates, sides_of
from sfpn.schema import POOLED, POSE_PAIRS, PosePair, pair_key, pose_pair

YAW_DIFFERENCE = "yaw-difference"
YAW_BANDS = ((0.0, 15.0), (15.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 75.0), (75.0, 90.0), (90.0, 180.0))
CFP_PAIRS: dict[str, PosePair] = {"FF": ("frontal", "frontal"), "FP": ("frontal", "profile")}
LFW_PAIRS = "LFW"

Planned = tuple[Samples, Plan]


@dataclass(frozen=True)
class Protocol:
    """`choose` picks the row_ids to embed; `plan` says what to compare. `pairs_of` names its official pairs.

    Where `folds_are_people` the folds only say whose images are compared, and without --folds everybody's are.
    Tables: `rows` has the dataset's columns without the image; `pairs` has protocol, fold, row_id_a, row_id_b, same.
    """

    choose: Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
    plan: Callable[[Samples, pd.DataFrame, int], list[Planned]]  # samples, official pairs, seed
    pairs_of: tuple[str, ...] = ()
    folds_are_people: bool = False


def official_pairs(protocol: Protocol, pairs: pd.DataFrame, folds: Iterable[int] | None) -> pd.DataFrame:
    """The official pairs that a protocol uses, of the given folds (None: all). Raises UserError if there are none."""
    chosen = pairs.loc[pairs["protocol"].isin(protocol.pairs_of)]
    if folds is not None and not protocol.pairs_of:
        raise UserError("--folds is for a protocol with official folds (cfp, lfw); leave it out")
    if not protocol.pairs_of or (protocol.folds_are_people and folds is None):
        return chosen.iloc[:0]
    if chosen.empty:
        names = " or ".join(protocol.pairs_of)
        raise UserError(f"this dataset has no official pairs ({names}): take --protocol all-pairs, which needs none")
    missing = sorted(set(folds or ()) - set(chosen["fold"]))
    if missing:
        wanted, there = (", ".join(map(str, numbers)) for numbers in (missing, sorted(set(chosen["fold"]))))
        raise UserError(f"--folds {wanted}: this dataset has official pairs of fold {there} only")
    return chosen if folds is None else chosen.loc[chosen["fold"].isin(list(folds))]


def pose_cells(name: str, samples: Samples, template_size: int = 1) -> list[Planned]:
    """Every comparison in each of the six pose pairs that occur."""
    return [
        (samples, Plan(name, pair_key(pair), comparisons, template_size=template_size))
        for pair, comparisons in by_pose_pair(samples)
    ]


def yaw_cells(samples: Samples) -> list[Planned]:
    """Every comparison of images with known yaw, by |yaw difference| in degrees."""
    known = np.flatnonzero(np.isfinite(samples.yaw_degrees))
    if not len(known):
        return []
    return [(samples, Plan(YAW_DIFFERENCE, None, AllPairs(known, yaw_band=band), yaw_band=band)) for band in YAW_BANDS]


def template_samples(samples: Samples) -> Samples:
    """One sample per (subject, pose, template): the mean of its unit embeddings, normalised again.

    Images without a found face are left out of the mean, unless the template has no other: it then counts as a failure
    to acquire. The template is named by its first image. Subjects keep their codes.
    """
    labelled = np.flatnonzero(samples.templates != "")
    columns = [samples.subjects[labelled], samples.poses[labelled], samples.templates[labelled]]
    groups = pd.DataFrame(dict(enumerate(columns))).groupby([0, 1, 2], sort=True).ngroup().to_numpy()
    order = labelled[np.argsort(groups, kind="stable")]
    starts = np.flatnonzero(np.diff(np.sort(groups), prepend=-1))
    found = samples.acquired[order]
    acquired = np.logical_or.reduceat(found, starts)
    weights = (found | ~np.repeat(acquired, np.diff(starts, append=len(order)))).astype(np.float32)
    means = np.add.reduceat(samples.embeddings[order] * weights[:, None], starts)
    first = order[starts]
    return replace(
        samples,
        row_ids=samples.row_ids[first],
        subjects=samples.subjects[first],
        poses=samples.poses[first],
        embeddings=directions(means),
        yaw_degrees=np.full(len(first), np.nan, np.float32),
        acquired=acquired,
        templates=samples.templates[first],
    )


def fold_accuracies(samples: Samples, folds: dict[int, PairList]) -> dict[int, float]:
    """Accuracy of each fold at the threshold that is best on the other folds; empty with fewer than two folds."""
    if len(folds) < 2:
        return {}
    scores = {fold: tally(samples, pairs).treated("whole_image") for fold, pairs in folds.items()}
    found = {}
    for fold, (genuine, impostor) in scores.items():
        others = [scores[other] for other in scores if other != fold]
        joined = [np.concatenate([pair[kind].values for pair in others]) for kind in (0, 1)]
        found[fold] = metrics.accuracy(genuine, impostor, metrics.best_accuracy_threshold(*joined))
    return found


def _vggface2_pose(samples: Samples, pairs: pd.DataFrame, seed: int = 0) -> list[Planned]:
    templates = template_samples(samples)
    size = round(len(samples) / len(templates))
    return [*pose_cells("vggface2-pose", samples), *pose_cells("vggface2-pose", templates, size), *yaw_cells(samples)]


def _all_pairs(samples: Samples, pairs: pd.DataFrame, seed: int = 0) -> list[Planned]:
    pooled = Plan("all-pairs", POOLED, AllPairs(np.arange(len(samples))))
    return [*pose_cells("all-pairs", samples), (samples, pooled), *yaw_cells(samples)]


def _cfp(samples: Samples, pairs: pd.DataFrame, seed: int = 0) -> list[Planned]:
    planned = []
    for name, pair in CFP_PAIRS.items():
        planned += _fold_cells("cfp", pair_key(pair), samples, pairs.loc[pairs["protocol"] == name])
    profile_profile = [cell for cell in pose_cells("all-pairs", samples) if cell[1].pose_pair == "profile-profile"]
    return [*planned, *profile_profile, *yaw_cells(samples)]


def _lfw(samples: Samples, pairs: pd.DataFrame, seed: int = 0) -> list[Planned]:
    planned = _fold_cells("lfw", POOLED, samples, pairs)
    listed = _pair_list(samples, pairs)
    poses = zip(samples.poses[listed.first].tolist(), samples.poses[listed.second].tolist(), strict=True)
    kinds = np.array([_pair_name(a, b) for a, b in poses])
    for pair in POSE_PAIRS:
        chosen = kinds == pair_key(pair)
        if chosen.any():
            planned.append(
                (samples, Plan("lfw", pair_key(pair), PairList(listed.first[chosen], listed.second[chosen])))
            )
    return planned


def _templates(samples: Samples, pairs: pd.DataFrame, seed: int = 0) -> list[Planned]:
    """Cells of one pose pair where each side has one pose; the others carry their sides alone."""
    planned = []
    for sides in sides_of(samples):
        templates, drawn = draw_templates(samples, sides, seed)
        of_one_pose = all(len(mix) == 1 for mix in sides)
        key = pair_key(pose_pair(sides[0][0][0], sides[1][0][0])) if of_one_pose else None
        size = max(sum(count for _, count in mix) for mix in sides)
        planned.append((templates, Plan("templates", key, drawn, template_size=size, sides=sides)))
    return planned


def _fold_cells(name: str, key: str, samples: Samples, pairs: pd.DataFrame) -> list[Planned]:
    """The pooled cell, then one per fold."""
    numbers = sorted(set(pairs["fold"].tolist()))
    folds = {int(fold): _pair_list(samples, pairs.loc[pairs["fold"] == fold]) for fold in numbers}
    reached = fold_accuracies(samples, folds)
    mean = (float(np.mean([*reached.values()])), float(np.std([*reached.values()]))) if reached else None
    cells = [Plan(name, key, _pair_list(samples, pairs), accuracy=mean)]
    cells += [
        Plan(name, key, listed, fold=fold, accuracy=(reached[fold], 0.0) if reached else None)
        for fold, listed in folds.items()
    ]
    return [(samples, cell) for cell in cells]


def _pair_list(samples: Samples, pairs: pd.DataFrame) -> PairList:
    position = pd.Series(np.arange(len(samples)), index=samples.row_ids)
    first, second = (position.loc[pairs[name].tolist()].to_numpy() for name in ("row_id_a", "row_id_b"))
    return PairList(first, second)


def _pair_name(pose_a: str, pose_b: str) -> str:
    return pair_key(pose_pair(pose_a, pose_b)) if pose_a and pose_b else ""


def _rows_with_template(rows: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    labelled = rows["template"].notna() & rows["pose"].notna()
    if not np.any(labelled):
        raise UserError(
            "vggface2-pose needs rows with `template` and `pose` labels and this dataset has none; try all-pairs"
        )
    return rows.loc[labelled, "row_id"].to_numpy()


def _rows_of_named_subjects(rows: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    named = rows["row_id"].isin([*pairs["row_id_a"], *pairs["row_id_b"]])
    return rows.loc[rows["identity"].isin(rows.loc[named, "identity"].unique()), "row_id"].to_numpy()


def posed_rows_of_people(rows: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    """Rows with a pose: of the people that the pairs name, of everybody where there are none."""
    posed = rows.loc[rows["pose"].notna()]
    if not len(posed):
        raise UserError("templates needs rows with `pose` and this dataset has none; build it with detection")
    return _rows_of_named_subjects(posed, pairs) if len(pairs) else posed["row_id"].to_numpy()


def _rows_of_pairs(rows: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    return rows.loc[rows["row_id"].isin([*pairs["row_id_a"], *pairs["row_id_b"]]), "row_id"].to_numpy()


def _every_row(rows: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    return rows["row_id"].to_numpy()


PROTOCOLS = {
    "all-pairs": Protocol(_every_row, _all_pairs),
    "vggface2-pose": Protocol(_rows_with_template, _vggface2_pose),
    "cfp": Protocol(_rows_of_named_subjects, _cfp, tuple(CFP_PAIRS)),
    "lfw": Protocol(_rows_of_pairs, _lfw, (LFW_PAIRS,)),
    "templates": Protocol(posed_rows_of_people, _templates, (*CFP_PAIRS, LFW_PAIRS), folds_are_people=True),
}
