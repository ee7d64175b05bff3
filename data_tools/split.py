"""Identity-disjoint splits by a hash of the identity: independent of row order and of what else is in the set."""

from __future__ import annotations

import hashlib
import math

from sfpn.errors import UserError

Fractions = tuple[tuple[str, float], ...]
DEFAULT_FRACTIONS: Fractions = (("train", 0.8), ("validation", 0.1), ("test", 0.1))


def split_of(identity: str, fractions: Fractions = DEFAULT_FRACTIONS) -> str:
    """The split of an identity: its SHA-256 as a number in [0, 1), looked up in the cumulated fractions."""
    point = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / 2**64
    end = 0.0
    for name, fraction in fractions:
        end += fraction
        if point < end:
            return name
    return fractions[-1][0]  # the fractions' rounding error


def parse_fractions(text: str) -> Fractions:
    """Fractions from text such as 'train=0.8,validation=0.1,test=0.1'. Raises UserError when they do not sum to 1."""
    try:
        fractions = tuple((name.strip(), float(value)) for name, value in (part.split("=") for part in text.split(",")))
    except ValueError as error:
        raise UserError(f"--split {text!r}: write it as train=0.8,validation=0.1,test=0.1") from error
    values = [value for _, value in fractions]
    if not all(name for name, _ in fractions) or min(values) < 0 or not math.isclose(sum(values), 1):
        raise UserError(
            f"--split {text!r}: each split needs a name and a fraction from 0, and the fractions must sum to 1"
        )
    return fractions
