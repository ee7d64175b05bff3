"""Margins against slow versions of the papers' formulae, one sample and one class at a time; the plateau by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from sfpn.training.identify.heads import LOSSES, MarginHead, make_head
from sfpn.training.identify.plateau import RATES, Plateau

SCALE = 64.0


def slow_logit(kind: str, cosine: float, margin: float, norm: float, mean: float, std: float) -> float:
    """The true class's logit, from the formula."""
    theta = math.acos(cosine)
    if kind == "cosface":
        return SCALE * (cosine - margin)
    if kind == "arcface":
        return SCALE * (math.cos(theta + margin) if theta + margin < math.pi else cosine - margin * math.sin(margin))
    quality = max(-1.0, min(1.0, (norm - mean) / ((std + 0.001) / 0.333)))
    return SCALE * (math.cos(min(max(theta - margin * quality, 0.001), math.pi - 0.001)) - (margin * quality + margin))


@pytest.mark.parametrize("kind, margin", [("arcface", 0.5), ("cosface", 0.35), ("adaface", 0.4), ("arcface", 0.3)])
def test_margins_equal_the_formulae(kind, margin):
    torch.manual_seed(0)
    head = MarginHead(3, 5, kind, margin, SCALE)
    descriptors = torch.randn(40, 3) * torch.logspace(-1, 2, 40)[:, None]
    descriptors[0] = -head.weight.detach()[0] + 0.01  # an angle near pi, where a margin would go round
    labels = torch.arange(40) % 5
    found = head(descriptors, labels).tolist()
    norms = [math.dist(row, [0] * 3) for row in descriptors.tolist()]
    clipped = [min(max(norm, 0.001), 100.0) for norm in norms]
    mean = sum(clipped) / 40
    std = math.sqrt(sum((norm - mean) ** 2 for norm in clipped) / 39)
    running = 0.99 * 20 + 0.01 * mean, 0.99 * 100 + 0.01 * std
    for i in range(40):
        for j in range(5):
            weight = head.weight[j].tolist()
            dot = sum(a * b for a, b in zip(descriptors[i].tolist(), weight, strict=True))
            cosine = dot / norms[i] / math.dist(weight, [0] * 3)
            wanted = slow_logit(kind, cosine, margin, clipped[i], *running) if j == labels[i] else SCALE * cosine
            assert found[i][j] == pytest.approx(wanted, abs=2e-3), (i, j)


@pytest.mark.parametrize("loss", LOSSES)
def test_heads_learn_and_validate_without_a_margin(loss):
    torch.manual_seed(1)
    head = make_head(loss, 6, 3)
    labels = torch.arange(12) % 3
    descriptors = F.one_hot(labels, 6).float() * 5 + torch.rand(12, 6)
    optimizer = torch.optim.SGD(head.parameters(), 0.01, momentum=0.9)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        value = F.cross_entropy(head(descriptors, labels), labels)
        value.backward()
        optimizer.step()
        losses.append(float(value))
    assert losses[-1] < 0.5 * losses[0] and math.isfinite(losses[-1])
    head.eval()
    assert (head(descriptors).argmax(1) == labels).all()
    if loss != "softmax":
        assert (head(descriptors, labels) < head(descriptors)).sum() == 12  # the true class's logits, and only these


def test_the_rate_is_lowered_when_the_loss_is_flat_and_ends_after_the_last():
    plateau, seen = Plateau(patience=2), []
    for loss in [5, 4, 4, 4, 3, 3, 2.9999, 2, 2, 2, 2, 2]:
        seen.append(plateau.rate)
        plateau.see(loss)
    assert seen == [0.01] * 4 + [0.005] * 3 + [0.001] * 3 + [0.0001] * 2 and plateau.ended
    assert RATES == (0.01, 0.005, 0.001, 0.0001)


def test_a_stopped_plateau_continues():
    losses = [5, 4, 4, 4, 3, 3, 3, 2]
    straight = Plateau()
    for loss in losses:
        straight.see(loss)
    first = Plateau()
    for loss in losses[:3]:
        first.see(loss)
    second = Plateau(**first.state())
    for loss in losses[3:]:
        second.see(loss)
    assert second == straight
