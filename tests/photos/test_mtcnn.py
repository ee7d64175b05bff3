"""The driver of MTCNN against slow versions of its parts and against facenet-pytorch's own driver."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from sfpn.photos.mtcnn import NEARLY, Areas, Mtcnn, keep_best, whole_windows
from sfpn.photos.torchvision_ops import ensure_torchvision


def drawn_face(side: int = 260, at: tuple[int, int] = (0, 0), size: tuple[int, int] = (300, 320)) -> Image.Image:
    """A rough face: enough for MTCNN, and nobody's."""
    from PIL import ImageDraw

    image = Image.new("RGB", size, (120, 140, 160))
    draw, (x, y) = ImageDraw.Draw(image), at

    def ellipse(left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]) -> None:
        draw.ellipse((x + left * side, y + top * side, x + right * side, y + bottom * side), fill=colour)

    ellipse(0.1, 0, 0.9, 1, (222, 180, 150))
    for left in (0.25, 0.58):
        ellipse(left, 0.36, left + 0.18, 0.45, (250, 250, 250))
        ellipse(left + 0.05, 0.36, left + 0.13, 0.45, (40, 30, 20))
        ellipse(left - 0.02, 0.27, left + 0.2, 0.31, (60, 40, 30))
    ellipse(0.44, 0.42, 0.56, 0.66, (200, 150, 120))
    ellipse(0.34, 0.74, 0.66, 0.82, (170, 60, 60))
    return image


@pytest.fixture(scope="module")
def mtcnn():
    return Mtcnn()


@pytest.fixture(scope="module")
def theirs():
    ensure_torchvision()
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, device="cpu")


@pytest.mark.parametrize("smallest", [20, 60])
@pytest.mark.parametrize("at", [(20, 30), (-70, 40), (150, 200)])
def test_same_faces_as_facenet_pytorchs_own_driver(mtcnn, theirs, smallest, at):
    picture, pad = drawn_face(at=at), 128
    theirs.min_face_size = smallest
    boxes, confidences, landmarks = theirs.detect(ImageOps.expand(picture, pad), landmarks=True)
    found = mtcnn.search(picture, smallest, pad)
    if boxes is None:
        assert len(found.boxes_xyxy) == 0
        return
    mine, other = np.argsort(-found.confidences), np.argsort(-np.array(confidences, float))
    assert np.allclose(found.boxes_xyxy[mine], np.array(boxes, float)[other] - pad, atol=0.5)
    assert np.allclose(found.confidences[mine], np.array(confidences, float)[other], atol=1e-4)
    assert np.allclose(found.landmarks_xy[mine], np.array(landmarks, float)[other] - pad, atol=0.5)


def test_the_drawn_face_is_a_face(mtcnn):
    found = mtcnn.search(drawn_face(at=(20, 30)), 60, 128)
    assert len(found.boxes_xyxy) == 1 and found.landmarks_xy.shape == (1, 5, 2) and found.confidences[0] > 0.9


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 60), st.integers(5, 60), st.integers(0, 20), st.data())
def test_levels_are_torchs_area_interpolation_of_the_bordered_picture(width, height, pad, data):
    picture = noise(width, height)
    whole = [data.draw(st.integers(6, 40)), data.draw(st.integers(6, 40))]
    left_out = data.draw(st.integers(0, 2))
    padded = torch.from_numpy(np.array(ImageOps.expand(picture, pad))).permute(2, 0, 1)[None].float()
    slow = torch.nn.functional.interpolate(padded, (whole[1], whole[0]), mode="area")[0].permute(1, 2, 0).numpy()
    slow = slow[left_out : whole[1] - left_out, left_out : whole[0] - left_out]
    assert np.allclose(Areas(picture, pad).level(whole, left_out), slow, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 60), st.integers(5, 60), st.integers(0, 20), st.data())
