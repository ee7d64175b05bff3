"""A model's card as HTML tables: facts, layers, operating points, measured results. It computes no result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import torch
from torch import nn

from demo.common.words import label_of, percent
from sfpn.network.card import Card
from sfpn.network.model import INPUT_SIZE, SFPN, Fire, SFPNConfig

SFPN_TYPE = "SqueezeFacePoseNet"
MEBIBYTE = 2**20
DEEP = {"config": "settings", "start": "the run that it started from"}  # of a training record: too much to read along
RATES = ("eer", "eer_low", "eer_high", "accuracy")


def facts_html(card: Card, file_bytes: int | None) -> str:
    """What the model is, how a face becomes its input, and what it may be used for."""
    pre, architecture = card.preprocess, card.architecture
    geometry = {
        "box": f"square of {pre.crop_factor:g} × the shorter side of the face box, no alignment",
        "five_point": "similarity transform of the five landmarks to the reference of the ArcFace family",
    }[pre.geometry]
    facts = {
        "Name": card.name,
        "Architecture": architecture.get("type", "")
        + (", depth-wise 3x3 expands" if architecture.get("depthwise") else ""),
        "Parameters": "not stated" if card.parameters is None else f"{card.parameters:,}",
        "File": "" if file_bytes is None else f"{file_bytes / MEBIBYTE:.2f} MiB",
        "Descriptor": f"{architecture.get('descriptor_size', '?')} numbers"
        + ("" if card.descriptor_mean is None else ", the mean descriptor subtracted")
        + ("" if card.pose_direction is None else ", the direction from frontal to profile removed")
        + (", crop and mirror image summed" if card.mirror_sum else ""),
        "Crop": f"{pre.size} × {pre.size} px {pre.channels}; {geometry}; beyond the photo: {pre.padding}",
        "Input": f"(pixel − {', '.join(f'{m:g}' for m in pre.mean)}) / {pre.scale:g}",
        "Weights (SHA-256)": card.weights_sha256[:16],
        "Licence": card.licence,
        "Limits": card.limits or "not stated",
        **{f"Training: {name.replace('_', ' ')}": value for name, value in card.training.items() if name not in DEEP},
    }
    lines = (
        f"<tr><th>{escape(name)}</th><td>{escape(_words(value))}</td></tr>"
        for name, value in facts.items()
        if value not in ("", None)
    )
    return f'<table class="facts">{"".join(lines)}</table>{_deep_html(card)}'


def _deep_html(card: Card) -> str:
    """How to train it again, for who wants to: settings, and the run that it started from, folded away."""
    found = [
        f"<details><summary>Training: {title}</summary><pre>{escape(json.dumps(card.training[name], indent=1))}</pre>"
        "</details>"
        for name, title in DEEP.items()
        if card.training.get(name)
    ]
    return "".join(found)


def layers_html(card: Card) -> str:
    """Layer, output (C, H, W) and parameters of a SqueezeFacePoseNet; '' for other networks."""
    if card.architecture.get("type") != SFPN_TYPE:
        return '<p class="quiet">The layers of this network are inside its ONNX file.</p>'
    found = layers(card)
    lines = [
        (name, " × ".join(map(str, shape)), f"{parameters:,}" if parameters else "–")
        for name, shape, parameters in found
    ]
    total = sum(parameters for _, _, parameters in found)
    return _table(
        ("layer", "output (channels × height × width)", "parameters"),
        [*lines, ("global average", str(lines[-1][1].split(" ")[0]), f"{total:,} in all")],
    )


def layers(card: Card) -> list[tuple[str, tuple[int, ...], int]]:
    """(name, output shape, parameters) of every layer, from their settings: passing shapes through a network of torch's
    "meta" device loads 70 MB of compiler, and numbers could be as many as a card says.
    """
    depthwise = bool(card.architecture.get("depthwise"))
    with torch.device("meta"):
        network = SFPN(SFPNConfig(depthwise, descriptor_size=int(card.architecture.get("descriptor_size", 1000))))
    channels, side, found = 3, INPUT_SIZE, []
    for name, layer in network.layers.named_children():
        if isinstance(layer, nn.Dropout):
            continue
        if isinstance(layer, Fire):
            channels = sum(_convolution(part).out_channels for part in (layer.expand1x1, layer.expand3x3))
        else:
            window = layer if isinstance(layer, nn.MaxPool2d) else _convolution(layer)
            channels = window.out_channels if isinstance(window, nn.Conv2d) else channels
            size, step, border = (_one(value) for value in (window.kernel_size, window.stride, window.padding))
            side = (side + 2 * border - size) // step + 1
        found.append((name, (channels, side, side), sum(p.numel() for p in layer.parameters())))
    return found


def _convolution(layer: nn.Module) -> nn.Conv2d:
    found = layer.get_submodule("conv")
    assert isinstance(found, nn.Conv2d)
    return found


def _one(value: Any) -> int:
    """The same number for both directions."""
    return value[0] if isinstance(value, tuple) else value


def points_html(card: Card) -> str:
    """The frozen operating points per pose pair with the rates measured at them."""
    lines = [
        (
            label_of(key),
            f"{point.target_fmr:.2%}",
            f"{point.threshold:.3f}",
            f"{percent(point.fmr, 3)} ({point.false_matches:,} of {point.impostor:,})",
            f"{percent(point.fnmr)} ({point.false_non_matches:,} of {point.genuine:,})",
            point.set_on,
            point.measured_on + (", poses estimated" if point.pose_estimated else ""),
        )
        for key, points in card.operating_points.items()
        for point in points
    ]
    if not lines:
        return (
            '<p class="quiet">This card has no operating points; '
            "make them with <code>python -m sfpn calibrate</code>.</p>"
        )
    return _table(
        (
            "pose pair",
            "target FMR",
            "threshold",
            "FMR measured",
            "FNMR measured",
            "threshold set on",
            "rates measured on",
        ),
        lines,
    )


def results_html(card: Card) -> str:
    """The measured results, whatever columns they have, the command last."""
    if not card.results:
        return '<p class="quiet">This card holds no measured results.</p>'
    single = [result for result in card.results if not result.get("sides")]
    templates = [result for result in card.results if result.get("sides")]
    found = _results_table(single) if single else ""
    if templates:
        found += f"<details><summary>Several photos a side: {len(templates)} mixes of poses</summary>"
        found += f"{_results_table(templates)}</details>"
    return found


def _results_table(results: Sequence[dict[str, Any]]) -> str:
    there = dict.fromkeys(name for result in results for name in result if result[name] is not None)
    names = sorted(there, key=lambda name: name == "command")
    head = [name.replace("_", " ").replace("eer", "EER").replace("fnmr at fmr", "FNMR at FMR") for name in names]
    return _table(head, [[_result(name, result.get(name)) for name in names] for result in results])


def _result(name: str, value: Any) -> str:
    if name == "fnmr_at_fmr" and isinstance(value, dict):
        return "; ".join(f"{100 * float(fmr):g} %: {percent(fnmr)}" for fmr, fnmr in value.items())
    return percent(value) if name in RATES else _words(value)


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict) and {"title", "faces"} <= value.keys():  # a dataset that was trained on
        labels = "" if value.get("labelled", True) else " without labels"
        return f"{value['title']} ({_words(value['faces'])} faces{labels})"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    return "" if value is None else str(value)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    table = f'<table class="data"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'
