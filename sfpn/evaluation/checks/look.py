"""All that the checks look at: rows, embeddings in order, pictures, and how near each is to whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sfpn.data.decisions import Decision
from sfpn.evaluation.checks.duplicates import Copy
from sfpn.evaluation.checks.nearest import Nearness, mean_of_best
from sfpn.evaluation.checks.norm import PosePairNorm
from sfpn.evaluation.checks.pictures import PictureFacts
from sfpn.evaluation.comparisons import Samples


@dataclass(frozen=True)
class Looked:
    """Everything in the order of `samples`, which is by identity and row_id.

    `rows`: the dataset's columns; `names` (S,): the identity of each subject code; `twins` (N,): a number per picture.
    """

    rows: pd.DataFrame
    samples: Samples
    names: np.ndarray
    facts: PictureFacts
    copies: list[Copy]
    twins: np.ndarray
    norm: PosePairNorm
    near: Nearness

    def row_id(self, row: int) -> str:
        """The name of a row by its position."""
        return str(self.samples.row_ids[row])

    def decision(self, action: str, row: int, **fields: str) -> Decision:
        """A decision about a row, tied to its picture."""
        stored = bytes(self.facts.stored_sha256[row]).hex()
        return Decision(action, self.row_id(row), picture_sha256=stored, **fields)

    def members(self, subject: int) -> np.ndarray:
        """Positions of an identity's rows."""
        start, stop = np.searchsorted(self.samples.subjects, [subject, subject + 1])
        return np.arange(start, stop)

    def scores(self, row: int, others: np.ndarray, embedding: np.ndarray | None = None) -> np.ndarray:
        """Normalised scores (m,) of a row with others; `embedding` (D,): of another face of its picture instead."""
        samples = self.samples
        direction = samples.embeddings[row] if embedding is None else embedding
        cosines = samples.embeddings[others] @ direction
        return self.norm.normalised(cosines, int(self.norm.codes[row]), others)

    def nearness_to(self, row: int, subject: int, embedding: np.ndarray | None = None) -> float:
        """As nearest.nearness, to any identity."""
        others = self.members(subject)
        others = others[self.twins[others] != self.twins[row]]
        _, first = np.unique(self.twins[others], return_index=True)
        return float(mean_of_best(self.scores(row, others[first], embedding)))

    def most_alike(self, row: int, subject: int) -> int:
        """The row of an identity (not itself, nor its copy where there is another) that is most like a row."""
        others = self.members(subject)
        others = others[others != row]
        apart = others[self.twins[others] != self.twins[row]]
        others = apart if len(apart) else others
        return int(others[self.scores(row, others).argmax()]) if len(others) else row
