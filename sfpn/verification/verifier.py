"""Two sides of photos -> one Comparison, or a named error that says which photo and why.

A side is one photo or several of the same person. Several photos make a template, as in the paper: the mean of their
normalised embeddings, normalised again. The pose of a side is the pose of most of its photos; of equally frequent
ones, the most frontal; its yaw is the mean of their |yaw|.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from sfpn.data.embeddings import unit_length
from sfpn.errors import UserError
from sfpn.network.embedders import Embedder, check_embeddings, load_embedder
from sfpn.photos.detector import Face, FaceDetector, choose_face, enlarged
from sfpn.photos.finding import Found, find_in_photo, why_no_face
from sfpn.photos.photo import EncodedPhoto, Photo
from sfpn.photos.preprocess import Cut, Preprocess
from sfpn.photos.searched import search_divisor
from sfpn.schema import POSES, PosePair, pose_pair
from sfpn.verification.decision import DEFAULT_FMR, DecisionRule, genuine_quantile, rule_for_fmr
from sfpn.verification.given import GivenSide, photos_of
from sfpn.verification.what_next import SIDES, NextPhoto, poses_of, what_next

MAX_PHOTOS = 10  # a side
CROP_DETAIL = 1.5  # least shorter side, over that of the crop, of a face in the picture that the crop is cut from
SMALLEST_FACE = 20.0  # px, shorter side of the face box
STRANGER_FNMR = 0.01  # a photo less like each other one of its side than 99 % of genuine pairs is of another person


@dataclass(frozen=True)
class Shot:
    """A photo as it stands upright, all faces found in it (at least one), and which of them is meant.

    What lies decoded already is used by `crop`. found: the photo as it was searched, as long as its pixels are kept.
    crops: of the face that is meant, those that were cut out then.
    """

    photo: Photo | EncodedPhoto
    faces: tuple[Face, ...]
    chosen: int
    crops: Mapping[Cut, Image.Image] = field(default_factory=dict)
    found: Found | None = None

    @property
    def face(self) -> Face:
        return self.faces[self.chosen]

    @property
    def turned_degrees(self) -> int:
        """How far the given photo had to be turned, clockwise (0, 90, 180, 270), to stand upright."""
        return self.face.turned_degrees

    def crop(self, preprocess: Preprocess) -> Image.Image:
        """The face as a network with this preprocessing gets it; not to be changed, others may get the same one.

        Cut from the photo as it was searched, or from a less reduced copy, so that the crop is at least halved in size.
        """
        crop = self.crops.get(preprocess.cut)
        if crop is not None:
            return crop
        return preprocess.crop(*self.reduced(CROP_DETAIL * preprocess.size))

    def reduced(self, detail: float) -> tuple[Image.Image, Face]:
        """The photo and its face there, no more reduced than that the face's shorter side keeps `detail` pixels."""
        divisor = search_divisor(self.photo.size)
        while divisor > 1 and self.face.shorter_side < divisor * detail:
            divisor //= 2
        found = self.found
        image = found.image if found is not None and found.divisor == divisor else self.photo.divided(divisor)
        return image, enlarged(self.face, 1 / divisor)


@dataclass(frozen=True)
class Side:
    """What was made of the photos of one side."""

    shots: tuple[Shot, ...]
    crops: tuple[Image.Image, ...]  # as the network gets them
    embeddings: np.ndarray  # (photos, D), normalised
    template: np.ndarray  # (D,), normalised
    pose: str

    @property
    def poses(self) -> dict[str, int]:
        """How many of its photos have which pose."""
        return poses_of([shot.face.pose for shot in self.shots])

    @property
    def yaw_degrees(self) -> float:
        """How far the faces of this side turn away from the camera: the mean of |yaw|."""
        return float(np.mean([abs(shot.face.yaw_degrees) for shot in self.shots]))


