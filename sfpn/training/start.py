"""Where the weights of a run start: another network's weights, made to fit the network that is to be trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn

from sfpn.errors import UserError
from sfpn.network.model import SFPN


def started_from(source: SFPN, depthwise: bool) -> SFPN:
    """A trainable copy of `source`, widened where the wanted network is the base and `source` the depth-wise variant.

    Raises UserError for the other direction: a full convolution has no grouped equivalent.
    """
    if source.config.batch_norm:
        raise ValueError("fold batch normalisation away before starting from a network")
    if depthwise and not source.config.depthwise:
        raise UserError("a depth-wise network cannot start from a base network; give depth-wise weights")
    student = SFPN(replace(source.config, depthwise=depthwise, dropout=0.0))
    tensors = source.state_dict()
    for name, wanted in student.state_dict().items():
        if tensors[name].shape != wanted.shape:
            tensors[name] = ungrouped(tensors[name], wanted.shape[1])
    student.load_state_dict(tensors)
    return channels_last(student)


Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """The network itself, its weights now in the memory layout in which convolutions are fastest."""
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)


def ungrouped(weight: torch.Tensor, in_channels: int) -> torch.Tensor:
    """A grouped weight (out, in / groups, H, W) as the full (out, in, H, W) that computes the same: zero elsewhere.

    A function-preserving start of a larger network (Net2Net, Chen et al., arXiv 1511.05641).
    """
    out_channels, per_group = weight.shape[:2]
    groups = in_channels // per_group
    full = weight.new_zeros(out_channels, in_channels, *weight.shape[2:])
    for filters, group in zip(torch.arange(out_channels).tensor_split(groups), range(groups), strict=True):
        full[filters, group * per_group : (group + 1) * per_group] = weight[filters]
    return full
