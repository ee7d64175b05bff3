"""MTCNN as it is run here: facenet-pytorch's three networks and their weights, with a driver of our own.

Zhang et al., "Joint face detection and alignment using multitask cascaded convolutional networks", SPL 2016. A fully
convolutional network (P-Net) proposes 12 px windows on a pyramid of the photo, a second (R-Net, 24 px) and a third one
(O-Net, 48 px, with landmarks) refine and refuse them. facenet-pytorch's own driver averages a padded copy of the photo
in floats for every level and every candidate; here all of them are read from one table of sums, and only as much of the
border is looked at as a window can share with the photo. The faces are the same to the last digit but rounding,
and where rounding would decide over a pixel it is shared (`whole_windows`).

Everything runs on one thread: the networks are so small that threads wait for each other longer than they work, and
ten times as long where another process wants the same cores. On a graphics processor only the networks run there; the
photo, the table and the suppression of boxes stay with the processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from sfpn.machine import choose_device
from sfpn.photos.detector import USUAL_THRESHOLDS, Thresholds
from sfpn.photos.mtcnn_networks import output, proposing, refining
from sfpn.photos.mtcnn_processor import encode
from sfpn.photos.on_processor import on_processor

PYRAMID_FACTOR = 0.709  # MTCNN's own, as are the following
WINDOW, STRIDE = 12, 2  # of P-Net, px
REFINE_SIZE, OUTPUT_SIZE = 24, 48  # of R-Net and O-Net, px
SAME_LEVEL_OVERLAP, ACROSS_OVERLAP, FINAL_OVERLAP = 0.5, 0.7, 0.7
NEARLY = 1 / 512  # px to either side of a whole pixel in which it is both; rounding differs by a tenth of that
BATCH = 256  # candidates at once


Result = TypeVar("Result")


@dataclass(frozen=True)
class Detections:
    """N faces in pixels of the searched picture."""

    boxes_xyxy: np.ndarray  # (N, 4)
    confidences: np.ndarray  # (N,), 0-1
    landmarks_xy: np.ndarray  # (N, 5, 2)


class Mtcnn:
    """The three networks, run on a thread of their own: calls from several threads wait for each other."""

    def __init__(self, device: str = "cpu") -> None:
        """device: see `sfpn.machine.choose_device`. Raises UserError for one that is not there."""
        self.device = choose_device(device)
        networks = {WINDOW: proposing(), REFINE_SIZE: refining(), OUTPUT_SIZE: output()}
        self._propose, self._refine, self._output = (self._placed(*each) for each in networks.items())
        self._thread = OneThread("faces")

    def _placed(self, side: int, network: nn.Module) -> nn.Module:
        network = network.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if self.device.type != "cpu":
            return network
        windows = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
        return on_processor(network, encode, [windows], "finds the faces")

    def search(
        self, picture: Image.Image, smallest: float, pad: int, thresholds: Thresholds = USUAL_THRESHOLDS
    ) -> Detections:
        """Faces of at least `smallest` px in an RGB picture, also where they reach up to `pad` px over its border."""
        return self._thread.run(self._search, picture, smallest, pad, thresholds)

    @torch.inference_mode()
    def _search(self, picture: Image.Image, smallest: float, pad: int, thresholds: Thresholds) -> Detections:
        areas = Areas(picture, pad)
        boxes = self._proposals(areas, smallest, thresholds[0])
        found = self._final(self._refined(boxes, areas, thresholds[1]), areas, thresholds[2])
        return Detections(found.boxes_xyxy - pad, found.confidences, found.landmarks_xy - pad)

    def _proposals(self, areas: Areas, smallest: float, threshold: float) -> np.ndarray:
        """(N, 4) squares, in px of the padded picture."""
        found = [self._level(areas, scale, threshold) for scale in level_scales(min(areas.size), smallest)]
        windows = np.concatenate(found) if found else np.zeros((0, 9), np.float32)
        windows = windows[keep_best(windows[:, :4], windows[:, 4], ACROSS_OVERLAP)]
        sides = np.tile(windows[:, 2:4] - windows[:, :2], 2)
        return squares(windows[:, :4] + windows[:, 5:] * sides)

    def _level(self, areas: Areas, scale: float, threshold: float) -> np.ndarray:
        """(N, 9): window, score and regression of what P-Net takes for faces at one scale.

        Of the border, only what a window can share with the picture is looked at, in steps of the windows.
        """
        left_out = STRIDE * max(0, int((areas.pad * scale - WINDOW) / STRIDE))
        level = areas.level([int(side * scale + 1) for side in areas.size], left_out)
        regression, probability = (out.cpu() for out in self._propose(network_input(level[None]).to(self.device)))
        scores = probability[0, 1].numpy()
        y, x = np.nonzero(scores >= threshold)
        corner = STRIDE * np.column_stack([x, y]) + left_out
        low, high = np.floor((corner + 1) / scale), np.floor((corner + WINDOW) / scale)
        windows = np.column_stack([low, high, scores[y, x], regression[0].numpy()[:, y, x].T]).astype(np.float32)
        return windows[keep_best(windows[:, :4], windows[:, 4], SAME_LEVEL_OVERLAP)]

    def _refined(self, boxes: np.ndarray, areas: Areas, threshold: float) -> np.ndarray:
        """(N, 4) squares that R-Net keeps."""
        regression, probability = run(self._refine, areas.crops(boxes, REFINE_SIZE), 2)
        kept = probability[:, 1] > threshold
        boxes, scores, regression = boxes[kept], probability[kept, 1], regression[kept]
        best = keep_best(boxes, scores, ACROSS_OVERLAP)
        return squares(regressed(boxes[best], regression[best]))

    def _final(self, boxes: np.ndarray, areas: Areas, threshold: float) -> Detections:
        regression, points, probability = run(self._output, areas.crops(boxes, OUTPUT_SIZE), 3)
        kept = probability[:, 1] > threshold
        boxes, scores, regression, points = boxes[kept], probability[kept, 1], regression[kept], points[kept]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = regressed(boxes, regression)
        best = keep_best(boxes, scores, FINAL_OVERLAP, of_smaller=True)
        return Detections(boxes[best], scores[best], landmarks[best])


class Areas:
    """A picture with a black border of `pad` px, none of it stored, of which any areas are averaged in no time.

    Sums over all pixels above and to the left of each (Crow 1984) give the mean of a rectangle in four look-ups. Bins
    of whole pixels that may share a row, as torch's area interpolation has them, which MTCNN's thresholds are used to.
    """

    def __init__(self, picture: Image.Image, pad: int) -> None:
        self.pad, self._inside = pad, picture.size
        self.size = (picture.width + 2 * pad, picture.height + 2 * pad)
        self._sums = np.zeros((picture.height + 1, picture.width + 1, 3), np.int32)
        np.cumsum(np.asarray(picture), axis=1, dtype=np.int32, out=self._sums[1:, 1:])
        for above, below in zip(self._sums, self._sums[1:], strict=False):  # row by row is twice as fast as cumsum
            below += above

    def level(self, whole: list[int], left_out: int) -> np.ndarray:
        """(H, W, 3) float32: the bordered picture at a size of (width, height) px, less `left_out` px on every side."""
        (left, right), (top, bottom) = (
            bins(np.zeros(1, int), np.array([extent]), count) for extent, count in zip(self.size, whole, strict=True)
        )
        kept = slice(left_out, whole[0] - left_out), slice(left_out, whole[1] - left_out)
        left, right, top, bottom = left[0, kept[0]], right[0, kept[0]], top[0, kept[1]], bottom[0, kept[1]]
        rows = self._sums.take(self._clip(bottom, 1), axis=0) - self._sums.take(self._clip(top, 1), axis=0)
        sums = rows.take(self._clip(right, 0), axis=1) - rows.take(self._clip(left, 0), axis=1)
        return sums.astype(np.float32) / ((bottom - top)[:, None] * (right - left)).astype(np.float32)[..., None]

    def crops(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """(N, size, size, 3) float32 of (N, 4) boxes, in px of the bordered picture, counted from one as MTCNN does."""
        which, windows, shares = whole_windows(boxes.astype(np.float64))
        parts = self._means(windows, size) * shares.astype(np.float32)[:, None, None, None]
        crops, more = parts[: len(boxes)], parts[len(boxes) :]
        np.add.at(crops, which[len(boxes) :], more)
        return crops

    def _means(self, ends: np.ndarray, size: int) -> np.ndarray:
        """As crops, of (N, 4) windows of whole pixels."""
        low = ends[:, :2].clip(1) - 1
        extents = (ends[:, 2:].clip(max=self.size) - low).clip(1)
        (left, right), (top, bottom) = (bins(low[:, axis], extents[:, axis], size) for axis in (0, 1))
        x0, x1, y0, y1 = self._clip(left, 0), self._clip(right, 0), self._clip(top, 1), self._clip(bottom, 1)
        flat, width = self._sums.reshape(-1, 3), self._sums.shape[1]

        def at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return flat.take(y[:, :, None] * width + x[:, None, :], axis=0)

        sums = at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0)
        pixels = (bottom - top)[:, :, None] * (right - left)[:, None, :]
        return sums.astype(np.float32) / pixels.astype(np.float32)[..., None]

    def _clip(self, positions: np.ndarray, axis: int) -> np.ndarray:
        return (positions - self.pad).clip(0, self._inside[axis])


def whole_windows(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M,) numbers of N boxes, first all of them in order, (M, 4) windows of whole pixels, (M,) shares: 1 for each box.

    MTCNN cuts a box off at whole pixels. Then the last digit of a sum, which is another on every kind of processor,
    decides over a pixel more or less, and with it moves the face by two. So an edge that is as good as on a whole pixel
    counts for both sides of it, in part: the crop changes smoothly from the one window to the other.
    """
    upper = np.floor(boxes + NEARLY)
    share = ((boxes + NEARLY - upper) / (2 * NEARLY)).clip(max=1)  # of the upper; the rest is of the pixel below
    which, windows, shares = np.arange(len(boxes)), upper.astype(int), np.ones(len(boxes))
    for edge in range(4):
        of_upper = share[which, edge]
        [both] = np.nonzero(of_upper < 1)
        lower = windows[both] - (np.arange(4) == edge)
        which, windows = np.concatenate([which, which[both]]), np.concatenate([windows, lower])
        shares = np.concatenate([shares * of_upper, shares[both] * (1 - of_upper[both])])
    return which, windows, shares