@dataclass(frozen=True)
class Comparison:
    """The answer: both sides, their score (cosine, -1..1) and how it is judged."""

    model: str
    sides: tuple[Side, Side]
    score: float
    rule: DecisionRule
    seconds: float  # crops, embeddings and score; not the search for faces
    what_next: tuple[NextPhoto, ...] = ()  # further photos that would help, the best first

    @property
    def decision(self) -> str:
        """One of the three words of sfpn.verification.decision."""
        return self.rule.decide(self.score)

    @property
    def match(self) -> bool:
        return self.score >= self.rule.point.threshold

    @property
    def pose_pair(self) -> PosePair:
        return self.rule.pose_pair


class Verifier:
    """One embedder and one detector. The detector is not thread-safe: one call at a time.

    >>> from sfpn import FaceDataset, Verifier
    >>> people = FaceDataset.open("demo/assets/synthetic")
    >>> names = ["syn-0002-frontal-00", "syn-0002-frontal-01", "syn-0006-frontal-00"]
    >>> one, again, other = (picture.decode() for picture in people.pictures(set(names)))
    >>> verifier = Verifier.from_pretrained("base")
    >>> verifier([one, again], one).match, verifier(one, other).match
    (True, False)
    >>> comparison = verifier(one, other)
    >>> comparison.pose_pair, comparison.score < comparison.rule.point.threshold
    (('frontal', 'frontal'), True)
    >>> print(f"accepts {comparison.rule.point.target_fmr:.1%} of strangers")
    accepts 0.1% of strangers
    """

    def __init__(self, embedder: Embedder, detector: FaceDetector) -> None:
        self.embedder, self.detector = embedder, detector

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, bf16: bool = False, device: str = "auto", detector_device: str = "cpu"
    ) -> Verifier:
        """A verifier with the weights of a bundled name ('base'), a path, or a Hub id ('user/repo[@revision]').

        See sfpn.load_embedder for the names and devices. detector_device: of the face detector and the pose estimator.
        Raises UserError if the weights cannot be loaded or a device is not there.
        """
        return cls(load_embedder(name_or_path, bf16=bf16, device=device), FaceDetector(device=detector_device))

    def __call__(self, first: GivenSide, second: GivenSide, target_fmr: float = DEFAULT_FMR) -> Comparison:
        """Are the two sides of one person? The answer has `.score`, `.match`, `.decision` and `.rule`.

        first, second: a photo, or a list of up to ten of one person; a photo is a path, a PIL image, a uint8 array
        (H, W, 3) RGB or (H, W) grey, or a Photo. target_fmr: share of strangers (0-1) that may be accepted, one of
        those that the card has a threshold for. Raises UserError, which names the photo, for one that cannot be read or
        has no usable face.
        """
        return self.verify(photos_of(first, "first"), photos_of(second, "second"), target_fmr)

    def look(self, photo: Photo, chosen: int | None = None) -> Shot:
        """Find the faces of a photo; `chosen` is an index into them, by default the large and central one.

        A photo that lies on its side or upside down comes back upright (Shot.turned_degrees).
        Raises UserError if there is no face, no such face, or the face is under 20 px.
        """
        return look(self.detector, photo, chosen)

    def verify(self, first: Sequence[Photo], second: Sequence[Photo], target_fmr: float = DEFAULT_FMR) -> Comparison:
        """Look at all photos and compare the two sides at the operating point for a target FMR (0-1)."""
        check_counts(len(first), len(second))
        return self.compare([self.look(photo) for photo in first], [self.look(photo) for photo in second], target_fmr)

    def compare(self, first: Sequence[Shot], second: Sequence[Shot], target_fmr: float = DEFAULT_FMR) -> Comparison:
        """Compare two sides of photos that were looked at.

        Raises UserError if a side is missing, has too many photos, or photos of more than one person, and if the model
        gives embeddings that cannot be compared.
        """
        check_counts(len(first), len(second))
        started = time.perf_counter()
        sides, score = self.score(first, second)
        pair = pose_pair(sides[0].pose, sides[1].pose)
        rule = rule_for_fmr(self.embedder.card, pair, target_fmr, (sides[0].yaw_degrees, sides[1].yaw_degrees))
        return Comparison(
            model=self.embedder.name,
            sides=sides,
            score=score,
            rule=rule,
            seconds=time.perf_counter() - started,
            what_next=what_next(self.embedder.card, (sides[0].poses, sides[1].poses), rule, score),
        )

    def score(self, first: Sequence[Shot], second: Sequence[Shot]) -> tuple[tuple[Side, Side], float]:
        """Both sides and their score (-1..1), undecided: for models without operating points. Raises as `compare`."""
        check_counts(len(first), len(second))
        sides = self._sides(tuple(first), tuple(second))
        return sides, float(np.clip(sides[0].template @ sides[1].template, -1, 1))

    def _sides(self, first: tuple[Shot, ...], second: tuple[Shot, ...]) -> tuple[Side, Side]:
        crops = [shot.crop(self.embedder.preprocess) for shot in (*first, *second)]
        found = np.asarray(self.embedder.embed(crops))
        check_embeddings(self.embedder.name, found)
        embeddings = unit_length(found)
        cut = len(first)
        sides = (_side(first, crops[:cut], embeddings[:cut]), _side(second, crops[cut:], embeddings[cut:]))
        for name, side in zip(SIDES, sides, strict=True):
            self._check_one_person(name, side)
        return sides

    def _check_one_person(self, name: str, side: Side) -> None:
        """Raise UserError for a photo that looks like none of the others of its side."""
        scores = side.embeddings @ side.embeddings.T
        for i, shot in enumerate(side.shots):
            others = [j for j in range(len(side.shots)) if j != i]
            bounds = [genuine_quantile(self.embedder.card, _pair(shot, side.shots[j]), STRANGER_FNMR) for j in others]
            if others and all(
                bound is not None and scores[i, j] < bound for j, bound in zip(others, bounds, strict=True)
            ):
                raise UserError(
                    f"{shot.photo.name}: shows another person than the other photos of the {name} side "
                    f"(highest score {scores[i, others].max():.2f}); give photos of one person on each side"
                )


