"""/detect and /embed: the faces of one photo, and the embedding of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from demo.api.checks import choice, refusals, whole
from demo.api.photo_argument import Given, paths_of, take_photos
from demo.common.uploads import discard
from sfpn.data.embeddings import unit_length
from sfpn.errors import UserError
from sfpn.network.embedders import Embedder, check_embeddings
from sfpn.photos.detector import Face, FaceDetector, choose_face
from sfpn.photos.finding import find_in_photo, why_no_face
from sfpn.photos.photo import EncodedPhoto, open_photo
from sfpn.verification.verifier import SMALLEST_FACE, look

MOST_FACES = 1000
ANGLES = ("yaw_uncertainty_degrees", "pitch_degrees", "pitch_uncertainty_degrees", "roll_degrees")
DIGITS = 8  # of the numbers of an embedding; more than float32 holds below 1


def detect(detector: FaceDetector, photo: Any) -> dict:
    """Find all faces of one photo: where they are, how they are turned, and how sure the detector is.

    A photo that lies on its side or upside down is turned upright first; sizes and positions are pixels of the upright
    photo, x to the right and y down. Without a face the list is empty and `reason` says what can be seen to be wrong.
    An error is one sentence: not a picture, damaged, more than 40 MB or 64 megapixels, under 20 px. The photo is not
    kept.

    Args:
        photo: One photo: an uploaded file, or a text data:image/jpeg;base64,...

    Returns:
        An object: photo (its name), size ([width, height] px), turned_degrees (clockwise, 0, 90, 180 or 270), chosen
        (the large and central face that /verify and /embed take, counted from 1; null without faces), reason (null,
        or why there is no face), and faces, largest first, each with box_xyxy ([left, top, right, bottom] px),
        landmarks_xy (five [x, y] px: eye on the image's left, eye on its right, nose, left and right corner of the
        mouth), confidence (0 to 1), yaw_degrees (-90 to 90, positive: turned to the image's right), pitch_degrees
        (positive: lifted), roll_degrees (positive: clockwise), yaw_uncertainty_degrees and pitch_uncertainty_degrees
        (two thirds of such estimates are off by less; null where there is no estimate), pose (frontal, three_quarter
        or profile) and usable (false below 20 px).
    """
    try:
        with refusals():
            taken = _take(photo)
            found = find_in_photo(detector, taken)
            chosen = choose_face(list(found.faces), found.size)
            return {
                "photo": taken.name,
                "size": list(found.size),
                "turned_degrees": found.turned_degrees,
                "chosen": None if chosen is None else found.faces.index(chosen) + 1,
                "reason": None if found.faces else why_no_face(found),
                "faces": [face_record(face) for face in found.faces[:MOST_FACES]],
            }
    finally:
        discard(paths_of([photo]))


def embed(models: Mapping[str, Embedder], detector: FaceDetector, photo: Any, model: str, face: int) -> dict:
    """Embed one face of one photo: the vector by which a model compares it with others.

    The cosine (here the dot product) of two embeddings of one model is the score of /verify; embeddings of different
    models cannot be compared. The vector is centred as the model's card says and has length 1. Treat it as the photo
    itself: it is biometric data. An error is one sentence: as of /detect, or no face, no such face, a face under
    20 px, no such model, or a model that gives no finite numbers. Nothing is kept.

    Args:
        photo: One photo: an uploaded file, or a text data:image/jpeg;base64,...
        model: Name of a loaded model; a wrong name is answered with those that there are.
        face: Which face of the photo, from 1 for the largest as /detect lists them; 0 for the large and central one.

    Returns:
        An object: embedding (list of numbers, length 1), dimensions, model, weights_sha256 (which weights), photo
        (its name), size ([width, height] px), turned_degrees, faces_found, chosen (from 1) and face (as /detect has
        them).
    """
    try:
        with refusals():
            embedder = models[choice("model", model, models)]
            index = whole("face", face, 0, MOST_FACES) - 1
            shot = look(detector, _take(photo), None if index < 0 else index)
            found = np.asarray(embedder.embed([shot.crop(embedder.preprocess)]), np.float32)
            check_embeddings(embedder.name, found)
            vector = unit_length(found)[0]
            return {
                "embedding": [round(float(value), DIGITS) for value in vector],
                "dimensions": len(vector),
                "model": embedder.name,
                "weights_sha256": embedder.card.weights_sha256,
                "photo": shot.photo.name,
                "size": list(shot.photo.size),
                "turned_degrees": shot.turned_degrees,
                "faces_found": len(shot.faces),
                "chosen": shot.chosen + 1,
                "face": face_record(shot.face),
            }
    finally:
        discard(paths_of([photo]))


def face_record(face: Face) -> dict[str, Any]:
    """A face as plain JSON values."""
    return {
        "box_xyxy": [round(v, 1) for v in face.box_xyxy],
        "landmarks_xy": [[round(float(v), 1) for v in point] for point in face.landmarks_xy],
        "confidence": round(face.confidence, 4),
        "yaw_degrees": round(face.yaw_degrees, 1),
        **{name: None if (angle := getattr(face, name)) is None else round(angle, 1) for name in ANGLES},
        "pose": face.pose,
        "usable": face.shorter_side >= SMALLEST_FACE,
    }


def _take(photo: Given | None) -> EncodedPhoto:
    """Open what was given; an upload is deleted from the disk. Raises UserError."""
    if photo is None:
        raise UserError("photo: there is none; give one")
    ((name, encoded),) = take_photos([photo], sides=1).values()
    return open_photo(encoded, name)
