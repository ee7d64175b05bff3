"""Identification training, both stages of the paper: the network learns to tell the identities of a training set apart.

Every step's pictures, views and dropout depend on (seed, step) alone, so a run that was stopped continues exactly.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import torch
from torch import nn
from torch.nn import functional as F

from sfpn.errors import UserError
from sfpn.network.model import SFPN
from sfpn.photos.preprocess import Preprocess
from sfpn.training.identify.heads import LOSSES, make_head
from sfpn.training.identify.order import BUFFER_IMAGES, Order
from sfpn.training.identify.plateau import RATES, Plateau
from sfpn.training.identify.rows import TrainingSet
from sfpn.training.identify.stream import Batch, Share, TrainingStream, ValidationStream, batches
from sfpn.training.loop import check_finite, check_same_settings
from sfpn.training.processes import PRECISIONS
from sfpn.training.settings import setting
from sfpn.training.start import channels_last

CHANGEABLE = ("steps", "epochs", "accumulate", "precision", "workers", "save_every_seconds")  # when a run is continued


@dataclass(frozen=True)
class IdentifyConfig:
    """One run; saved with its checkpoints and in the card. Defaults are the paper's (arXiv 2007.08566) where it says.

    `depthwise`, `momentum` and `start_from` are part of the recipe too; `steps` is worked out from `epochs`.
    """

    depthwise: bool = False
    momentum: float = 0.9
    start_from: str = "random"
    steps: int = 0  # of the epochs

    loss: str = setting("softmax", "loss of the identification, plain or with a margin", choices=LOSSES)
    margin: float | None = setting(None, "margin of the loss; default: that of the loss's paper")
    batch: int = setting(128, "images per optimizer step, over all processes and parts", positive=True)
    rates: tuple[float, ...] = setting(RATES, "learning rates, each kept until the validation loss is flat")
    patience: int = setting(2, "validations without gain that make the loss flat", positive=True)
    epochs: float = setting(100.0, "passes over the images at most; the last rate's flat loss usually comes before")
    validation: float = setting(
        0.02, "share (0-1) of each identity's images that validates and is not trained on", metavar="SHARE"
    )
    validate_every_images: int = setting(0, "images between two validations; 0: after every epoch", metavar="N")
    min_images: int = setting(1, "leave out identities with fewer images", metavar="N", positive=True)
    weight_decay: float = setting(1e-4, "how strongly weights are drawn to zero (L2)")
    dropout: float = setting(0.5, "share (0-1) of the last maps that is set to zero in training")
    pose_balanced: bool = setting(False, "draw identities and poses evenly, in pairs of one person in two poses")
    consistency: float = setting(0.0, "weight of the frontal-profile loss within these pairs", metavar="WEIGHT")
    freeze_batch_norm: bool = setting(False, "keep the statistics of the start in batch normalisation")
    augment: bool = setting(True, "always the middle crop, never mirrored")
    buffer_images: int = setting(
        BUFFER_IMAGES, "encoded pictures held in memory to be mixed", metavar="N", positive=True
    )
    seed: int = setting(0, "of everything drawn at random")

    accumulate: int = setting(
        1, "parts in which a batch is done one after the other, which takes less memory", metavar="PARTS", positive=True
    )
    precision: str | None = setting(
        None, "of the arithmetic; default: what accelerate launch says, else no (float32)", choices=PRECISIONS
    )
    workers: int = setting(0, "processes that decode pictures; 0: the one that trains")
    save_every_seconds: float = setting(300.0, "seconds between two checkpoints")


MACHINE = ("accumulate", "precision", "workers", "save_every_seconds")  # what the result does not depend on
RECIPE = tuple(field.name for field in fields(IdentifyConfig) if field.name not in MACHINE)


class Recognizer(nn.Module):
    """A network with an identification head: pixels in, losses out."""

    mean: torch.Tensor

    def __init__(self, network: SFPN, head: nn.Module, consistency: float) -> None:
        super().__init__()
        self.network, self.head, self.consistency = network, head, consistency
        self.register_buffer("mean", torch.tensor(Preprocess().mean).view(1, 3, 1, 1), persistent=False)

    def forward(self, faces: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Faces (B, 3, 113, 113) uint8 RGB, labels (B,) -> {"identity": cross entropy, ["pose": consistency]}."""
        descriptors = self.descriptors(faces)
        losses = {"identity": F.cross_entropy(self.head(descriptors, labels).float(), labels)}
        if self.consistency:
            losses["pose"] = self.consistency * pair_consistency(descriptors, labels)
        return losses

    def descriptors(self, faces: torch.Tensor) -> torch.Tensor:
        """(B, D)."""
        return self.network((faces.float() - self.mean).contiguous(memory_format=torch.channels_last))