def look(detector: FaceDetector, photo: Photo | EncodedPhoto, chosen: int | None = None) -> Shot:
    """See Verifier.look; needs no weights."""
    found = find_in_photo(detector, photo)
    default = choose_face(list(found.faces), found.size)
    if default is None:
        raise UserError(f"{photo.name}: {why_no_face(found)}")
    index = found.faces.index(default) if chosen is None else chosen
    check_choice(photo.name, found.faces, index)
    return Shot(photo.turned(found.turned_degrees), found.faces, index, found=found)


def check_choice(name: str, faces: Sequence[Face], index: int) -> None:
    """Raise UserError unless the photo called `name` has a face of this index and it is large enough."""
    if not 0 <= index < len(faces):
        raise UserError(f"{name}: there is no face {index + 1}; it has {len(faces)}, choose 1 to {len(faces)}")
    side = faces[index].shorter_side
    if side < SMALLEST_FACE:
        raise UserError(
            f"{name}: the face is only {side:.0f} px wide, under the {SMALLEST_FACE:.0f} px needed; "
            "give a photo in which it is larger"
        )


def check_counts(*counts: int) -> None:
    """Raise UserError unless each side has 1 to 10 photos."""
    for name, count in zip(SIDES, counts, strict=True):
        if count == 0:
            raise UserError(f"the {name} side has no photo; give at least one")
        if count > MAX_PHOTOS:
            raise UserError(f"the {name} side has {count} photos; give at most {MAX_PHOTOS}")


def pose_of_side(poses: Sequence[str]) -> str:
    """The most frequent pose; of equally frequent ones, the most frontal."""
    return max(POSES, key=lambda pose: (poses.count(pose), -POSES.index(pose)))


def _side(shots: tuple[Shot, ...], crops: list[Image.Image], embeddings: np.ndarray) -> Side:
    template = unit_length(embeddings.mean(axis=0))
    return Side(shots, tuple(crops), embeddings, template, pose_of_side([shot.face.pose for shot in shots]))


def _pair(first: Shot, second: Shot) -> PosePair:
    return pose_pair(first.face.pose, second.face.pose)
