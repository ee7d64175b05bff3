"""Photos with several faces of which perhaps the wrong one was taken.

A dataset row holds one face and not how many there were, so that the photos in doubt are looked at again: those nearer
to another identity than to their own, or of an identity with one image. Score: by how many spreads another face of the
photo is nearer to the row's identity than the one that was taken; 0 where there is nothing to compare it with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sfpn.data.dataset import FaceDataset, Picture
from sfpn.data.decisions import LEAVE_OUT, OTHER_FACE, Decision, box_text
from sfpn.errors import UserError
from sfpn.evaluation.checks.finding import Finding
from sfpn.evaluation.checks.look import Looked
from sfpn.evaluation.comparisons import directions
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import Face, overlap_of_smaller
from sfpn.photos.finding import DetectsFaces

DOUBT_FROM = -0.5  # spreads: photos whose nearest other identity is at least so much nearer than their own
NEARER = 1.0  # spreads: another face must be nearer by so much
SAME_FACE = 0.5  # overlap of the smaller box
LARGE_ENOUGH = 0.4  # of the taken face's shorter side: a face that can have been meant
MOST_LOOKED_AT = 2000
SUGGESTED = 3  # other faces, where nothing tells which one is meant


def find_which_face(
    looked: Looked,
    dataset: FaceDataset,
    embedder: Embedder,
    detector: DetectsFaces,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Finding]:
    """Look again at the photos in doubt, the most doubtful MOST_LOOKED_AT of them."""
    doubtful = in_doubt(looked)
    positions = {looked.row_id(row): row for row in doubtful}
    for done, picture in enumerate(dataset.pictures(set(positions)), start=1):
        found = _look_again(looked, positions[picture.row_id], picture, embedder, detector)
        if found:
            yield found
        if progress:
            progress(done, len(positions))


def in_doubt(looked: Looked) -> list[int]:
    """Positions of the photos to look at again: the most doubtful first, those with nothing to compare with last."""
    near = looked.near
    comparable = np.isfinite(near.own)
    doubt = np.where(comparable, near.other - near.own, -np.inf)
    doubtful = np.flatnonzero((doubt >= DOUBT_FROM) & looked.samples.acquired)
    alone = np.flatnonzero(~comparable & looked.samples.acquired)
    ordered = [*doubtful[np.argsort(-doubt[doubtful], kind="stable")].tolist(), *alone.tolist()]
    return ordered[:MOST_LOOKED_AT]


def _look_again(
    looked: Looked, row: int, picture: Picture, embedder: Embedder, detector: DetectsFaces
) -> Finding | None:
    taken = picture.face
    if taken is None:
        return None
    try:
        image = picture.decode()
    except UserError:
        return None  # told by quality.py
    others = [face for face in detector.detect(image) if _is_other(face, taken)]
    if not others:
        return None
    subject = int(looked.samples.subjects[row])
    own, name, row_id = looked.near.own[row], str(looked.names[subject]), looked.row_id(row)
    faces = "2 faces" if len(others) == 1 else f"{len(others) + 1} faces"
    out = looked.decision(LEAVE_OUT, row)

    def take(face: Face) -> Decision:
        return looked.decision(OTHER_FACE, row, face_xyxy=box_text(face.box_xyxy))

    if not np.isfinite(own):
        why = f"the photo shows {faces} and is the only one of {name}: nothing tells whether the right one was taken"
        return Finding("which_face", (row_id,), 0.0, why, (out, *map(take, others[:SUGGESTED])))
    crops = [embedder.preprocess.crop(image, face) for face in others]
    embeddings = directions(np.asarray(embedder.embed(crops), np.float32))
    near = [looked.nearness_to(row, subject, embedding) for embedding in embeddings]
    best = max(near)
    if best - own < NEARER:
        return None
    why = (
        f"the photo shows {faces}, and another one than the one taken is nearer to {name} "
        f"({best:.1f} spreads above different people instead of {own:.1f})"
    )
    witness = looked.row_id(looked.most_alike(row, subject))
    return Finding("which_face", (row_id, witness), float(best - own), why, (take(others[near.index(best)]), out))


def _is_other(face: Face, taken: Face) -> bool:
    large = face.shorter_side >= LARGE_ENOUGH * taken.shorter_side
    return large and overlap_of_smaller(face, taken) < SAME_FACE
