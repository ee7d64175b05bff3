"""Imitation from scratch: a SqueezeFacePoseNet learns to see like a teacher of the same layout, map by map.

Two stages. *Blocks*: each Fire module gets the teacher's map and learns the next one, on small patches: shallow
problems, which cost a seventh of a whole face and need no other layer to be right first. *Network*: the student
runs on its own on whole faces and matches maps and centred descriptor, and, through a linear head, the
embeddings that other teachers gave to the undisturbed face.

Every step's views depend on (seed, step) alone, so a run that was stopped continues exactly as if it had not been.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sfpn.network.model import INPUT_SIZE, SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.training.augment import Augmentation
from sfpn.training.batches import Batches
from sfpn.training.imitate.losses import LAST_EARLY_LAYER, TeacherMaps, block_losses, network_losses
from sfpn.training.loop import check_finite, check_same_settings, weighted_sum
from sfpn.training.pack import Pack
from sfpn.training.schedule import follow, warm_cosine
from sfpn.training.settings import setting
from sfpn.training.start import channels_last

VALIDATE_EVERY = 8_000  # images
WARM_STEPS, LOWEST_RATE = 50, 0.02  # of the learning rate in each stage; the second as a share of the highest
DESCRIPTOR_WEIGHT = 4.0
EMBEDDING_WEIGHT = 4.0
CHANGEABLE = ("network_images",)  # when a run is continued


@dataclass(frozen=True)
class ImitateConfig:
    """One run; saved with its checkpoints. Sizes are in image passes, so that the batch can change without them."""

    depthwise: bool
    seed: int = setting(0, "of everything drawn at random")
    block_images: int = setting(48_000, "images shown in the block stage, repeats counted; 0: no such stage")
    network_images: int = setting(40_000, "images shown in the network stage, repeats counted; 0: no such stage")
    block_batch: int = setting(32, "images per optimizer step of the block stage", positive=True)
    network_batch: int = setting(32, "images per optimizer step of the network stage", positive=True)
    micro_batch: int = setting(
        8, "whole faces at once; small, because the maps then stay in the processor's cache", positive=True
    )
    early_every: int = setting(4, "in the network stage, train the layers before pool4 every N steps", positive=True)
    patch_size: int = setting(57, "side in pixels of the patches of the block stage", positive=True)
    block_rate: float = setting(4e-3, "highest learning rate of the block stage")
    network_rate: float = setting(1.5e-3, "highest learning rate of the network stage")
    weight_decay: float = setting(1e-4, "how strongly weights are drawn to zero (AdamW)")

    @property
    def block_steps(self) -> int:
        return self.block_images // self.block_batch

    @property
    def steps(self) -> int:
        return self.block_steps + self.network_images // self.network_batch

    def due(self, step: int) -> bool:
        """Whether a line is logged after a step: every VALIDATE_EVERY images, and where a stage ends."""
        in_stage, batch = (
            (step, self.block_batch) if step <= self.block_steps else (step - self.block_steps, self.network_batch)
        )
        return step == self.block_steps or in_stage % max(1, VALIDATE_EVERY // batch) == 0


class Imitator:
    """Holds a run's state: the student, the heads towards other teachers' embeddings, the optimizer and the step."""

    def __init__(
        self, config: ImitateConfig, pack: Pack, teacher: SFPN, embeddings: list[np.ndarray], preprocess: Preprocess
    ) -> None:
        """embeddings: one (N, D) array of unit vectors per further teacher, in the pack's order; may be empty."""
        torch.manual_seed(config.seed)
        self.config, self.batches = config, Batches(pack, preprocess, config.seed)
        self.student = SFPN(SFPNConfig(depthwise=config.depthwise, batch_norm=True, dropout=0.0))
        channels_last(self.student)
        self.embeddings = [torch.from_numpy(values).float() for values in embeddings]
        self.heads = nn.ModuleList(nn.Linear(self.student.config.descriptor_size, e.shape[1]) for e in self.embeddings)
        self.optimizer = torch.optim.AdamW(
            [*self.student.parameters(), *self.heads.parameters()], weight_decay=config.weight_decay
        )
        sample, _ = self.batches.views(
            np.arange(0, len(pack), max(1, len(pack) // 256)), 0, INPUT_SIZE, Augmentation.none()
        )
        self.teacher = TeacherMaps(channels_last(teacher), sample)
        self.schedule = follow(self.optimizer, self._rate_at)
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns its losses by name. Raises FloatingPointError on a non-finite loss."""
        blocks = self.step < self.config.block_steps
        rate = float(self.schedule.get_last_lr()[0])
        self.student.train()
        if not blocks:
            self._hold_early_statistics()
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._block_gradients() if blocks else self._network_gradients()
        check_finite(losses, self.step, rate)
        nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        images = self.config.block_batch if blocks else self.config.network_batch
        return losses | {"images": images, "learning_rate": rate}

    def _rate_at(self, step: int) -> float:
        config = self.config
        if step < config.block_steps:
            return config.block_rate * warm_cosine(step, config.block_steps, WARM_STEPS, LOWEST_RATE)
        done, steps = step - config.block_steps, config.steps - config.block_steps
        return config.network_rate * warm_cosine(done, steps, WARM_STEPS, LOWEST_RATE)

    def _block_gradients(self) -> dict[str, float]:
        config = self.config
        rows = self.batches.rows(self.step, config.block_batch)
        views, generator = self.batches.views(rows, self.step, INPUT_SIZE, Augmentation())
        spare = INPUT_SIZE - config.patch_size + 1
        top, left = (int(torch.randint(spare, (1,), generator=generator)) for _ in range(2))
        patches = views[:, :, top : top + config.patch_size, left : left + config.patch_size]
        with torch.autocast("cpu", torch.bfloat16):
            losses = block_losses(self.student, patches, self.teacher(patches))
        weighted_sum(losses, {}).backward()
        return {name: value.item() for name, value in losses.items()}

    def _network_gradients(self) -> dict[str, float]:
        config = self.config
        rows = self.batches.rows(self.step - config.block_steps, config.network_batch)
        views, _ = self.batches.views(rows, self.step, INPUT_SIZE, Augmentation())
        train_early = self.step % config.early_every == 0
        parts = max(1, config.network_batch // config.micro_batch)
        sums: dict[str, float] = {}
        for part_rows, part in zip(np.array_split(rows, parts), views.tensor_split(parts), strict=True):
            with torch.autocast("cpu", torch.bfloat16):
                losses, descriptors = network_losses(
                    self.student, part, self.teacher(part), self.teacher.mean_descriptor, train_early
                )
            losses |= self._embedding_losses(descriptors, part_rows)
            (weighted_sum(losses, self.weights) / parts).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / parts
        return sums

    def _hold_early_statistics(self) -> None:
        """Early batch normalisation keeps the statistics of the block stage: its inputs no longer change by much."""
        for name, layer in self.student.layers.named_children():
            layer.eval()
            if name == LAST_EARLY_LAYER:
                return

    def _embedding_losses(self, descriptors: torch.Tensor, rows: np.ndarray) -> dict[str, torch.Tensor]:
        centred = descriptors - self.teacher.mean_descriptor
        return {
            f"embedding{i}": (1 - F.cosine_similarity(head(centred), values[rows])).mean()
            for i, (head, values) in enumerate(zip(self.heads, self.embeddings, strict=True))
        }

    @property
    def weights(self) -> dict[str, float]:
        """Loss name -> its weight, for those that weigh more than the maps."""
        embeddings = {f"embedding{i}": EMBEDDING_WEIGHT for i in range(len(self.embeddings))}
        return {"descriptor": DESCRIPTOR_WEIGHT} | embeddings

    def state(self) -> dict:
        """What `restore` needs to continue, tensors and plain values only."""
        return {
            "config": asdict(self.config),
            "step": self.step,
            "student": self.student.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict) -> None:
        """Continue from `state()`. Raises UserError if it belongs to a run with other settings."""
        check_same_settings(state["config"], asdict(self.config), CHANGEABLE)
        self.student.load_state_dict(state["student"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.schedule = follow(self.optimizer, self._rate_at, self.step)
