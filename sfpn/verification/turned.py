"""At what angle is a face lost? One photo's face, turned by computation, compared with the photo.

The turned faces have the light, the expression and the camera of the photo, so real photos from these angles score
lower than they do: it shows how a network loses a face that turns away, and is no measurement of how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sfpn.data.embeddings import unit_length
from sfpn.errors import UserError
from sfpn.network.card import Card
from sfpn.network.embedders import Embedder, check_embeddings
from sfpn.photos.detector import Face, FaceDetector, choose_face
from sfpn.photos.finding import looked_at_again
from sfpn.photos.turning.square import LARGEST, SQUARE
from sfpn.photos.turning.turn import turn_head
from sfpn.progress import StageProgress
from sfpn.schema import pose_from_yaw, pose_pair
from sfpn.verification.decision import DEFAULT_FMR, DecisionRule, rule_for_fmr
from sfpn.verification.verifier import Shot

YAWS_DEGREES = tuple(range(-75, 76, 15))
FRONTAL_ENOUGH = 25.0  # degrees of |yaw| up to which a photo shows both cheeks
ROOM = 1.2  # of the square around a head that is kept of a photo
DETAIL = 2 * LARGEST / SQUARE  # px of the face box: the square is at least halved, so that no pixel of it is made up


@dataclass(frozen=True)
class Turn:
    """A photo's face turned to `yaw_degrees`; `score` against the photo (-1..1), None where no face was found in it."""

    yaw_degrees: float
    picture: Image.Image
    score: float | None
    rule: DecisionRule

    @property
    def is_lost(self) -> bool:
        """Whether it is no match any more, or not even found."""
        return self.score is None or self.score < self.rule.point.threshold


def frontal_shot(shots: Sequence[Shot]) -> Shot:
    """The one that looks most into the camera. Raises UserError where none does so enough to be turned."""
    shot = min(shots, key=lambda shot: abs(shot.face.yaw_degrees))
    aside = abs(shot.face.yaw_degrees)
    if aside >= FRONTAL_ENOUGH:
        raise UserError(
            f"{shot.photo.name}: the face looks aside by {aside:.0f} degrees already; to turn it, give a photo that "
            f"looks into the camera (less than {FRONTAL_ENOUGH:.0f} degrees to either side)"
        )
    return shot


def turn_and_compare(
    embedder: Embedder,
    detector: FaceDetector,
    shot: Shot,
    target_fmr: float = DEFAULT_FMR,
    progress: StageProgress = lambda stage, done, total: None,
) -> list[Turn]:
    """The face of a frontal photo turned to YAWS_DEGREES, each compared with the photo at the target FMR (0-1).

    progress: told (stage, done, total) after each; what it raises ends the work. Raises UserError if the card has no
    operating point, and for a model whose embeddings cannot be compared.
    """
    face = shot.face
    rules = [rule_turned(embedder.card, face.yaw_degrees, yaw, target_fmr) for yaw in YAWS_DEGREES]
    crops = [shot.crop(embedder.preprocess)]
    near, box_xyxy, landmarks_xy = near_face(*shot.reduced(DETAIL))
    pictures, found = [], []
    for number, yaw in enumerate(YAWS_DEGREES):
        progress("turning the face", number, len(YAWS_DEGREES))
        picture = turn_head(near, box_xyxy, landmarks_xy, face.yaw_degrees, yaw)
        faces = looked_at_again(detector, picture, detector.detect(picture))  # as a visitor's photo, but upright
        turned = choose_face(faces, picture.size)
        pictures.append(picture)
        found.append(turned is not None)
        if turned is not None:
            crops.append(embedder.preprocess.crop(picture, turned))
    progress("comparing", len(YAWS_DEGREES), len(YAWS_DEGREES))
    values = np.asarray(embedder.embed(crops))
    check_embeddings(embedder.name, values)
    original, *others = unit_length(values)
    scores = iter([float(np.clip(original @ other, -1, 1)) for other in others])
    return [
        Turn(yaw, picture, next(scores) if has_face else None, rule)
        for yaw, picture, has_face, rule in zip(YAWS_DEGREES, pictures, found, rules, strict=True)
    ]


def rule_turned(card: Card, yaw_degrees: float, turned_to: float, target_fmr: float = DEFAULT_FMR) -> DecisionRule:
    """The rule for a photo at one yaw and a face at another. Raises UserError if the card has none."""
    pair = pose_pair(pose_from_yaw(yaw_degrees), pose_from_yaw(turned_to))
    return rule_for_fmr(card, pair, target_fmr, (yaw_degrees, turned_to))


def near_face(image: Image.Image, face: Face) -> tuple[Image.Image, tuple[float, ...], np.ndarray]:
    """(part of the photo around the face, its box and its landmarks there): large photos need not be turned whole."""
    left, top, right, bottom = face.box_xyxy
    half = ROOM * SQUARE * max(right - left, bottom - top) / 2
    x, y = face.center_xy
    low = max(0, int(x - half)), max(0, int(y - half))
    high = min(image.width, int(x + half) + 1), min(image.height, int(y + half) + 1)
    shift = np.array(low)
    box = tuple(float(value) for value in np.array(face.box_xyxy) - np.tile(shift, 2))
    return image.crop((*low, *high)), box, np.asarray(face.landmarks_xy) - shift


def lost_words(turns: Sequence[Turn]) -> str:
    """From where on the face is lost to either side, in a sentence."""
    widest = max(abs(turn.yaw_degrees) for turn in turns)
    words = []
    for side, way in ((-1, "left"), (1, "right")):
        lost = [abs(turn.yaw_degrees) for turn in turns if turn.yaw_degrees * side >= 0 and turn.is_lost]
        if lost:
            words.append(f"{min(lost):.0f} degrees to the picture's {way}")
    if not words:
        return f"The network does not lose this face up to {widest:.0f} degrees to either side."
    if len(words) == 1:
        way = "right" if words[0].endswith("left") else "left"
        return f"The network loses this face at {words[0]}, and not up to {widest:.0f} degrees to its {way}."
    return f"The network loses this face at {words[0]} and at {words[1]}."
