"""Splits are disjoint by identity, near their fractions, and do not move when the set grows."""

from __future__ import annotations

from collections import Counter

import pytest

from data_tools.split import parse_fractions, split_of
from sfpn.errors import UserError


def test_shares_are_near_the_fractions():
    counts = Counter(split_of(f"person {n}") for n in range(20_000))
    assert {name: round(count / 20_000, 2) for name, count in counts.items()} == {
        "train": 0.8,
        "validation": 0.1,
        "test": 0.1,
    }


def test_an_identity_keeps_its_split():
    assert [split_of(name) for name in ("001", "ann", "n000001")] == [
        split_of(name) for name in ("001", "ann", "n000001")
    ]
    fewer_train = parse_fractions("train=0.5,test=0.5")
    moved = [
        name for name in map(str, range(500)) if split_of(name) == "test" and split_of(name, fewer_train) == "train"
    ]
    assert not moved


def test_a_fraction_of_zero_is_never_used():
    assert {split_of(str(n), parse_fractions("train=0,test=1")) for n in range(200)} == {"test"}


@pytest.mark.parametrize("text", ["train", "train=x", "train=0.5", "train=1.5,test=-0.5", "=1", ""])
def test_bad_fractions_are_user_errors(text):
    with pytest.raises(UserError, match="--split"):
        parse_fractions(text)
