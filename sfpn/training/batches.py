"""Which crops a training step sees and how: all follows from (seed, step), so a stopped run continues exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sfpn.errors import UserError
from sfpn.photos.preprocess import Preprocess
from sfpn.training.augment import Augmentation, random_views
from sfpn.training.pack import CROP_FACTOR, Pack


@dataclass(frozen=True)
class Batches:
    """Shuffled passes over a pack; `profile_repeats` shows profile faces that many times in each pass."""

    pack: Pack
    preprocess: Preprocess
    seed: int
    profile_repeats: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def rows_per_pass(self) -> np.ndarray:
        """Pack rows of one pass, in order, with repeats."""
        repeats = np.where(self.pack.poses == "profile", self.profile_repeats, 1)
        return np.repeat(np.arange(len(self.pack)), repeats)

    def rows(self, step: int, batch: int) -> np.ndarray:
        """(batch,) ascending pack rows of a step. Raises UserError if a pass is smaller than one batch."""
        rows = self.rows_per_pass
        steps = len(rows) // batch
        if not steps:
            raise UserError(f"the pack has {len(rows)} crops, fewer than one batch of {batch}; lower the batch")
        shuffled = np.random.default_rng((self.seed, step // steps)).permutation(rows)
        return np.sort(shuffled[step % steps * batch :][:batch])

    def views(
        self, rows: np.ndarray, step: int, size: int, augmentation: Augmentation
    ) -> tuple[torch.Tensor, torch.Generator]:
        """(B, 3, size, size) network input of random views, and the step's generator for whatever else it draws."""
        generator = torch.Generator().manual_seed((self.seed << 32) + step)
        crops = torch.from_numpy(self.pack.crops[np.sort(rows)]).to(self.device).permute(0, 3, 1, 2)
        views = random_views(crops, size, self.preprocess.crop_factor / CROP_FACTOR, augmentation, generator)
        mean = torch.tensor(self.preprocess.mean, device=self.device).view(1, 3, 1, 1)
        return (views - mean).to(memory_format=torch.channels_last), generator
