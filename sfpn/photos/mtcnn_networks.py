"""The three networks of MTCNN, with facenet-pytorch's weights (MIT), which lie in its package.

The layers are those of its `models/mtcnn.py`. The package itself is not imported: it imports torchvision, and that a
compiler, which takes a second and 70 MB of every process.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn

from sfpn.errors import UserError

Layers = list[tuple[str, nn.Module]]


class Stage(nn.Module):
    """Layers in their order; those with an underscore are the heads: _1 whether, _2 where, _3 landmarks."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        for name, layer in layers:
            self.add_module(name, layer)

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 3, H, W) floats from -1 to 1 -> regression [, landmarks], probability of no face and of a face."""
        heads: dict[str, torch.Tensor] = {}
        for name, layer in self.named_children():
            if isinstance(layer, nn.Linear) and maps.dim() > 2:
                maps = maps.permute(0, 3, 2, 1).flatten(1)  # as it was trained
            if "_" not in name:
                maps = layer(maps)
            elif isinstance(layer, nn.Softmax):
                heads["1"] = layer(heads["1"])
            else:
                heads[name[-1]] = layer(maps)
        return tuple(heads[number] for number in ("2", "3", "1") if number in heads)


def proposing() -> Stage:
    """P-Net, fully convolutional: windows of 12 px in steps of 2."""
    heads: Layers = [("conv4_1", nn.Conv2d(32, 2, 1)), ("softmax4_1", nn.Softmax(1)), ("conv4_2", nn.Conv2d(32, 4, 1))]
    return _with_weights(
        "pnet",
        [*_convolution(1, 3, 10, 3), ("pool1", _pool(2)), *_convolution(2, 10, 16, 3), *_convolution(3, 16, 32, 3)]
        + heads,
    )


def refining() -> Stage:
    """R-Net: windows of 24 px."""
    return _with_weights(
        "rnet",
        [*_convolution(1, 3, 28, 3), ("pool1", _pool(3)), *_convolution(2, 28, 48, 3), ("pool2", _pool(3))]
        + [*_convolution(3, 48, 64, 2), *_dense(4, 576, 128), *_heads(5, 128, landmarks=False)],
    )


def output() -> Stage:
    """O-Net: windows of 48 px, with landmarks."""
    return _with_weights(
        "onet",
        [*_convolution(1, 3, 32, 3), ("pool1", _pool(3)), *_convolution(2, 32, 64, 3), ("pool2", _pool(3))]
        + [*_convolution(3, 64, 64, 3), ("pool3", _pool(2)), *_convolution(4, 64, 128, 2)]
        + [*_dense(5, 1152, 256), *_heads(6, 256, landmarks=True)],
    )


def _convolution(number: int, inputs: int, outputs: int, size: int) -> Layers:
    return [(f"conv{number}", nn.Conv2d(inputs, outputs, size)), (f"prelu{number}", nn.PReLU(outputs))]


def _dense(number: int, inputs: int, outputs: int) -> Layers:
    return [(f"dense{number}", nn.Linear(inputs, outputs)), (f"prelu{number}", nn.PReLU(outputs))]


def _heads(number: int, inputs: int, landmarks: bool) -> Layers:
    heads: Layers = [(f"dense{number}_1", nn.Linear(inputs, 2)), (f"softmax{number}_1", nn.Softmax(1))]
    heads.append((f"dense{number}_2", nn.Linear(inputs, 4)))
    return [*heads, (f"dense{number}_3", nn.Linear(inputs, 10))] if landmarks else heads


def _pool(size: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(size, 2, ceil_mode=True)


def _with_weights(name: str, layers: Layers) -> Stage:
    """Raises UserError where facenet-pytorch is not installed."""
    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        raise UserError("faces are found with the weights of facenet-pytorch; run: pip install -r requirements.txt")
    stage = Stage(layers)
    stage.load_state_dict(torch.load(Path(spec.origin).parent / "data" / f"{name}.pt", weights_only=True))
    return stage.eval()
