"""The paper's learning rates, each kept until the validation loss is flat."""

from __future__ import annotations

import math
from dataclasses import dataclass

RATES = (0.01, 0.005, 0.001, 0.0001)  # arXiv 2007.08566


@dataclass
class Plateau:
    """Steps down the rates, then ends.

    A step comes when `patience` validations in a row bring no loss lower than the best by `min_gain` of it.
    """

    rates: tuple[float, ...] = RATES
    patience: int = 2
    min_gain: float = 0.001  # relative
    stage: int = 0  # index of the current rate; len(rates) when all are used up
    best: float = math.inf
    flat: int = 0  # validations without gain

    @property
    def ended(self) -> bool:
        """Whether the loss is flat at the last rate too."""
        return self.stage >= len(self.rates)

    @property
    def rate(self) -> float:
        """The learning rate now."""
        return self.rates[min(self.stage, len(self.rates) - 1)]

    def see(self, loss: float) -> None:
        """Take in a validation loss (>= 0)."""
        self.flat = 0 if loss < self.best * (1 - self.min_gain) else self.flat + 1
        self.best = min(self.best, loss)
        if self.flat >= self.patience:
            self.stage, self.flat = self.stage + 1, 0

    def state(self) -> dict:
        """What changes, as plain values: `Plateau(rates, patience, min_gain, **state)` goes on."""
        return {"stage": self.stage, "best": self.best, "flat": self.flat}
