"""/verify: are the people on two sides of photos the same person?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from demo.api.checks import choice, number, refusals
from demo.api.photo_argument import paths_of, take_photos
from demo.common.uploads import discard
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import open_photo
from sfpn.photos.preprocess import Preprocess
from sfpn.verification.verifier import Shot, Verifier, check_counts, look
from sfpn.verification.wording import record


def verify(
    models: Mapping[str, Embedder],
    detector: FaceDetector,
    photos_a: list[Any],
    photos_b: list[Any],
    model: str,
    fmr: float,
) -> dict:
    """Decide whether two sides of photos show the same person, at a stated rate of false matches.

    Each side is 1 to 10 photos of one person, whose embeddings are averaged. A photo must show a face of at least
    20 px; of several faces the large and central one is taken. The score is judged by the threshold of its pose pair,
    because a frontal and a profile face of one person score lower than two frontal ones. Photos are not kept.
    An error is one sentence that names the photo, what is wrong with it and what to do: no face found, damaged, too
    large, another person than the other photos of its side; or it lists the models or target rates that there are.
    For studying verification, not for identifying people.

    Args:
        photos_a: 1 to 10 photos of the first person: uploaded files, or texts data:image/jpeg;base64,...
        photos_b: 1 to 10 photos of the second person.
        model: Name of a loaded model; a wrong name is answered with those that there are.
        fmr: Target false match rate as a fraction, one that the model's card has: 0.01, 0.001 or 0.0001. Lower is
            stricter.

    Returns:
        An object: score (cosine, -1 to 1, higher is more alike), threshold, match (score >= threshold), decision
        (match, uncertain or no match; uncertain counts as no match), uncertain_from, pose_pair (two of frontal,
        three_quarter, profile), scores_of (pose pair whose scores judge it, or pooled), target_fmr, fmr and fnmr
        (measured error rates at the threshold, 0 to 1) with their counts impostor, genuine, false_matches and
        false_non_matches, measured_on, pose_estimated, model, seconds, and faces: per side its pose and per photo
        size, turned_degrees, faces_found, chosen (from 1), box_xyxy and landmarks_xy (px of the upright photo),
        confidence (0 to 1), yaw_degrees (positive: turned to the image's right), pitch_degrees (positive: lifted),
        roll_degrees (positive: clockwise), yaw_uncertainty_degrees and pitch_uncertainty_degrees (two thirds of such
        estimates are off by less) and pose. Where thresholds follow the yaws of both faces, scores_of is surface,
        yaws_degrees holds the two |yaw|, and the rates are counted on pairs within square_degrees (from and to of the
        less and of the more turned face); else both are null. what_next lists, where the decision is uncertain or many
        pairs of one person posed like these are rejected, further photos that would help, the best first: side (first,
        second or either), pose, fnmr with it and fnmr_now at the target FMR with their counts, and measured_on.
    """
    given_a, given_b = list(photos_a or []), list(photos_b or [])
    try:
        with refusals():
            choice("model", model, models)
            number("fmr", fmr, 0, 1)
            check_counts(len(given_a), len(given_b))
            files = take_photos([*given_a, *given_b], sides=2)
            shots = {given: _shot(detector, models[model].preprocess, *file) for given, file in files.items()}
            first, second = ([shots[given] for given in side] for side in (given_a, given_b))
            return record(Verifier(models[model], detector).compare(first, second, fmr))
    finally:
        discard(paths_of([*given_a, *given_b]))


def _shot(detector: FaceDetector, preprocess: Preprocess, name: str, encoded: bytes) -> Shot:
    """The faces of a photo, of whose pixels only the crop stays in memory."""
    shot = look(detector, open_photo(encoded, name))
    return replace(shot, crops={preprocess.cut: shot.crop(preprocess)}, found=None)
