"""Identification heads: descriptor and identity -> loss. Softmax as in the paper, and the margins that came after it.

With a margin, the logit of class j is s cos(theta_j), theta_j the angle between descriptor and class weight; only the
logit of the true class y is made harder in training:

    cosface   s (cos(theta_y) - m)                             Wang et al., CosFace, arXiv 1801.09414, eq. 4
    arcface   s cos(theta_y + m)                               Deng et al., ArcFace, arXiv 1801.07698, eq. 3
    adaface   s (cos(theta_y - m q) - m q - m)                 Kim et al., AdaFace, arXiv 2204.00964, eq. 8-9
              with the quality q = clip((|z| - mean |z|) / (std |z| / h), -1, 1) of the descriptor z
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

DEFAULT_MARGINS = {"arcface": 0.5, "cosface": 0.35, "adaface": 0.4}  # m, of the papers
LOSSES = ("softmax", *DEFAULT_MARGINS)
SCALE = 64.0  # s
QUALITY_SPREAD = 0.333  # h of AdaFace
NORM_MEMORY = 0.99  # of AdaFace's running mean and deviation of |z|
ANGLE_END = 1e-3  # radians kept from 0 and pi, where the slope of the arc cosine is infinite


class SoftmaxHead(nn.Module):
    """A linear layer: z -> W z + b, the paper's identification layer."""

    def __init__(self, descriptor_size: int, identities: int) -> None:
        super().__init__()
        self.linear = nn.Linear(descriptor_size, identities)

    def forward(self, descriptors: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """(B, D) -> logits (B, identities); `labels` make no difference."""
        return self.linear(descriptors)


class MarginHead(nn.Module):
    """Scaled cosines, with the margin of `kind` at the true class where labels are given."""

    norm_mean: torch.Tensor
    norm_std: torch.Tensor

    def __init__(self, descriptor_size: int, identities: int, kind: str, margin: float, scale: float = SCALE) -> None:
        super().__init__()
        self.kind, self.margin, self.scale = kind, margin, scale
        self.weight = nn.Parameter(torch.empty(identities, descriptor_size))
        nn.init.normal_(self.weight, std=descriptor_size**-0.5)
        if kind == "adaface":
            self.register_buffer("norm_mean", torch.tensor(20.0))
            self.register_buffer("norm_std", torch.tensor(100.0))

    def forward(self, descriptors: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """(B, D), (B,) int64 -> logits (B, identities); plain scaled cosines without labels.

        In float32 whatever the precision.
        """
        with torch.autocast(descriptors.device.type, enabled=False):
            descriptors = descriptors.float()
            cosines = F.linear(F.normalize(descriptors), F.normalize(self.weight.float()))
            if labels is None:
                return self.scale * cosines
            true = cosines.gather(1, labels[:, None])
            harder = self._harder(true, descriptors.detach().norm(dim=1, keepdim=True))
            return self.scale * cosines.scatter(1, labels[:, None], harder)

    def _harder(self, cosines: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
        if self.kind == "cosface":
            return cosines - self.margin
        if self.kind == "arcface":
            # beyond pi the cosine would rise again: there the loss falls in a straight line, as in the authors' code
            return torch.where(
                cosines > math.cos(math.pi - self.margin),
                _turned(cosines, self.margin),
                cosines - self.margin * math.sin(math.pi - self.margin),
            )
        quality = self.margin * self._quality(norms)
        return _turned(cosines, -quality) - quality - self.margin

    def _quality(self, norms: torch.Tensor) -> torch.Tensor:
        """(B, 1) in [-1, 1], by norms (B, 1) against the running statistics over the batches of all processes."""
        norms = norms.clamp(0.001, 100.0)
        if self.training:
            everyone = _of_all_processes(norms)
            for running, value in ((self.norm_mean, everyone.mean()), (self.norm_std, everyone.std())):
                running.mul_(NORM_MEMORY).add_(value.nan_to_num(0.0), alpha=1 - NORM_MEMORY)
        return (QUALITY_SPREAD * (norms - self.norm_mean) / (self.norm_std + 0.001)).clamp(-1, 1)


def make_head(loss: str, descriptor_size: int, identities: int, margin: float | None = None) -> nn.Module:
    """The head of one of LOSSES; `margin` None is the paper's."""
    if loss == "softmax":
        return SoftmaxHead(descriptor_size, identities)
    return MarginHead(descriptor_size, identities, loss, DEFAULT_MARGINS[loss] if margin is None else margin)


def _turned(cosines: torch.Tensor, angle: torch.Tensor | float) -> torch.Tensor:
    """cos(theta + angle), theta + angle kept within [0, pi]."""
    end = math.cos(ANGLE_END)
    return (cosines.clamp(-end, end).acos() + angle).clamp(ANGLE_END, math.pi - ANGLE_END).cos()


def _of_all_processes(values: torch.Tensor) -> torch.Tensor:
    """The rows of every process, which all have equally many."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return values
    parts = [torch.empty_like(values) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)
