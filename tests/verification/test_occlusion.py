"""Hidden parts of crops: the falls against the plain way to get them, and that they say what the score rests on."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.drawn_people import SYNTHETIC
from PIL import Image, ImageDraw

from sfpn.data.dataset import FaceDataset
from sfpn.network.embedders import Embedder, load_embedder
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import decode_photo
from sfpn.verification.occlusion import (
    GREY,
    GRID,
    Occlusion,
    best_crops,
    fall_map,
    hidden,
    most_words,
    occlude,
    squares,
)
from sfpn.verification.verifier import Verifier

POSES = ("frontal", "three_quarter")
PEOPLE = [f"syn-{number:04d}" for number in range(4)]
CELLS = 7  # along a side: what the deletion curves hide, one cell after the other
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)  # of the cells, at which the curves are read


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("depthwise")


@pytest.fixture(scope="module")
def crops(embedder) -> dict[str, Image.Image]:
    wanted = {f"{who}-{pose}-00" for who in PEOPLE for pose in POSES}
    pictures = FaceDataset.open(SYNTHETIC).pictures(wanted)
    return {picture.row_id: embedder.preprocess.crop(picture.decode(), picture.face) for picture in pictures}


@pytest.fixture(scope="module")
def pairs(crops) -> list[tuple[Image.Image, Image.Image]]:
    return [tuple(crops[f"{who}-{pose}-00"] for pose in POSES) for who in PEOPLE]


@pytest.fixture(scope="module")
def found(embedder, pairs) -> list[Occlusion]:
    return [occlude(embedder, *pair) for pair in pairs]


def cosine(embedder: Embedder, first: Image.Image, second: Image.Image) -> float:
    """The plain way: one crop at a time."""
    one, other = (embedder.embed([crop])[0].astype(float) for crop in (first, second))
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def test_each_fall_is_what_one_painted_square_costs(embedder, pairs, found):
    (first, second), occlusion = pairs[0], found[0]
    assert occlusion.score == pytest.approx(cosine(embedder, first, second), abs=1e-5)
    for place in (0, 9, 20, GRID**2 - 1):
        for side, crop in enumerate((first, second)):
            painted, (left, top, right, bottom) = crop.copy(), squares(crop.width)[place]
            ImageDraw.Draw(painted).rectangle((left, top, right - 1, bottom - 1), GREY)
            score = cosine(embedder, *((painted, second) if side == 0 else (first, painted)))
            row, column = divmod(place, GRID)
            assert occlusion.falls[side][row, column] == pytest.approx(occlusion.score - score, abs=1e-4)


def test_without_the_face_of_one_side_nothing_is_left_of_a_genuine_score(embedder, pairs, found):
    for (first, second), occlusion in zip(pairs, found, strict=True):
        whole = [(0, 0, *first.size)]
        for one, other in ((hidden(first, whole), second), (first, hidden(second, whole))):
            assert occlusion.score > 0.5 and cosine(embedder, one, other) < 0.3 * occlusion.score


def test_hiding_what_matters_most_costs_more_than_hiding_at_random(embedder, pairs, found):
    random, edges = np.random.default_rng(0), np.linspace(0, pairs[0][0].width, CELLS + 1).astype(int)
    cells = [(x0, y0, x1, y1) for y0, y1 in zip(edges, edges[1:]) for x0, x1 in zip(edges, edges[1:])]  # noqa: B905

    def curve(order: np.ndarray, first: Image.Image, second: Image.Image) -> float:
        counts = [round(share * len(cells)) for share in SHARES]
        values = embedder.embed([second, *(hidden(first, [cells[i] for i in order[:count]]) for count in counts)])
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        return float((values[1:] @ values[0]).mean())

    by_map, at_random = [], []
    for pair, occlusion in zip(pairs, found, strict=True):
        falls = occlusion.maps[0]
        order = np.argsort([-falls[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in cells])
        by_map.append(curve(order, *pair))
        at_random.append(np.mean([curve(random.permutation(len(cells)), *pair) for _ in range(3)]))
    assert np.mean(by_map) < 0.8 * np.mean(at_random)
    assert all(one < other for one, other in zip(by_map, at_random, strict=True))


@pytest.mark.parametrize("size", [1, 8, 113, 160])
def test_squares_cover_the_crop_and_the_map_is_the_mean_of_those_above_a_place(size):
    boxes, falls = squares(size), np.random.default_rng(1).normal(size=(GRID, GRID))
    made = fall_map(size, falls)
    for y, x in {(0, 0), (size // 2, size // 3), (size - 1, size - 1)}:
        above = [
            fall
            for (left, top, right, bottom), fall in zip(boxes, falls.ravel(), strict=True)
            if left <= x < right and top <= y < bottom
        ]
        assert made[y, x] == pytest.approx(np.mean(above))
    assert np.isfinite(made).all()


def test_the_most_alike_photos_of_both_sides_are_taken(embedder):
    pictures = FaceDataset.open(SYNTHETIC).pictures({f"syn-0000-{pose}-00" for pose in (*POSES, "profile")})
    verifier = Verifier(embedder, FaceDetector())
    shots = {
        picture.row_id.split("-")[2]: verifier.look(decode_photo(picture.encoded, picture.row_id))
        for picture in pictures
    }
    first, second = best_crops(embedder, [shots["profile"], shots["frontal"]], [shots["three_quarter"]])
    scores = {pose: verifier.compare([shots[pose]], [shots["three_quarter"]]).score for pose in ("profile", "frontal")}
    assert cosine(embedder, first, second) == pytest.approx(max(scores.values()), abs=1e-4)


def test_it_ends_when_nobody_waits_for_it(embedder, pairs):
    told = []

    def report(*step) -> None:
        told.append(step)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        occlude(embedder, *pairs[0], report)
    assert len(told) == 2 and told[1][1] < told[1][2]


def test_the_sentence(pairs):
    flat, steep = np.full((GRID, GRID), -0.1), np.full((GRID, GRID), 0.25)
    words = most_words(Occlusion(pairs[0], -0.1, (steep, flat)))
    assert words == (
        "The score is −0.10. One hidden square lowers it at most by 0.25 where a part of A is hidden, and nowhere on B."
    )
