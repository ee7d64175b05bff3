"""Distillation towards a target space: the student puts a disturbed face where the teachers put the face.

The targets (sfpn.training.distill.targets) have the size of the descriptor and lie where the student's descriptors
start, so a step needs no teacher, no head and no pairs: it turns each centred descriptor towards its own target, and
away from the targets of other people (softmax over all of them, with each person's target as fixed class weights).
"""

from __future__ import annotations

import copy
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
from sfpn.training.loop import check_finite, check_same_settings, weighted_sum
from sfpn.training.pack import Pack
from sfpn.training.schedule import follow, warm_cosine
from sfpn.training.settings import setting

MEAN_IMAGES = 1_000
VALIDATE_EVERY = 10_000  # images
WARM_STEPS, LOWEST_RATE = 100, 0.01  # of the learning rate; the second as a share of the highest
CHANGEABLE = ("images",)  # when a run is continued


@dataclass(frozen=True)
class DistillConfig:
    """One run; saved with its checkpoints. Sizes are in image passes, so that the batch can change without them."""

    depthwise: bool
    seed: int = setting(0, "of everything drawn at random")
    images: int = setting(200_000, "how many images are shown in all, repeats counted", positive=True)
    batch: int = setting(32, "images per optimizer step, over all processes", positive=True)
    micro_batch: int = setting(
        8, "images at once; small, because the maps then stay in the processor's cache", positive=True
    )
    early_every: int = setting(4, "train the layers up to pool4, most of a step's time, every N steps; 0: never")
    rate: float = setting(1e-3, "highest learning rate")
    weight_decay: float = setting(1e-4, "how strongly weights are drawn to zero (AdamW)")
    profile_repeats: int = setting(3, "how often a pass shows each profile face", positive=True)
    identity_share: float = setting(0.2, "how far (0-1) targets are moved towards the mean target of their identity")
    identity_weight: float = setting(0.1, "weight of the softmax over people")
    identity_scale: float = setting(24.0, "scale of the cosines in that softmax")
    logit_weight: float = setting(0.0, "weight of following the teachers' softmax over people instead")
    structure_weight: float = setting(
        0.0, "weight of the squared differences between the student's and the teachers' cosines among faces"
    )
    augmentation: str = setting("usual", "how far faces are disturbed", choices=("usual", "strong"))
    precision: str = setting("bf16", "of the arithmetic; no: float32", choices=("bf16", "no"))
    average_steps: int = setting(
        300, "the finished weights are a running mean over about N steps; 1: the last ones", positive=True
    )

    @property
    def steps(self) -> int:
        return self.images // self.batch

    def due(self, step: int) -> bool:
        """Whether a line is logged after a step."""
        return step % max(1, VALIDATE_EVERY // self.batch) == 0


class Distiller:
    """A run's state: the student, its running mean, the mean that centres descriptors, the optimizer and the step."""

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
        self.schedule = follow(self.optimizer, self._rate_at)
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns its losses by name. Raises FloatingPointError on a non-finite loss."""
        rate = float(self.schedule.get_last_lr()[0])
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._gradients()
        check_finite(losses, self.step, rate)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self._update_average()
        return losses | {"images": self.config.batch, "learning_rate": rate}

    @torch.no_grad()
    def _update_average(self) -> None:
        """An exponential mean of the weights (Polyak averaging), over fewer steps while there have been few."""
        share = max(1 / self.config.average_steps, 1 / (1 + self.step / 10))
        for mean, value in zip(self.average.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(value, share)

    def _rate_at(self, step: int) -> float:
        return self.config.rate * warm_cosine(step, self.config.steps, WARM_STEPS, LOWEST_RATE)

    def _gradients(self) -> dict[str, float]:
        """Add the gradients of the whole batch: each process takes its share of the parts, then they are summed."""
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
            (weighted_sum(losses, self.weights) / parts).backward()
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
        self.schedule = follow(self.optimizer, self._rate_at, self.step)


AUGMENTATIONS = {
    "usual": Augmentation(),
    "strong": Augmentation(scale=0.2, shift=0.08, rotation_degrees=15.0, brightness=0.35, contrast=0.35, blur=0.25),
}
