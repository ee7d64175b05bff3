"""The learning rate of every step, against its formula, from the start and from the middle."""

from __future__ import annotations

import math

import pytest
import torch

from sfpn.training.schedule import follow, warm_cosine


def slow_rate(step: int) -> float:
    """Peak 0.2, 40 steps, of which 5 warm up, down to a tenth."""
    warm = (step + 1) / 5 if step < 4 else 1
    return 0.2 * warm * (0.1 + 0.9 * (1 + math.cos(math.pi * step / 40)) / 2)


def rate_at(step: int) -> float:
    return 0.2 * warm_cosine(step, steps=40, warm_steps=5, lowest=0.1)


def rates(first: int, optimizer: torch.optim.Optimizer) -> list[float]:
    schedule, found = follow(optimizer, rate_at, first), []
    for _ in range(first, 40):
        assert schedule.get_last_lr()[0] == optimizer.param_groups[0]["lr"]
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def make_optimizer() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=123.0)


def test_rates_are_those_of_the_formula():
    found = rates(0, make_optimizer())
    assert found == pytest.approx([slow_rate(step) for step in range(40)])
    assert found.index(max(found)) == 4 and found[-1] == pytest.approx(0.02, rel=0.05)


def test_a_continued_run_has_the_same_rates():
    stopped = make_optimizer()
    whole = rates(0, stopped)
    continued = make_optimizer()
    continued.load_state_dict(stopped.state_dict())
    assert rates(17, continued) == whole[17:]


def test_a_checkpoint_that_knows_of_no_schedule_continues_too():
    optimizer = make_optimizer()
    state = optimizer.state_dict()
    assert "initial_lr" not in state["param_groups"][0]
    optimizer.load_state_dict(state)
    assert rates(17, optimizer) == pytest.approx([slow_rate(step) for step in range(17, 40)])


def test_a_run_of_no_steps_has_a_rate():
    assert 0 < warm_cosine(0, steps=0, warm_steps=5, lowest=0.1) <= 1
