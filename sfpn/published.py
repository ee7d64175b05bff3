"""Reads the authors' published MATLAB files (layer graphs) into our network, and fetches them on request.

    python -m sfpn import-published FILE.mat --out X.safetensors
    python -m sfpn import-published --download depthwise --out X.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import torch

from sfpn.errors import UserError
from sfpn.model import SFPN, SFPNConfig

REPOSITORY = "HalmstadUniversityBiometrics/SqueezeFacePoseNet-Lightweight-Face-Recognition"
FILES = {  # name -> (file in the repository, SHA-256 where known)
    "base": ("SqueezeFacePoseNet_base_model.mat", None),
    "depthwise": (
        "SqueezeFacePoseNet_with_separable_DWC.mat",
        "c90f1bbdee9e75f475063591764da7fd102da5521a079c0daedc029175533cce",
    ),
}


def read_published(path: Path) -> SFPN:
    """The published network in evaluation mode. Raises UserError if the file is not one of the published layer graphs."""
    layers = _read_layers(path)
    depthwise = any("groupedconv" in name for name in layers)
    model = SFPN(SFPNConfig(depthwise=depthwise))
    convolutions = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Conv2d)}
    by_our_name = {_our_name(name): arrays for name, arrays in layers.items()}
    if by_our_name.keys() != convolutions.keys():
        raise UserError(f"{path}: its layers are not those of SqueezeFacePoseNet; give one of the published files")
    for name, module in convolutions.items():
        weight, bias = (torch.from_numpy(array) for array in by_our_name[name])
        if weight.shape != module.weight.shape:
            raise UserError(f"{path}: layer {name} has shape {tuple(weight.shape)}, not {tuple(module.weight.shape)}")
        module.weight.data.copy_(weight)
        module.bias.data.copy_(bias)
    return model.eval()


def _our_name(matlab_name: str) -> str:
    """'fire2-expand3x3-groupedconv' -> 'layers.fire2.expand3x3.conv'."""
    return "layers." + matlab_name.removesuffix("-groupedconv").replace("-", ".") + ".conv"


def _read_layers(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """MATLAB layer name -> (weight as PyTorch orders it: out, in per group, H, W; bias)."""
    try:
        import matio
    except ModuleNotFoundError as error:
        raise UserError("reading MATLAB files needs the package mat-io; run: pip install mat-io") from error
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a published .mat file, or use --download")
    try:
        graph = matio.load_from_mat(str(path))["lgraph_1"].properties["any"][0, 0]
        layers = [layer.properties["any"][0, 0] for layer in graph["Layers"].ravel()]
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, EOFError) as error:
        raise UserError(f"{path}: not a published SqueezeFacePoseNet layer graph ({error}); download it again") from error
    return {
        str(layer["Name"][0]): (_to_torch(_value(layer, "Weights")), _value(layer, "Bias").reshape(-1))
        for layer in layers
        if "Weights" in (layer.dtype.names or ()) and "Bias" in layer.dtype.names
    }


def _value(layer: np.void, field: str) -> np.ndarray:
    return np.array(layer[field][0, 0]["Value"], dtype=np.float32)


def _to_torch(weight: np.ndarray) -> np.ndarray:
    """(H, W, in, out) -> (out, in, H, W); grouped (H, W, in per group, out per group, groups) -> (groups * out, in, H, W)."""
    if weight.ndim == 5:
        height, width, channels, filters, groups = weight.shape
        return np.ascontiguousarray(weight.transpose(4, 3, 2, 0, 1).reshape(groups * filters, channels, height, width))
    if weight.ndim == 2:  # MATLAB drops trailing dimensions of size one
        weight = weight[..., None, None]
    return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))
