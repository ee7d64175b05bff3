"""Distillation towards a target space: the student puts a disturbed face where the teachers put the face.

The targets (sfpn.training.distill.targets) have the size of the descriptor and lie where the student's descriptors start, so a
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

from sfpn.network.model import INPUT_SIZE, SFPN
from sfpn.photos.preprocess import Preprocess
from sfpn.training.augment import Augmentation
from sfpn.training.batches import Batches
from sfpn.training.descriptors import descriptors, plain_descriptors, spread_rows
from sfpn.training.distill.targets import prototypes, toward_identity
from sfpn.training.loop import check_finite, check_same_settings
from sfpn.training.pack import Pack

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
    logit_weight: float = 0.0  # of the teachers' softmax over people in place of the one right person
    structure_weight: float = (
        0.0  # of the squared differences between the student's and the teachers' cosines in a part
    )
    augmentation: str = "usual"  # usual | strong
    precision: str = "bf16"  # of the arithmetic; no = float32
    average_steps: int = 300  # the weights that count are a running mean over about so many steps; 1: the last ones

    @property
    def steps(self) -> int:
        return self.images // self.batch

    def due(self, step: int) -> bool:
        """Whether a line is logged after a step."""
        return step % max(1, VALIDATE_EVERY // self.batch) == 0


class Distiller:
    """Holds a run's state: the student and its running mean, the mean that centres descriptors, the optimizer and the step."""

    def __init__(
        self, config: DistillConfig, pack: Pack, student: SFPN, targets: np.ndarray, preprocess: Preprocess, accelerator
    ) -> None:
        """student: without batch normalisation; targets: (N, descriptor_size) unit vectors in the pack's order."""
        torch.manual_seed(config.seed)
        self.config, self.accelerator, device = config, accelerator, accelerator.device
        self.student = student.to(device).train()
        self.batches = Batches(pack, preprocess, config.seed, config.profile_repeats, device)
        moved = toward_identity(targets, pack.identities, config.identity_share)
        people, classes = prototypes(moved, pack.identities)
        self.targets, self.classes = torch.from_numpy(moved).to(device), torch.from_numpy(classes).to(device)
        self.people = torch.from_numpy(people).to(device, torch.bfloat16)
        start = plain_descriptors(student, self.batches, spread_rows(len(pack), MEAN_IMAGES))
        self.mean = nn.Parameter(torch.from_numpy(start.mean(axis=0)).to(device))
        self.average = copy.deepcopy(student).requires_grad_(False)
        self.augmentation = AUGMENTATIONS[config.augmentation]
        self.parameters = [*student.parameters(), self.mean]
        self.optimizer = torch.optim.AdamW(self.parameters, weight_decay=config.weight_decay)
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns its losses by name. Raises FloatingPointError on a non-finite loss."""
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._gradients()
        check_finite(losses, self.step, rate)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
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
        """Add the gradients of the whole batch: each process takes every so manieth of its parts, then they are summed."""
        config, processes = self.config, self.accelerator
        rows = self.batches.rows(self.step, config.batch)
        views, _ = self.batches.views(rows, self.step, INPUT_SIZE, self.augmentation)
        early = bool(config.early_every) and self.step % config.early_every == 0
        parts = max(1, config.batch // config.micro_batch)
        pieces = list(zip(np.array_split(rows, parts), views.tensor_split(parts), strict=True))
        sums = torch.zeros(len(self.weights), device=processes.device)
        for part_rows, part in pieces[processes.process_index :: processes.num_processes]:
            with processes.autocast():
                centred = descriptors(self.student, part, early) - self.mean
                losses = self._losses(centred, torch.from_numpy(part_rows).to(processes.device))
            (sum(losses[name] * weight for name, weight in self.weights.items()) / parts).backward()
            sums += torch.stack([losses[name].detach() for name in self.weights]) / parts
        if processes.num_processes > 1:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad = processes.reduce(parameter.grad, "sum")
            sums = processes.reduce(sums, "sum")
        return dict(zip(self.weights, sums.tolist(), strict=True))

    @property
    def weights(self) -> dict[str, float]:
        """Loss name -> its weight, for those that have one."""
        config = self.config
        optional = {
            "identity": config.identity_weight,
            "logits": config.logit_weight,
            "structure": config.structure_weight,
        }
        return {"target": 1.0} | {name: weight for name, weight in optional.items() if weight}

    def _losses(self, centred: torch.Tensor, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """centred: (B, D) float32, of pack rows (B,).

        target: cosine distance to the own target. identity: cross entropy of the cosines to all people's. logits: the
        same with the teachers' softmax as what is wanted (Hinton et al., arXiv 1503.02531). structure: mean squared
        difference of the cosines among the part's faces (Tung and Mori, arXiv 1907.09682).
        """
        unit, wanted, scale = F.normalize(centred, dim=1), self.targets[rows], self.config.identity_scale
        found = {"target": 1 - (unit * wanted).sum(dim=1).mean()}
        logits = scale * (unit.to(torch.bfloat16) @ self.people.T).float()
        if "identity" in self.weights:
            found["identity"] = F.cross_entropy(logits, self.classes[rows])
        if "logits" in self.weights:
            found["logits"] = F.cross_entropy(
                logits, (scale * (wanted.to(torch.bfloat16) @ self.people.T).float()).softmax(dim=1)
            )
        if "structure" in self.weights:
            found["structure"] = F.mse_loss(unit @ unit.T, wanted @ wanted.T)
        return found

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
        check_same_settings(state["config"], asdict(self.config), CHANGEABLE)
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.mean.data.copy_(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


AUGMENTATIONS = {
    "usual": Augmentation(),
    "strong": Augmentation(scale=0.2, shift=0.08, rotation_degrees=15.0, brightness=0.35, contrast=0.35, blur=0.25),
}
