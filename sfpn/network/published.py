"""Reads the authors' published MATLAB files (layer graphs) into our network, and fetches them on request."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess

REPOSITORY = "HalmstadUniversityBiometrics/SqueezeFacePoseNet-Lightweight-Face-Recognition"
MEANS_FILE = checkpoint.WEIGHTS_FOLDER / "published_means.json"  # written from `calibrate --mean-from`
FILES = {  # name -> (file in the repository, SHA-256 where known)
    "base": ("SqueezeFacePoseNet_base_model.mat", None),
    "depthwise": (
        "SqueezeFacePoseNet_with_separable_DWC.mat",
        "c90f1bbdee9e75f475063591764da7fd102da5521a079c0daedc029175533cce",
    ),
}


def read_published(path: Path) -> SFPN:
    """The published network in evaluation mode.

    Raises UserError if the file is not one of the published layer graphs.
    """
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
        module.weight = torch.nn.Parameter(weight)
        module.bias = torch.nn.Parameter(bias)
    return model.eval()


def _our_name(matlab_name: str) -> str:
    """'fire2-expand3x3-groupedconv' -> 'layers.fire2.expand3x3.conv'."""
    return "layers." + matlab_name.removesuffix("-groupedconv").replace("-", ".") + ".conv"


def _read_layers(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """MATLAB layer name -> (weight as PyTorch orders it: out, in per group, H, W; bias)."""
    try:
        import matio
        from matio.utils.matclass import MatReadError
    except ModuleNotFoundError as error:
        raise UserError("reading MATLAB files needs the package mat-io; run: pip install mat-io") from error
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a published .mat file, or use --download")
    try:
        graph: Any = matio.load_from_mat(str(path))["lgraph_1"]
        graph = graph.properties["any"][0, 0]
        layers = [layer.properties["any"][0, 0] for layer in graph["Layers"].ravel()]
    except (MatReadError, KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, EOFError) as error:
        raise UserError(
            f"{path}: not a published SqueezeFacePoseNet layer graph ({error}); download it again"
        ) from error
    return {
        str(layer["Name"][0]): (_to_torch(_value(layer, "Weights")), _value(layer, "Bias").reshape(-1))
        for layer in layers
        if "Weights" in (layer.dtype.names or ()) and "Bias" in layer.dtype.names
    }


def _value(layer: np.void, field: str) -> np.ndarray:
    return np.array(layer[field][0, 0]["Value"], dtype=np.float32)


def _to_torch(weight: np.ndarray) -> np.ndarray:
    """(H, W, in, out) -> (out, in, H, W).

    Grouped: (H, W, in per group, out per group, groups) -> (groups * out, in, H, W).
    """
    if weight.ndim == 5:
        height, width, channels, filters, groups = weight.shape
        return np.ascontiguousarray(weight.transpose(4, 3, 2, 0, 1).reshape(groups * filters, channels, height, width))
    if weight.ndim == 2:  # MATLAB drops trailing dimensions of size one
        weight = weight[..., None, None]
    return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))


def published_card(name: str, source: str) -> Card:
    """The card of a published network: the paper's preprocessing, and the descriptor mean where it was measured."""
    mean = json.loads(MEANS_FILE.read_text()).get(name) if MEANS_FILE.is_file() else None
    return Card(
        name=f"published-{name}",
        title=f"SqueezeFacePoseNet as published ({name})",
        architecture={},
        preprocess=Preprocess(),
        licence="MIT (Halmstad University Biometrics)",
        descriptor_mean=tuple(mean["mean"]) if mean else None,
        training={"data": "MS1M-RetinaFace, then VGGFace2 (the authors' training)", "source": source},
        limits="Poses beyond the data it was trained on, children and low resolution are untested here.",
        extra={"descriptor_mean_from": mean["measured_on"]} if mean else {},
    )


def fetch(name: str, cache: Path) -> Path:
    """The authors' file from their repository, kept in `cache`.

    Raises UserError without a network or for a wrong hash.
    """
    file_name, sha256 = FILES[name]
    target = cache / file_name
    if not target.is_file():
        url = f"https://raw.githubusercontent.com/{REPOSITORY}/main/{file_name}"
        try:
            with whole_file(target) as partial, urllib.request.urlopen(url, timeout=30) as response:
                with partial.open("wb") as file:
                    shutil.copyfileobj(response, file)
        except OSError as error:  # URLError and TimeoutError are too
            raise UserError(
                f"{file_name} could not be fetched from {REPOSITORY} ({error}); "
                "connect to a network or give the file's path"
            ) from error
    if sha256 and checkpoint.file_sha256(target) != sha256:
        raise UserError(
            f"{target}: SHA-256 is not {sha256}; the file is damaged or was replaced: delete it and try again"
        )
    return target
