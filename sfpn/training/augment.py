"""Random views of a batch of face crops, computed on the whole batch at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random view. All are halved to nothing by `Augmentation.none()`."""

    flip: float = 0.5  # probability
    scale: float = 0.12  # log-uniform, e.g. 0.12 = +-12 %
    shift: float = 0.06  # of the view's side
    rotation_degrees: float = 12.0
    brightness: float = 0.25
    contrast: float = 0.25
    gray: float = 0.1  # probability
    blur: float = 0.15  # probability of losing half the resolution

    @classmethod
    def none(cls) -> Augmentation:
        return cls(0, 0, 0, 0, 0, 0, 0, 0)


def random_views(
    crops: torch.Tensor, size: int, coverage: float, augmentation: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Views (B, 3, size, size), float 0-255, of crops (B, 3, S, S) uint8; plain ones cover `coverage` of a crop's side.

    The generator is the processor's: the same views whatever device the crops are on.
    """
    views = F.grid_sample(
        crops.float(),
        _sampling_grid(len(crops), size, coverage, augmentation, generator).to(crops.device),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return _recolor(views, augmentation, generator)


def _uniform(count: int, spread: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * spread


def _sampling_grid(
    count: int, size: int, coverage: float, augmentation: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    scale = coverage * torch.exp(_uniform(count, augmentation.scale, generator))
    angle = _uniform(count, math.radians(augmentation.rotation_degrees), generator)
    mirror = 1 - 2 * (torch.rand(count, generator=generator) < augmentation.flip).float()
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    shift_x, shift_y = (_uniform(count, 2 * augmentation.shift, generator) * scale for _ in range(2))
    matrix = torch.stack([mirror * cos, -mirror * sin, shift_x, sin, cos, shift_y], dim=1).view(count, 2, 3)
    return F.affine_grid(matrix, [count, 3, size, size], align_corners=False)


def _recolor(views: torch.Tensor, augmentation: Augmentation, generator: torch.Generator) -> torch.Tensor:
    count = len(views)
    gain = torch.exp(_uniform(count, augmentation.contrast, generator)).view(-1, 1, 1, 1).to(views.device)
    offset = 128 * _uniform(count, augmentation.brightness, generator).view(-1, 1, 1, 1).to(views.device)
    views = (views - 128) * gain + 128 + offset
    gray = (torch.rand(count, generator=generator) < augmentation.gray).to(views.device)
    views[gray] = views[gray].mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    soft = (torch.rand(count, generator=generator) < augmentation.blur).to(views.device)
    if soft.any():
        size = views.shape[-1]
        small = F.interpolate(views[soft], size=size // 2, mode="bilinear", antialias=True)
        views[soft] = F.interpolate(small, size=size, mode="bilinear")
    return views.clamp(0, 255)
