"""SqueezeFacePoseNet: SqueezeNet for 113x113 faces, with a 1000-d descriptor.

Alonso-Fernandez et al., "SqueezeFacePoseNet: Lightweight Face Verification Across Different Poses for Mobile
Platforms", arXiv 2007.08566. The layers are those of the authors' published files.

    layer          output (C, H, W)   detail
    conv1          64, 113, 113       3x3, stride 1, padding 1, ReLU
    pool1          64, 56, 56         max 3x3, stride 2
    fire2, fire3   128, 56, 56        squeeze 16, expand 64 + 64
    fire4          256, 56, 56        squeeze 32, expand 128 + 128
    pool4          256, 27, 27        max 3x3, stride 2
    fire5          256, 27, 27        squeeze 32, expand 128 + 128
    fire6, fire7   384, 27, 27        squeeze 48, expand 192 + 192
    fire8          512, 27, 27        squeeze 64, expand 256 + 256
    pool8          512, 13, 13        max 3x3, stride 2
    fire9          512, 13, 13        squeeze 64, expand 256 + 256, dropout in training
    conv10         1000, 13, 13       1x1, ReLU
    average        1000               the descriptor
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn

INPUT_SIZE = 113


@dataclass(frozen=True)
class SFPNConfig:
    """What tells one SqueezeFacePoseNet from another."""

    depthwise: bool = False  # 3x3 expands are grouped, one group per squeeze channel (the paper's 2.5 MB variant)
    batch_norm: bool = False  # between convolution and ReLU, for training; folded away for use
    descriptor_size: int = 1000
    dropout: float = 0.5


def conv_relu(in_channels: int, out_channels: int, size: int, config: SFPNConfig, groups: int = 1) -> nn.Sequential:
    """Convolution that keeps height and width, [batch normalisation,] ReLU."""
    layers = OrderedDict(
        conv=nn.Conv2d(in_channels, out_channels, size, padding=size // 2, groups=groups, bias=not config.batch_norm)
    )
    if config.batch_norm:
        layers["norm"] = nn.BatchNorm2d(out_channels)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class Fire(nn.Module):
    """Squeeze with 1x1, expand with 1x1 and 3x3 side by side: (B, in, H, W) -> (B, 2 * expand, H, W)."""

    def __init__(self, in_channels: int, squeeze: int, expand: int, config: SFPNConfig) -> None:
        super().__init__()
        self.squeeze1x1 = conv_relu(in_channels, squeeze, 1, config)
        self.expand1x1 = conv_relu(squeeze, expand, 1, config)
        self.expand3x3 = conv_relu(squeeze, expand, 3, config, groups=squeeze if config.depthwise else 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        squeezed = self.squeeze1x1(maps)
        return torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], dim=1)


class SFPN(nn.Module):
    """SqueezeFacePoseNet: (B, 3, 113, 113) RGB 0-255 less the channel means -> (B, descriptor_size), all >= 0."""

    def __init__(self, config: SFPNConfig = SFPNConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            OrderedDict(
                conv1=conv_relu(3, 64, 3, config),
                pool1=nn.MaxPool2d(3, stride=2),
                fire2=Fire(64, 16, 64, config),
                fire3=Fire(128, 16, 64, config),
                fire4=Fire(128, 32, 128, config),
                pool4=nn.MaxPool2d(3, stride=2),
                fire5=Fire(256, 32, 128, config),
                fire6=Fire(256, 48, 192, config),
                fire7=Fire(384, 48, 192, config),
                fire8=Fire(384, 64, 256, config),
                pool8=nn.MaxPool2d(3, stride=2),
                fire9=Fire(512, 64, 256, config),
                dropout=nn.Dropout(config.dropout),
                conv10=conv_relu(512, config.descriptor_size, 1, config),
            )
        )

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return self.layers(faces).mean(dim=(2, 3))

    def maps(self, faces: torch.Tensor, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """The outputs (B, C, H, W) of the named layers, for distillation; stops at the last one asked for."""
        found: dict[str, torch.Tensor] = {}
        for name, layer in self.layers.named_children():
            faces = layer(faces)
            if name in names:
                found[name] = faces
            if len(found) == len(names):
                break
        return found


def count_parameters(model: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def fold_batch_norm(model: SFPN) -> SFPN:
    """A copy without batch normalisation that computes the same descriptors as `model` in evaluation mode.

    gamma * (conv(x) - mean) / sqrt(var + eps) + beta is again a convolution (Jacob et al., arXiv 1712.05877, eq. 14).
    """
    folded = SFPN(SFPNConfig(model.config.depthwise, False, model.config.descriptor_size, model.config.dropout))
    targets = dict(folded.named_modules())
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        norm = model.get_submodule(name.removesuffix("conv") + "norm") if model.config.batch_norm else None
        weight, bias = module.weight.detach(), None if module.bias is None else module.bias.detach()
        if norm is not None:
            scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
            weight, bias = weight * scale[:, None, None, None], norm.bias.detach() - norm.running_mean * scale
        targets[name].weight.data.copy_(weight)
        targets[name].bias.data.copy_(bias)
    return folded.eval()