def bins(starts: np.ndarray, extents: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First and past-the-last pixels, (N, count) each, of `count` bins over N ranges of pixels."""
    steps = np.arange(count)
    low = steps * extents[:, None] // count
    high = -(-(steps + 1) * extents[:, None] // count)
    return starts[:, None] + low, starts[:, None] + high


def level_scales(shorter_side: int, smallest: float) -> Iterator[float]:
    """Scales of the pyramid, finest first: from where `smallest` px fill a window to where the picture does."""
    scale = WINDOW / smallest
    while shorter_side * scale >= WINDOW:
        yield scale
        scale *= PYRAMID_FACTOR


def network_input(pixels: np.ndarray) -> torch.Tensor:
    """(B, 3, H, W) floats, as the networks were trained on them, of (B, H, W, 3) values 0-255."""
    return ((torch.from_numpy(pixels) - 127.5) * 0.0078125).permute(0, 3, 1, 2)


def run(network: nn.Module, crops: np.ndarray, outputs: int) -> list[np.ndarray]:
    """The outputs of a network, a batch at a time, computed where its weights are."""
    if not len(crops):
        widths = (4, 2) if outputs == 2 else (4, 10, 2)
        return [np.zeros((0, width), np.float32) for width in widths]
    device = next(network.parameters()).device
    parts = [network(part.to(device)) for part in network_input(crops).split(BATCH)]
    return [torch.cat(output).cpu().numpy() for output in zip(*parts, strict=True)]


def squares(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) made square about their centres, by their longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    low = boxes[:, :2] + sides / 2 - longer / 2
    return np.hstack([low, low + longer])


def regressed(boxes: np.ndarray, regression: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) moved by shares of their sides."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + regression * np.tile(sides, 2)


def keep_best(boxes: np.ndarray, scores: np.ndarray, bound: float, *, of_smaller: bool = False) -> np.ndarray:
    """Indices of the boxes kept, best score first: one goes if it overlaps a better one by more than the bound.

    Overlap is intersection over union, or with `of_smaller` over the smaller box (then in whole pixels, as MTCNN does).
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].astype(np.float64).T
    one = 1.0 if of_smaller else 0.0
    areas = (right - left + one) * (bottom - top + one)
    kept, rest = [], np.arange(len(boxes))
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        width = np.minimum(right[rest], right[best]) - np.maximum(left[rest], left[best]) + one
        height = np.minimum(bottom[rest], bottom[best]) - np.maximum(top[rest], top[best]) + one
        common = np.maximum(width, 0) * np.maximum(height, 0)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - common
        rest = rest[common <= bound * whole]
    return order[np.array(kept)]


class OneThread:
    """A thread of its own, on which torch uses one thread: calls from several threads wait for each other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start()

    def _start(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name, initializer=_use_one_thread)
        self._process = os.getpid()

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What the function returns when it is called on the thread."""
        if self._process != os.getpid():  # a fork has the networks, but not the thread
            self._start()
        return self._executor.submit(function, *arguments).result()


def _use_one_thread() -> None:
    """For this thread alone; torch would hand the number on to threads that start later, so it is put back from one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with ThreadPoolExecutor(1) as other:
        other.submit(torch.set_num_threads, before).result()