def pair_consistency(descriptors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the neighbouring pairs (2 i, 2 i + 1) of a batch (B, D) of 1 - cosine, 0 for pairs of different people.

    Pose-balanced batches are made of pairs of one person in two poses: the loss draws their descriptors together.
    """
    count = len(labels) // 2 * 2
    one, other = descriptors[:count].float().unflatten(0, (-1, 2)).unbind(1)
    same = labels[:count:2] == labels[1:count:2]
    return ((1 - F.cosine_similarity(one, other)) * same).mean() if count else descriptors.sum() * 0


class Identification:
    """A run's state; what `sfpn.training.loop.drive` trains."""

    def __init__(
        self, config: IdentifyConfig, data: TrainingSet, data_named: list[str], network: SFPN, accelerator
    ) -> None:
        """data_named: names and fingerprints of the datasets, which a continued run must share."""
        _check_divisible(config, accelerator.num_processes)
        torch.manual_seed(config.seed)
        self.config, self.data, self.data_named, self.accelerator = config, data, data_named, accelerator
        self.share = Share(accelerator.process_index, accelerator.num_processes)
        head = make_head(config.loss, network.config.descriptor_size, data.train.identities, config.margin)
        self.recognizer = channels_last(Recognizer(network, head, config.consistency))
        self.plateau = Plateau(config.rates, config.patience)
        optimizer = torch.optim.SGD(
            self.recognizer.parameters(), config.rates[0], config.momentum, weight_decay=config.weight_decay
        )
        self.model, self.optimizer = accelerator.prepare(self.recognizer, optimizer)
        self.step = 0
        self._batches: Iterator[Batch] | None = None

    def train_step(self) -> dict[str, float]:
        """See `Trainable`; the losses are means over the whole batch, the same in every process."""
        batch, rate = self._next_batch(), self.plateau.rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed((self.config.seed << 40) + self.step * self.share.count + self.share.index)  # dropout
        self._train_mode()
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._gradients(batch)
        check_finite(losses, self.step, rate)
        self.optimizer.step()
        self.step += 1
        return losses | {"images": self.config.batch, "learning_rate": rate}

    def _next_batch(self) -> Batch:
        if self._batches is None:
            config = self.config
            order = Order(self.data.train, config.seed, config.buffer_images, config.pose_balanced)
            self._batches = batches(
                TrainingStream(order, config.batch, self.share, self.step, config.augment), config.workers
            )
        return next(self._batches)

    def _train_mode(self) -> None:
        self.model.train()
        if self.config.freeze_batch_norm:
            for module in self.recognizer.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _gradients(self, batch: Batch) -> dict[str, float]:
        """Add the gradients of this process's share of the batch, part by part; they are exchanged at the last part."""
        device, parts = self.accelerator.device, self.config.accumulate
        sums: dict[str, torch.Tensor] = {}
        pieces = zip(batch.faces.chunk(parts), batch.labels.chunk(parts), strict=True)
        for number, (faces, labels) in enumerate(pieces, start=1):
            last = number == parts
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.model):
                losses = self.model(faces.to(device, non_blocking=True), labels.to(device, non_blocking=True))
                self.accelerator.backward(sum(losses.values()) / parts)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0) + value.detach() / parts
        means = self.accelerator.reduce(torch.stack(list(sums.values())), "mean")
        return dict(zip(sums, means.tolist(), strict=True))

    @property
    def epoch(self) -> float:
        """Passes over the training rows so far."""
        return self.step * self.config.batch / len(self.data.train)

    def due(self, step: int) -> bool:
        """Whether a validation follows this step: where an epoch, or validate_every_images, is full."""
        every = self.config.validate_every_images or len(self.data.train)
        return step * self.config.batch // every > (step - 1) * self.config.batch // every

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and accuracy of identification on the validation rows, without margin; a flat loss lowers the rate."""
        self.recognizer.eval()
        device = self.accelerator.device
        sums = torch.zeros(3, dtype=torch.float64)
        stream = ValidationStream(
            self.data.validation, self.config.batch // self.share.count // self.config.accumulate, self.share
        )
        for faces, labels, _ in batches(stream, self.config.workers):
            labels = labels.to(device)
            with self.accelerator.autocast():
                logits = self.recognizer.head(self.recognizer.descriptors(faces.to(device))).float()
            loss = F.cross_entropy(logits, labels, reduction="sum")
            sums += torch.tensor(
                [loss.item(), (logits.argmax(1) == labels).sum().item(), len(labels)], dtype=torch.float64
            )
        loss, right, count = self.accelerator.reduce(sums.float().to(device), "sum").tolist()
        if not math.isfinite(loss):
            raise UserError(
                f"the validation loss at step {self.step} is not finite; start again with a lower learning rate"
            )
        self.plateau.see(loss / count)
        return {
            "epoch": round(self.epoch, 3),
            "validation_loss": float(f"{loss / count:.6g}"),
            "validation_accuracy": round(right / count, 5),
        }

    def ended(self) -> bool:
        """Whether the loss is flat at the lowest rate."""
        return self.plateau.ended

    def state(self) -> dict:
        """See `Trainable`."""
        scaler = self.accelerator.scaler
        return {
            "config": asdict(self.config),
            "data": self.data_named,
            "step": self.step,
            "plateau": self.plateau.state(),
            "recognizer": self.recognizer.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
        }

    def restore(self, state: dict) -> None:
        """See `Trainable`."""
        current = asdict(self.config) | {"data": self.data_named}
        before = state.get("config", {}) | {"data": state.get("data")}
        check_same_settings(before, current, CHANGEABLE)
        self.recognizer.load_state_dict(state["recognizer"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.plateau = Plateau(self.config.rates, self.config.patience, **state["plateau"])
        self.step, self._batches = state["step"], None


def _check_divisible(config: IdentifyConfig, processes: int) -> None:
    parts = processes * config.accumulate
    if config.batch % parts:
        raise UserError(
            f"--batch {config.batch} cannot be shared by {processes} processes in --accumulate {config.accumulate} "
            "parts; "
            f"give a multiple of {parts}"
        )
    if config.consistency and not config.pose_balanced:
        raise UserError("--consistency needs pairs of poses in each batch; add --pose-balanced")
    if config.consistency and config.batch // parts % 2:
        raise UserError(
            f"--consistency needs an even number of images at once, not {config.batch // parts}; change --batch"
        )