def test_crops_are_torchs_area_interpolation(width, height, pad, data):
    picture, size = noise(width, height), data.draw(st.sampled_from([3, 24]))
    boxes = []
    for extent in (width + 2 * pad, height + 2 * pad):
        low = data.draw(st.integers(-3, extent - 1))
        boxes.append((low, data.draw(st.integers(max(low, 1) + 1, extent + 5))))
    (left, right), (top, bottom) = boxes
    padded = torch.from_numpy(np.array(ImageOps.expand(picture, pad))).permute(2, 0, 1)[None].float()
    cut = padded[:, :, max(top, 1) - 1 : bottom, max(left, 1) - 1 : right]
    slow = torch.nn.functional.interpolate(cut, (size, size), mode="area")[0].permute(1, 2, 0).numpy()
    within = np.array([[left, top, right, bottom]]) + data.draw(st.floats(0.01, 0.99))  # cut off at whole pixels
    assert np.allclose(Areas(picture, pad).crops(within, size)[0], slow, atol=1e-3)


def test_an_edge_on_a_whole_pixel_counts_for_both_sides_of_it():
    areas, box = Areas(noise(40, 50), 8), np.array([[10.5, 12.5, 33.5, 37.5]])
    for edge, sign in product(range(4), (-1, 1)):
        upper, lower, both, most = (box.copy() for _ in range(4))
        lower[0, edge] -= 1
        both[0, edge] -= 0.5
        most[0, edge] -= 0.5 - sign * 0.5 * NEARLY
        share = 0.5 * (1 + sign * 0.5)
        up, down = areas.crops(upper, 24), areas.crops(lower, 24)
        assert np.allclose(areas.crops(both, 24), (up + down) / 2, atol=1e-3)
        assert np.allclose(areas.crops(most, 24), share * up + (1 - share) * down, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-20, 90), min_size=4, max_size=4), st.floats(-1e-5, 1e-5))
def test_a_crop_hardly_moves_with_the_last_digit_of_its_box(edges, by):
    areas, boxes = Areas(noise(60, 60), 10), np.array([edges])
    rounded = np.round(boxes)  # where the last digit decides
    for box in (boxes, rounded):
        assert np.abs(areas.crops(box, 24) - areas.crops(box + by, 24)).max() < 4 * 255 * 1e-5 / NEARLY
        assert whole_windows(box)[2].sum() == pytest.approx(1)


def slow_overlap(a, b, of_smaller: bool) -> float:
    one = 1 if of_smaller else 0
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + one)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + one)
    areas = [(box[2] - box[0] + one) * (box[3] - box[1] + one) for box in (a, b)]
    return width * height / (min(areas) if of_smaller else sum(areas) - width * height)


@pytest.mark.parametrize("of_smaller", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_suppression_is_that_of_a_double_loop(count, of_smaller):
    random = np.random.default_rng(count)
    corners = random.uniform(0, 100, (count, 2))
    boxes = np.hstack([corners, corners + random.uniform(5, 60, (count, 2))])
    scores = random.permutation(count) / 100
    kept: list[int] = []
    for i in sorted(range(count), key=lambda i: -scores[i]):
        if all(slow_overlap(boxes[i], boxes[j], of_smaller) <= 0.5 for j in kept):
            kept.append(i)
    assert keep_best(boxes, scores, 0.5, of_smaller=of_smaller).tolist() == kept


def test_one_thread_for_detection_and_as_many_as_before_for_all_else(mtcnn):
    before = torch.get_num_threads()
    assert mtcnn._thread.run(torch.get_num_threads) == 1
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == before == torch.get_num_threads()


def faces_in_a_fork(mtcnn: Mtcnn, queue) -> None:
    queue.put(len(mtcnn.search(drawn_face(at=(20, 30)), 60, 128).boxes_xyxy))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_process_detects_as_well(mtcnn):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    mtcnn.search(drawn_face(at=(20, 30)), 60, 128)
    process = context.Process(target=faces_in_a_fork, args=(mtcnn, queue))
    process.start()
    assert queue.get(timeout=60) == 1
    process.join()


def test_several_threads_get_their_own_answers(mtcnn):
    pictures = [drawn_face(at=(20, 30)), Image.new("RGB", (300, 320))] * 4
    with ThreadPoolExecutor(4) as threads:
        counts = threads.map(lambda picture: len(mtcnn.search(picture, 60, 128).boxes_xyxy), pictures)
        assert list(counts) == [1, 0] * 4
