"""Pictures from dataset shards to batches: read shard by shard, decoded by worker processes, in bounded memory."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from sfpn.data.dataset import PICTURE_COLUMNS, Picture, picture_of
from sfpn.errors import UserError
from sfpn.network.model import INPUT_SIZE
from sfpn.photos.preprocess import Preprocess, crop_square
from sfpn.training.identify.order import Order
from sfpn.training.identify.rows import Rows, files_of

SQUARE = Preprocess(
    size=129, crop_factor=1.54
)  # what the random 113 px crop is taken from; its middle is the 1.35 crop
PLACES = SQUARE.size - INPUT_SIZE + 1  # of the crop's corner, in x and in y
# InsightFace's aligned crops (MS1M) have no box. Measured with our detector on CFP and LFW, such a crop's side is 1.40
# x (1.33-1.48 for 80 %) the shorter side of the box of a frontal face, and the box lies lower by 0.11 of that side.
ALIGNED_FACTOR, ALIGNED_DROP = 1.40, 0.11
MIDDLE = (PLACES // 2, PLACES // 2, 0)
BATCHES_AHEAD = 4  # per worker


class Batch(NamedTuple):
    """What a process sees of one step."""

    faces: torch.Tensor  # (b, 3, 113, 113) uint8 RGB
    labels: torch.Tensor  # (b,) int64
    error: str = ""  # why there is no batch


class Share(NamedTuple):
    """Which process of how many this is."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True, eq=False)
class TrainingStream(IterableDataset):
    """This process's part of every step's batch, from `first_step` on, for ever.

    The batch of step s is rows s * batch .. (s + 1) * batch - 1 of the order; process i of n takes the i-th n-th of it.
    Among the loader's workers, worker w of W makes the steps first_step + w, + W + w, + 2 W + w, ...
    """

    order: Order
    batch: int  # over all processes; a multiple of their number
    share: Share = Share()
    first_step: int = 0
    augment: bool = True  # random place and mirror

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        step, size = self.first_step + worker, self.batch // self.share.count
        rows, waiting = self.order.rows, deque()
        for start, buffer in self.order.buffers(step * self.batch):
            indices = buffer[self._mine(start, len(buffer), step, workers)]
            pictures = read_pictures(rows, indices)
            waiting.extend((int(rows.label[index]), pictures[index]) for index in indices.tolist())
            del pictures
            while len(waiting) >= size:
                yield make_batch([waiting.popleft() for _ in range(size)], self._views(step))
                step += workers

    def _mine(self, start: int, count: int, step: int, workers: int) -> np.ndarray:
        """(count,) mask: which of the stream's positions from `start` on are this worker's, of steps from `step` on."""
        steps, places = np.divmod(np.arange(start, start + count), self.batch)
        of_process = places * self.share.count // self.batch == self.share.index
        return of_process & (steps >= step) & ((steps - step) % workers == 0)

    def _views(self, step: int) -> np.ndarray:
        """(b, 3): corner x, corner y and mirror of this process's crops, from (seed, step) alone."""
        size = self.batch // self.share.count
        if not self.augment:
            return np.tile(MIDDLE, (size, 1))
        random = np.random.default_rng((self.order.seed, step, 1))
        views = np.column_stack([random.integers(PLACES, size=(self.batch, 2)), random.integers(2, size=self.batch)])
        return views[self.share.index * size :][:size]


@dataclass(frozen=True, eq=False)
class ValidationStream(IterableDataset):
    """Every row once, middle crop, in batches of at most `batch`; the files are shared among processes and workers."""

    rows: Rows
    batch: int
    share: Share = Share()

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        lane, lanes = self.share.index * workers + worker, self.share.count * workers
        for file in list(files_of(self.rows))[lane::lanes]:
            indices = self.rows.of_file(file)
            pictures = read_pictures(self.rows, indices)
            for part in np.split(indices, range(self.batch, len(indices), self.batch)):
                chosen = [(int(self.rows.label[index]), pictures[index]) for index in part.tolist()]
                yield make_batch(chosen, np.tile(MIDDLE, (len(chosen), 1)))


def read_pictures(rows: Rows, indices: np.ndarray) -> dict[int, dict]:
    """Index -> the picture columns of the row, encoded.

    Files are read one after another, whole, which disks like best.
    """
    found = {}
    wanted = np.unique(indices)
    for number in np.unique(rows.file[wanted]):
        of_file = wanted[rows.file[wanted] == number]
        table = pq.read_table(rows.files[number], columns=list(PICTURE_COLUMNS), use_threads=False)
        found |= zip(of_file.tolist(), table.take(rows.position[of_file]).to_pylist(), strict=True)
    return found


def make_batch(chosen: list[tuple[int, dict]], views: np.ndarray) -> Batch:
    """From (label, picture columns) and views (corner x, corner y, mirror); a bad picture is the batch's error."""
    faces = np.empty((len(chosen), INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    for face, (_, row), (x, y, mirror) in zip(faces, chosen, views, strict=True):
        try:
            square = training_square(picture_of(row))
        except UserError as error:  # said by the process that trains, not by its worker
            return Batch(torch.empty(0), torch.empty(0), str(error))
        crop = square[y : y + INPUT_SIZE, x : x + INPUT_SIZE]
        face[:] = crop[:, ::-1] if mirror else crop
    labels = torch.tensor([int(label) for label, _ in chosen])
    return Batch(torch.from_numpy(faces).permute(0, 3, 1, 2), labels)


def training_square(picture: Picture) -> np.ndarray:
    """(129, 129, 3) uint8 around the face; a picture without a box is taken for an aligned crop. Raises UserError."""
    image = picture.decode()
    if picture.face:
        return np.asarray(SQUARE.crop(image, picture.face))
    shorter_side = min(image.size) / ALIGNED_FACTOR
    center = image.width / 2, image.height / 2 + ALIGNED_DROP * shorter_side
    return np.asarray(crop_square(image, center, SQUARE.crop_factor * shorter_side, SQUARE.size, SQUARE.padding))


def batches(stream: IterableDataset, workers: int) -> Iterator[Batch]:
    """The stream's batches, made by `workers` processes ahead of time (0: in this one).

    Raises UserError for a bad picture.
    """
    ahead = {"prefetch_factor": BATCHES_AHEAD, "worker_init_fn": _leave_signals_alone} if workers else {}
    for batch in DataLoader(
        stream, batch_size=None, num_workers=workers, pin_memory=torch.cuda.is_available(), **ahead
    ):
        if batch.error:
            raise UserError(batch.error)
        yield batch


def _worker() -> Share:
    """Which of the loader's workers this process is."""
    info = get_worker_info()
    return Share(info.id, info.num_workers) if info else Share()


def _leave_signals_alone(worker: int) -> None:
    """Ctrl-C reaches the whole process group; the process that trains ends its workers itself, after the step."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
