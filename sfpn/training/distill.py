"""Distillation towards a target space: the student puts a disturbed face where the teachers put the face.

The targets (sfpn.training.targets) have the size of the descriptor and lie where the student's descriptors start, so a
step needs no teacher, no head and no pairs: it turns each centred descriptor towards its own target, and away from the
targets of other people (softmax over all of them, with the target of each person as fixed class weights).
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sfpn.errors import UserError
from sfpn.model import INPUT_SIZE, SFPN
from sfpn.preprocess import Preprocess
from sfpn.training.augment import Augmentation
from sfpn.training.batches import Batches
from sfpn.training.descriptors import descriptors, plain_descriptors, spread_rows
from sfpn.training.pack import Pack
from sfpn.training.run import check_finite
from sfpn.training.targets import prototypes, toward_identity

MEAN_IMAGES = 1_000
VALIDATE_EVERY = 10_000  # images
CHANGEABLE = ("images",)  # when a run is continued


@dataclass(frozen=True)
class DistillConfig:
    """One run; saved with its checkpoints. Sizes are in image passes, so that the batch can change without them."""

    depthwise: bool
    seed: int = 0
    images: int = 200_000
    batch: int = 32
    micro_batch: int = 8  # faces at once; small, because the maps then stay in the processor's cache
    early_every: int = 4  # the layers up to pool4, most of a step's time, are trained on every so many steps; 0: never
    rate: float = 1e-3
    weight_decay: float = 1e-4
    profile_repeats: int = 3  # how often a pass shows each profile face
    identity_share: float = 0.2  # how far targets are moved towards the mean target of their identity
    identity_weight: float = 0.1  # of the softmax over people
    identity_scale: float = 24.0  # of the cosines in that softmax
    augmentation: str = "usual"  # usual | strong
    average_steps: int = 300  # the weights that count are a running mean over about so many steps; 1: the last ones

    @property
    def steps(self) -> int:
        return self.images // self.batch

    def due(self, step: int) -> bool:
        """Whether a line is logged after a step."""
        return step % max(1, VALIDATE_EVERY // self.batch) == 0


class Distiller:
    """Holds a run's state: the student and its running mean, the mean that centres descriptors, the optimizer and the step."""

    def __init__(self, config: DistillConfig, pack: Pack, student: SFPN, targets: np.ndarray, preprocess: Preprocess) -> None:
        """student: without batch normalisation; targets: (N, descriptor_size) unit vectors in the pack's order."""
        torch.manual_seed(config.seed)
        self.config, self.student = config, student.train()
        self.batches = Batches(pack, preprocess, config.seed, config.profile_repeats)
        moved = toward_identity(targets, pack.identities, config.identity_share)
        self.targets = torch.from_numpy(moved)
        people, self.classes = (torch.from_numpy(part) for part in prototypes(moved, pack.identities))
        self.people = people.to(torch.bfloat16)
        self.mean = nn.Parameter(torch.from_numpy(plain_descriptors(student, self.batches, spread_rows(len(pack), MEAN_IMAGES)).mean(axis=0)))
        self.average = copy.deepcopy(student).requires_grad_(False)
        self.augmentation = AUGMENTATIONS[config.augmentation]
        self.optimizer = torch.optim.AdamW([*student.parameters(), self.mean], weight_decay=config.weight_decay)
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns its losses by name. Raises FloatingPointError on a non-finite loss."""
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._gradients()
        check_finite(losses, self.step, rate)
        nn.utils.clip_grad_norm_([*self.student.parameters(), self.mean], 1.0)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return losses | {"images": self.config.batch, "learning_rate": rate}

    @torch.no_grad()
    def _update_average(self) -> None:
        """An exponential mean of the weights (Polyak averaging), over fewer steps while there have been few."""
        share = max(1 / self.config.average_steps, 1 / (1 + self.step / 10))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.student.parameters()), share)

    def _rate(self) -> float:
        progress = self.step / self.config.steps
        warm = min(1.0, (self.step + 1) / 100)
        return self.config.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def _gradients(self) -> dict[str, float]:
        config = self.config
        rows = self.batches.rows(self.step, config.batch)
        views, _ = self.batches.views(rows, self.step, INPUT_SIZE, self.augmentation)
        early = bool(config.early_every) and self.step % config.early_every == 0
        parts = max(1, config.batch // config.micro_batch)
        sums: dict[str, float] = {}
        for part_rows, part in zip(np.array_split(rows, parts), views.tensor_split(parts), strict=True):
            with torch.autocast("cpu", torch.bfloat16):
                centred = descriptors(self.student, part, early) - self.mean
                losses = self._losses(centred, torch.from_numpy(part_rows))
            (sum(losses[name] * weight for name, weight in self.weights.items()) / parts).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / parts
        return sums

    @property
    def weights(self) -> dict[str, float]:
        """Loss name -> its weight."""
        return {"target": 1.0, "identity": self.config.identity_weight}

    def _losses(self, centred: torch.Tensor, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """centred: (B, D) float32. Cosine distance to the own target; cross entropy of the cosines to all people's."""
        unit = F.normalize(centred, dim=1)
        logits = self.config.identity_scale * (unit.to(torch.bfloat16) @ self.people.T).float()
        return {
            "target": 1 - (unit * self.targets[rows]).sum(dim=1).mean(),
            "identity": F.cross_entropy(logits, self.classes[rows]),
        }

    def state(self) -> dict:
        """What `restore` needs to continue, tensors and plain values only."""
        return {
            "config": asdict(self.config),
            "step": self.step,
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "mean": self.mean.data,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict) -> None:
        """Continue from `state()`. Raises UserError if it belongs to a run with other settings."""
        current = asdict(self.config)
        different = [k for k, v in state["config"].items() if k not in CHANGEABLE and current.get(k) != v]
        if different:
            raise UserError(f"the checkpoint was made with other settings ({', '.join(different)}); use a new --out folder")
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.mean.data.copy_(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


AUGMENTATIONS = {
    "usual": Augmentation(),
    "strong": Augmentation(scale=0.2, shift=0.08, rotation_degrees=15.0, brightness=0.35, contrast=0.35, blur=0.25),
}
