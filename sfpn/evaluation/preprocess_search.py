"""Which preprocessing a network without a card was made for, judged by how well it then tells people apart.

A network tells nobody what it was trained on, but used otherwise it errs more: every plausible setting is tried on the
same faces and the equal error rates stand side by side. This is evidence for a choice, no measure of the network: the
faces are few, and those that ship with the project are drawn. How sure the choice is, a bootstrap over the people says:
in how many of the resamples the same setting has the lowest rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from PIL import Image

from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation import metrics
from sfpn.evaluation.bootstrap import Draws
from sfpn.photos.detector import Face
from sfpn.photos.preprocess import Preprocess

PEOPLE, PICTURES_EACH = 16, 6
BATCH = 16
UNSURE_EER = 0.35  # above it no setting can be told from guessing
SURE_SHARE = 0.95  # of the resamples in which a setting has to be the best, to be called so without a doubt
ROUNDS = 200  # resamples of the people
NORMALISATIONS = (  # mean (RGB) and scale, of the families of networks there are
    ((127.5, 127.5, 127.5), 127.5),  # ArcFace, EdgeFace, FaceNet: -1..1
    ((0.0, 0.0, 0.0), 255.0),  # 0..1
    ((0.0, 0.0, 0.0), 1.0),  # 0..255
    ((131.0912, 103.8827, 91.4953), 1.0),  # VGGFace2: less the mean of its pictures
    ((123.675, 116.28, 103.53), 57.4),  # ImageNet
)

Forward = Callable[[np.ndarray], np.ndarray]  # (B, 3, size, size) float32 -> (B, D)


@dataclass(frozen=True)
class LabelledFace:
    """A picture, the face in it, and whose it is."""

    identity: str
    image: Image.Image
    face: Face


@dataclass(frozen=True)
class Tried:
    """A setting and the equal error rate (0-1) with it, of so many comparisons; NaN where embeddings are no numbers.

    d_prime: how far genuine and impostor scores lie apart, in standard deviations. best_share: in how many of the
    resamples of the people (0-1) this setting has the lowest EER of all, shared where several have.
    """

    preprocess: Preprocess
    eer: float
    genuine: int
    impostor: int
    d_prime: float = math.nan
    best_share: float = math.nan


def some_faces(dataset: FaceDataset) -> list[LabelledFace]:
    """A few frontal and three-quarter pictures of a few people, those with the most. Raises UserError for too few."""
    rows = dataset.rows()
    usable = rows["box_xyxy"].notna() & rows["pose"].isin(["frontal", "three_quarter"])
    of_person: dict[str, list[str]] = {}
    for row_id, identity in sorted(zip(rows["row_id"][usable], rows["identity"][usable], strict=True)):
        of_person.setdefault(identity, []).append(row_id)
    people = sorted(of_person, key=lambda identity: (-len(of_person[identity][:PICTURES_EACH]), identity))[:PEOPLE]
    identities = {row_id: each for each in people for row_id in of_person[each][:PICTURES_EACH]}
    if len([each for each in people if len(of_person[each]) > 1]) < 2:
        raise UserError(f"{dataset.name}: has no two people with two pictures each, frontal or three-quarter")
    pictures = dataset.pictures(set(identities))
    return [
        LabelledFace(identities[picture.row_id], picture.decode(), picture.face)
        for picture in pictures
        if picture.face is not None
    ]


def settings(size: int, given: dict) -> list[Preprocess]:
    """The settings to try; `given` fixes fields of Preprocess by name."""
    made: list[Preprocess] = []
    for geometry, (mean, scale), channels in product(("five_point", "box"), NORMALISATIONS, ("RGB", "BGR")):
        padding = "black" if geometry == "five_point" else "edge"
        setting = Preprocess(geometry=geometry, size=size, padding=padding, mean=mean, scale=scale, channels=channels)
        setting = replace(setting, **given)
        if setting not in made:
            made.append(setting)
    return made


def try_settings(
    forward: Forward,
    faces: Sequence[LabelledFace],
    tried: Sequence[Preprocess],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Tried]:
    """Every setting with its equal error rate over all pairs of the faces, best first; `progress` may raise to stop."""
    people, numbers = np.unique([face.identity for face in faces], return_inverse=True)
    first, second = np.triu_indices(len(faces), 1)
    same = numbers[first] == numbers[second]
    weights = Draws.of(len(people), ROUNDS).weights[:, numbers]
    drawn = np.where(same, weights[:, first], weights[:, first] * weights[:, second])  # see sfpn.evaluation.bootstrap
    crops: dict[tuple, list[Image.Image]] = {}
    found, rates = [], []
    for number, setting in enumerate(tried):
        progress(number, len(tried))
        key = (setting.geometry, setting.size, setting.crop_factor, setting.padding)
        if key not in crops:
            crops[key] = [setting.crop(face.image, face.face) for face in faces]
        scores = _scores(forward, setting, crops[key])
        eer, d_prime, rounds = math.nan, math.nan, np.full(ROUNDS, np.inf)
        if scores is not None:
            scores = scores[first, second]
            eer, d_prime = metrics.eer(scores[same], scores[~same]).rate, metrics.d_prime(scores[same], scores[~same])
            rounds = resampled_eers(scores, same, drawn)
        found.append(Tried(setting, float(eer), int(same.sum()), int((~same).sum()), float(d_prime)))
        rates.append(rounds)
    progress(len(tried), len(tried))
    shares = _best_shares(np.array(rates))
    found = [replace(each, best_share=float(share)) for each, share in zip(found, shares, strict=True)]
    return sorted(found, key=lambda each: (np.isnan(each.eer), each.eer, -np.nan_to_num(each.d_prime)))


def resampled_eers(scores: np.ndarray, same: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(rounds,) equal error rates of scores (n,) whose comparisons count `weights` (rounds, n) times."""
    order = np.argsort(scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of the comparisons with equal scores
    below = []
    for kind in (same, ~same):
        counted = np.cumsum(np.where(kind, weights, 0)[:, order], axis=1, dtype=np.float64)[:, last]
        below.append(counted / np.maximum(counted[:, -1:], 1))
    fnmr, fmr = below[0], 1 - below[1]  # just above each score
    at = (np.arange(len(weights)), np.argmax(fnmr >= fmr, axis=1))
    before = (at[0], np.maximum(at[1] - 1, 0))
    fnmr_at, fmr_at = np.where(at[1] > 0, fnmr[before], 0), np.where(at[1] > 0, fmr[before], 1)
    return metrics.crossing(fmr_at, fnmr_at, fmr[at], fnmr[at])


def doubts(tried: Sequence[Tried]) -> str:
    """One sentence on how far the choice of the first can be trusted. Raises UserError if nothing could be measured."""
    best = tried[0]
    if math.isnan(best.eer):
        raise UserError(
            "the embeddings are not finite numbers or all zero, whatever the preprocessing; export it again"
        )
    if best.eer > UNSURE_EER:
        return "No setting tells these people apart: check that it is a face network, and say yourself what it needs."
    if len(tried) == 1:
        return ""
    won = f"The first is the best in {100 * best.best_share:.0f} % of {ROUNDS} resamples of the people"
    if best.best_share < SURE_SHARE:
        return f"{won}: the first ones are too close to tell apart here; say yourself what you know."
    return f"{won}."


def in_words(preprocess: Preprocess) -> str:
    """'five_point 112 px, RGB, (pixel - 127.5) / 127.5'."""
    mean = " ".join(f"{value:g}" for value in dict.fromkeys(preprocess.mean))
    box = f" x {preprocess.crop_factor:g}" if preprocess.geometry == "box" else ""
    crop = f"{preprocess.geometry}{box} {preprocess.size} px"
    return f"{crop}, {preprocess.channels}, (pixel - {mean}) / {preprocess.scale:g}"


def chosen_by(tried: Sequence[Tried], dataset: str) -> str:
    """For the card: why the first preprocessing was taken; `dataset` is the name of the set that it was tried on."""
    best = tried[0]
    if not best.genuine:
        return "given"
    return (
        f"lowest of {len(tried)} EERs on {dataset}: {best.eer:.3f} ({best.genuine} genuine, {best.impostor} impostor)"
    )


def _scores(forward: Forward, setting: Preprocess, crops: list[Image.Image]) -> np.ndarray | None:
    """(n, n) cosines of all crops; None where embeddings are no numbers."""
    inputs = setting.tensor(crops).numpy()
    parts = [forward(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    embeddings = np.concatenate(parts).astype(np.float64)
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        return None
    unit = embeddings / lengths
    return unit @ unit.T


def _best_shares(rates: np.ndarray) -> np.ndarray:
    """(settings,) share of the rounds in which each has the lowest of rates (settings, rounds), ties divided."""
    best = (rates == rates.min(axis=0)) & np.isfinite(rates)
    return (best / np.maximum(best.sum(axis=0), 1)).mean(axis=1)
