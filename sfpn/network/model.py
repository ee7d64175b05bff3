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

import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

if TYPE_CHECKING:
    from sfpn.network.card import Card

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
    layers: OrderedDict[str, nn.Module] = OrderedDict(
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
    """SqueezeFacePoseNet: (B, 3, 113, 113) RGB 0-255 less the channel means -> (B, descriptor_size), all >= 0.

    `card` is the card of the weights where they came from a file or the Hub, else None.

    >>> import torch
    >>> model = SFPN.from_pretrained("base")
    >>> model(torch.zeros(2, 3, 113, 113)).shape
    torch.Size([2, 1000])
    """

    card: Card | None = None

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

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> SFPN:
        """The network of a bundled name ('base'), a weights file or folder, or a Hub id ('user/repo[@revision]').

        In evaluation mode, float32, with its card as `card`. Raises UserError if it cannot be loaded.
        """
        from sfpn.network import checkpoint

        return checkpoint.load(name_or_path)[0]

    def save_pretrained(self, folder: str | Path, card: Card | None = None) -> Path:
        """Write model.safetensors, its card model.json and a README.md into a folder; returns the weights file.

        card: by default that of the weights loaded; without its thresholds and rates if the weights have changed since,
        because those were measured with the old ones. Batch normalisation is folded away. Raises ValueError for a
        network without a card.
        """
        from sfpn.network import pretrained

        return pretrained.save(self, Path(folder), card or self.card, measured_with_these=card is not None)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        card: Card | None = None,
        private: bool | None = None,
        revision: str | None = None,
        commit_message: str = "Upload weights and card",
        token: str | None = None,
    ) -> str:
        """Upload what `save_pretrained` writes to 'user/repo' in one commit; returns the commit's address.

        private: of a repository that is made (None: as the account's settings say). token: None takes the one of
        `hf auth login`. Raises UserError if the Hub cannot be reached or does not allow it.
        """
        from sfpn.network import hub

        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, card)
            return hub.upload(
                Path(folder), repo_id, private=private, revision=revision, message=commit_message, token=token
            )

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
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        weight, bias = module.weight, module.bias
        if model.config.batch_norm:
            norm = model.get_submodule(name.removesuffix("conv") + "norm")
            assert isinstance(norm, nn.BatchNorm2d)
            mean, variance = norm.running_mean, norm.running_var
            assert mean is not None and variance is not None
            weight, bias = fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, norm.weight, norm.bias)
        target = folded.get_submodule(name)
        assert bias is not None  # a convolution without normalisation has one, and folding makes one
        target.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
    return folded.eval()
