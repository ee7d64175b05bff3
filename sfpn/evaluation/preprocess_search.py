"""Which preprocessing a network without a card was made for, judged by how well it then tells people apart.

A network tells nobody what it was trained on, but used otherwise it errs more: every plausible setting is tried on the
same faces and the equal error rates stand side by side. This is evidence for a choice, no measure of the network: the
faces are few, and those that ship with the project are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from PIL import Image

from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation import metrics
from sfpn.photos.detector import Face
from sfpn.photos.preprocess import Preprocess

PEOPLE, PICTURES_EACH = 16, 6
BATCH = 16
UNSURE_EER = 0.35  # above it no setting can be told from guessing
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
    """A setting and the equal error rate (0-1) with it, of so many comparisons; NaN where embeddings are no numbers."""

    preprocess: Preprocess
    eer: float
    genuine: int
    impostor: int


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
        raise UserError(f"{dataset.folder}: has no two people with two pictures each, frontal or three-quarter")
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


def try_settings(forward: Forward, faces: Sequence[LabelledFace], tried: Sequence[Preprocess]) -> list[Tried]:
    """Every setting with its equal error rate over all pairs of the faces, best first."""
    identities = np.array([face.identity for face in faces])
    first, second = np.triu_indices(len(faces), 1)
    same = identities[first] == identities[second]
    crops: dict[tuple, list[Image.Image]] = {}
    found = []
    for setting in tried:
        key = (setting.geometry, setting.size, setting.crop_factor, setting.padding)
        if key not in crops:
            crops[key] = [setting.crop(face.image, face.face) for face in faces]
        inputs = setting.tensor(crops[key]).numpy()
        parts = [forward(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
        embeddings = np.concatenate(parts).astype(np.float64)
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        eer = np.nan
        if np.isfinite(lengths).all() and lengths.all():
            unit = embeddings / lengths
            scores = (unit @ unit.T)[first, second]
            eer = metrics.eer(scores[same], scores[~same]).rate
        found.append(Tried(setting, float(eer), int(same.sum()), int((~same).sum())))
    return sorted(found, key=lambda each: (np.isnan(each.eer), each.eer))
