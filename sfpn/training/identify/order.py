"""The order in which a training set is seen: an endless stream of rows, the same for any number of processes.

Shards are taken in shuffled order and mixed a bufferful at a time: the rows of the shards in the buffer in random
order. Position p of the stream belongs to step p // batch; all follows from (seed, p), so a run can start anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sfpn.schema import POSES
from sfpn.training.identify.rows import Rows, files_of

BUFFER_IMAGES = 50_000  # 0.3 GB of MS1M's pictures, 0.6 GB of VGGFace2's


@dataclass(frozen=True)
class Order:
    """Passes over the rows, each in another order. `pose_balanced` draws instead: see `balanced_draws`."""

    rows: Rows
    seed: int
    buffer_images: int = BUFFER_IMAGES
    pose_balanced: bool = False

    def buffers(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        """(position in the stream, indices of rows in order) per bufferful, from the one that holds `start` on."""
        number, size = start // len(self.rows), len(self.rows)
        while True:
            position = number * size
            for buffer in self.buffers_of_pass(number):
                if position + len(buffer) > start:
                    yield position, buffer
                position += len(buffer)
            number += 1

    def buffers_of_pass(self, number: int) -> Iterator[np.ndarray]:
        """The bufferfuls of pass `number`, indices of rows in the order in which they are seen."""
        random = np.random.default_rng((self.seed, number))
        files = random.permutation(list(files_of(self.rows)))
        held: list[np.ndarray] = []
        for place, file in enumerate(files, start=1):
            held.append(self.rows.of_file(file))
            if sum(map(len, held)) >= self.buffer_images or place == len(files):
                indices = np.concatenate(held)
                yield self._drawn(indices, random) if self.pose_balanced else random.permutation(indices)
                held = []

    def _drawn(self, indices: np.ndarray, random: np.random.Generator) -> np.ndarray:
        chosen = balanced_draws(self.rows.label[indices], self.rows.pose[indices], len(indices), random)
        return indices[chosen]


def balanced_draws(label: np.ndarray, pose: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """(count,) draws with replacement: identities alike, an identity's poses alike, two neighbours a pair.

    Draws 2 i and 2 i + 1 show one identity in two different poses, where it has two; so a row of a rare pose is seen
    more often and one of a common pose less. Profile images are a few per cent of photographs from the web.
    """
    order = np.lexsort((pose, label))
    cells, starts, sizes = np.unique(
        label[order].astype(np.int64) * (len(POSES) + 1) + pose[order] + 1, return_index=True, return_counts=True
    )
    owners = cells // (len(POSES) + 1)
    _, first, poses = np.unique(
        owners, return_index=True, return_counts=True
    )  # an identity's cells: first .. first + poses - 1
    who = random.integers(len(first), size=-(-count // 2))
    one = random.integers(poses[who])
    other = np.where(poses[who] > 1, (one + 1 + random.integers(np.maximum(poses[who] - 1, 1))) % poses[who], one)
    cell = first[who][:, None] + np.stack([one, other], axis=1)
    chosen = starts[cell] + random.integers(sizes[cell])
    return order[chosen.ravel()[:count]]
