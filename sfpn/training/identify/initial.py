"""Where an identification run starts: at random, from ImageNet's SqueezeNet 1.1, from our weights, or another run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.training.loop import load_state
from sfpn.training.start import started_from

RANDOM, IMAGENET = "random", "imagenet"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB 0-1, by torchvision's transforms
TORCHVISION_FIRES = (3, 4, 6, 7, 9, 10, 11, 12)  # places of fire2 .. fire9 in SqueezeNet 1.1's `features`


def initial_network(start_from: str, config: SFPNConfig, faces: Callable[[], torch.Tensor]) -> SFPN:
    """The network with batch normalisation that a run begins with.

    Args:
        start_from: "random", "imagenet", a weights file or bundled name, or the folder of a run.
        config: the wanted network.
        faces: makes (B, 3, 113, 113) network input, on which batch normalisation is measured where the start has none.

    Raises UserError if the start cannot be had or does not fit.
    """
    if start_from == RANDOM:
        return SFPN(config)
    if start_from == IMAGENET:
        return with_batch_norm(from_torchvision(_downloaded(), config), config, faces())
    folder = Path(start_from)
    if folder.is_dir():
        state = load_state(folder)
        if state and "recognizer" in state:
            return _of_run(folder, state, config)
        start_from = str(_only_weights(folder))
    source, _ = checkpoint.load(start_from)
    return with_batch_norm(started_from(source, config.depthwise), config, faces())


def _of_run(folder: Path, state: dict, config: SFPNConfig) -> SFPN:
    """The network of an identification run's last checkpoint, batch normalisation included."""
    tensors = {
        name.removeprefix("network."): value
        for name, value in state["recognizer"].items()
        if name.startswith("network.")
    }
    network = SFPN(config)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(
            f"{folder}: the network of this run is not the one to be trained; give the same --model"
        ) from error
    return network


def _only_weights(folder: Path) -> Path:
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        raise UserError(
            f"{folder}: neither a run nor a folder with one weights file ({len(found)} found); name the file"
        )
    return found[0]


@torch.no_grad()
def with_batch_norm(folded: SFPN, config: SFPNConfig, faces: torch.Tensor) -> SFPN:
    """A network with batch normalisation that computes in evaluation mode what `folded` computes.

    Its statistics are those of the convolutions' outputs for `faces` (B, 3, 113, 113), and scale and shift undo them,
    so that training mode starts at about the same function too: the inverse of `fold_batch_norm`.
    """
    network = SFPN(replace(config, batch_norm=True))
    hooks = []
    for name, module in folded.named_modules():
        if isinstance(module, nn.Conv2d):
            target, norm = (network.get_submodule(name.removesuffix("conv") + part) for part in ("conv", "norm"))
            assert isinstance(target, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            hooks.append(module.register_forward_hook(_measuring(target, norm)))
    folded.eval()(faces)
    for hook in hooks:
        hook.remove()
    return network


def _measuring(target: nn.Conv2d, norm: nn.BatchNorm2d):
    def hook(conv: nn.Conv2d, _, output: torch.Tensor) -> None:
        assert conv.bias is not None and norm.running_mean is not None and norm.running_var is not None
        variance, mean = torch.var_mean(output, dim=(0, 2, 3))
        target.weight.copy_(conv.weight)
        norm.running_var.copy_(variance)
        norm.running_mean.copy_(mean - conv.bias)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)

    return hook


def from_torchvision(state: dict[str, torch.Tensor], config: SFPNConfig) -> SFPN:
    """SqueezeNet 1.1's weights in our layers: all but the 3x3 expands of the depth-wise variant fit; those stay random.

    conv1 has stride 1 here and takes RGB 0-255 less our means, so the scaling of torchvision's input goes into its
    weights; away from the border it computes the same.
    """
    network = SFPN(replace(config, batch_norm=False))
    ours = network.state_dict()
    for name, value in _renamed(state).items():
        if ours[f"layers.{name}"].shape == value.shape:
            ours[f"layers.{name}"] = value
    weight, bias = state["features.0.weight"], state["features.0.bias"]
    deviation = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    offset = (torch.tensor(Preprocess().mean) / 255 - torch.tensor(IMAGENET_MEAN)).view(1, 3, 1, 1) / deviation
    ours["layers.conv1.conv.weight"] = weight / (255 * deviation)
    ours["layers.conv1.conv.bias"] = bias + (weight * offset).sum(dim=(1, 2, 3))
    network.load_state_dict(ours)
    return network


def _renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """torchvision's names -> ours, conv1 apart."""
    places = {f"features.{place}": f"fire{number}" for number, place in enumerate(TORCHVISION_FIRES, start=2)}
    found = {"conv10.conv.weight": state["classifier.1.weight"], "conv10.conv.bias": state["classifier.1.bias"]}
    for theirs, fire in places.items():
        for part in ("squeeze", "expand1x1", "expand3x3"):
            name = {"squeeze": "squeeze1x1"}.get(part, part)
            found |= {f"{fire}.{name}.conv.{kind}": state[f"{theirs}.{part}.{kind}"] for kind in ("weight", "bias")}
    return found


def _downloaded() -> dict[str, torch.Tensor]:
    """ImageNet's SqueezeNet 1.1 (4.7 MB), from torch's cache or torchvision's address.

    Its hash is checked and nothing is unpickled.
    """
    from sfpn.photos.torchvision_ops import ensure_torchvision

    ensure_torchvision()
    from torchvision.models import SqueezeNet1_1_Weights

    try:
        return SqueezeNet1_1_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network, no disk, or another file than torchvision's
        raise UserError(
            f"ImageNet's SqueezeNet 1.1 could not be downloaded ({error}); "
            "connect to a network, or use --start-from random"
        ) from error
