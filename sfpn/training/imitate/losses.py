"""Losses that make a student network follow a teacher of the same layout."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from sfpn.network.model import SFPN

LAST_EARLY_LAYER = "pool4"


class TeacherMaps:
    """The teacher's maps and descriptors in units in which every channel matters alike.

    Inner maps are divided by each channel's root mean square over a sample, the last one by a single number, because
    there the channels' relative scale is the descriptor's geometry.
    """

    def __init__(self, teacher: SFPN, sample: torch.Tensor) -> None:
        """sample: (B, 3, H, W) network input that the scales and the mean descriptor are measured on."""
        self.teacher = teacher.eval().requires_grad_(False)
        self.names = tuple(name for name, _ in teacher.layers.named_children() if name != "dropout")
        maps = teacher.maps(sample, self.names)
        self.rms = {name: _channel_rms(values) for name, values in maps.items() if not name.startswith("pool")}
        self.rms["conv10"] = self.rms["conv10"].square().mean().sqrt().expand_as(self.rms["conv10"]).clone()
        for pool, source in (("pool1", "conv1"), ("pool4", "fire4"), ("pool8", "fire8")):
            self.rms[pool] = self.rms[source]  # so that pooling and dividing commute
        self.mean_descriptor = (maps["conv10"] / self.rms["conv10"]).mean(dim=(0, 2, 3))

    @torch.no_grad()
    def __call__(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Layer name -> (B, C, H, W) scaled map of the teacher."""
        maps = self.teacher.maps(faces, self.names)
        return {name: values / self.rms[name].to(values.dtype) for name, values in maps.items()}


def _channel_rms(maps: torch.Tensor) -> torch.Tensor:
    rms = maps.float().square().mean(dim=(0, 2, 3)).sqrt()
    return rms.clamp(min=0.05 * float(rms.mean()))[:, None, None]  # a channel that is nearly silent stays nearly silent


def block_losses(student: SFPN, faces: torch.Tensor, targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean squared error of each layer fed the *teacher's* map before it: every block is its own small problem."""
    losses, previous = {}, faces
    for name, layer in student.layers.named_children():
        if name == "dropout":
            continue
        if not name.startswith("pool"):
            losses[name] = F.mse_loss(layer(previous).float(), targets[name].float())
        previous = targets[name]
    return losses


def network_losses(
    student: SFPN,
    faces: torch.Tensor,
    targets: dict[str, torch.Tensor],
    mean_descriptor: torch.Tensor,
    train_early: bool,
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Losses of the student run on its own, per map and for the centred descriptor; and its descriptors (B, D).

    Without `train_early` the layers before pool4, whose large maps are most of a step's time, get no gradient.
    """
    losses, values, early = {}, faces, True
    for name, layer in student.layers.named_children():
        with torch.set_grad_enabled(train_early or not early):
            values = layer(values)
            if name in targets and not name.startswith("pool"):
                losses[name] = F.mse_loss(values.float(), targets[name].float())
        early = early and name != LAST_EARLY_LAYER
    descriptors = values.float().mean(dim=(2, 3))
    wanted = targets["conv10"].float().mean(dim=(2, 3))
    cosine = F.cosine_similarity(descriptors - mean_descriptor, wanted - mean_descriptor)
    return losses | {"descriptor": (1 - cosine).mean()}, descriptors
