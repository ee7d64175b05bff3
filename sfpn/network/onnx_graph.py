"""A SqueezeFacePoseNet as an ONNX graph laid out for ONNX Runtime on a processor: the same descriptors, half the time.

Two things cost ONNX Runtime more than the multiplications, and neither has to be there:

* A Fire module ends by copying its two outputs behind each other. Here they stay apart: the convolution that reads
  them is one convolution of each, added, which ONNX Runtime does while it writes the second.
* The depth-wise variant makes several maps of each squeezed one in one grouped convolution, for which there is no fast
  kernel. Here they are as many convolutions that make one map of each, for which there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from sfpn.network.model import INPUT_SIZE, SFPN, Fire
from sfpn.onnx_file import Attributes, OnnxFile

INPUT, OUTPUT = "faces", "descriptors"


@dataclass(frozen=True)
class Part:
    """Some of the channels of a layer's output, which have a name of their own in the graph."""

    name: str
    channels: np.ndarray  # which of the layer's


def encode(network: SFPN) -> bytes:
    """The ONNX file: `faces` (B, 3, 113, 113) float32 as the network takes them -> `descriptors` (B, D) float32.

    Raises ValueError for a network with batch normalisation, which weights on disk never have.
    """
    if network.config.batch_norm:
        raise ValueError("fold the batch normalisation first: sfpn.network.model.fold_batch_norm")
    file, parts = OnnxFile(), [Part(INPUT, np.arange(3))]
    for layer in network.layers.children():
        parts = _layer(file, layer, parts)
    [maps] = parts
    file.node("Flatten", [file.node("GlobalAveragePool", [maps.name])], output=OUTPUT)
    return file.encoded(
        {INPUT: ("batch", 3, INPUT_SIZE, INPUT_SIZE)}, {OUTPUT: ("batch", network.config.descriptor_size)}
    )


def _layer(file: OnnxFile, layer: nn.Module, parts: list[Part]) -> list[Part]:
    if isinstance(layer, Fire):
        [squeezed] = _convolution(file, layer.squeeze1x1, parts)
        one, three = (_convolution(file, expand, [squeezed]) for expand in (layer.expand1x1, layer.expand3x3))
        first = sum(len(part.channels) for part in one)
        return [*one, *(Part(part.name, part.channels + first) for part in three)]
    if isinstance(layer, nn.MaxPool2d):
        size, stride = layer.kernel_size, layer.stride
        assert isinstance(size, int) and isinstance(stride, int)
        pooled: Attributes = {"kernel_shape": [size, size], "strides": [stride, stride]}
        return [Part(file.node("MaxPool", [part.name], pooled), part.channels) for part in parts]
    if isinstance(layer, nn.Dropout):
        return parts
    return _convolution(file, layer, parts)


def _convolution(file: OnnxFile, layer: nn.Module, parts: list[Part]) -> list[Part]:
    """Convolution and ReLU; of one group, or of one group an input channel."""
    convolution = layer.get_submodule("conv")
    assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
    weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()
    shape: Attributes = {"kernel_shape": list(weight.shape[2:]), "pads": [weight.shape[-1] // 2] * 4}
    if convolution.groups == 1:
        first, *others = parts
        added = file.node("Conv", [first.name, *file.weights(weight[:, first.channels], bias)], shape)
        for part in others:
            one = file.node("Conv", [part.name, *file.weights(weight[:, part.channels])], shape)
            added = file.node("Add", [added, one])
        return [Part(file.node("Relu", [added]), np.arange(len(weight)))]
    [only], each, made = parts, len(weight) // convolution.groups, np.arange(len(weight))
    shape = {**shape, "group": convolution.groups}
    found = []
    for number in range(each):
        some = slice(number, None, each)  # the maps of this number that are made of each input channel
        maps = file.node("Conv", [only.name, *file.weights(weight[some], bias[some])], shape)
        found.append(Part(file.node("Relu", [maps]), made[some]))
    return found
