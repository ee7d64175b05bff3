"""What a card knows of sides of several photos: errors by how many photos of which pose either side has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from sfpn.schema import POSES

Poses = dict[str, Annotated[int, Field(ge=1, le=1000)]]  # pose -> photos of it on a side
Count = Annotated[int, Field(ge=0, le=10**12)]  # sums of them fit into 64 bits


@dataclass(frozen=True, kw_only=True)
class TemplateRates:
    """Comparisons of templates of two mixes of poses, and the errors at the threshold of each target FMR.

    Every target has a threshold of its own, set on these comparisons. Those of another `measured_on` are of other
    people, so that their rates do not compare. `target_fmr`, `false_matches` and `false_non_matches` are of one length.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    sides: tuple[Poses, Poses]
    genuine: Annotated[int, Field(ge=1, le=10**12)]
    impostor: Annotated[int, Field(ge=1, le=10**12)]
    target_fmr: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    false_matches: tuple[Count, ...]
    false_non_matches: tuple[Count, ...]
    measured_on: str

    def rejected(self, target_fmr: float) -> int | None:
        """False non-matches at a target FMR, of `genuine` comparisons; None if it is not measured."""
        return dict(zip(self.target_fmr, self.false_non_matches, strict=True)).get(target_fmr)


def checked(rates: TemplateRates) -> TemplateRates:
    """Raise ValueError for rates that contradict themselves."""
    for side in rates.sides:
        if not side or not set(side) <= set(POSES):
            raise ValueError(f"sides must be photos by pose, of {', '.join(POSES)}")
    if len({len(rates.target_fmr), len(rates.false_matches), len(rates.false_non_matches)}) > 1:
        raise ValueError("target_fmr, false_matches and false_non_matches must be of one length")
    if any(errors > rates.genuine for errors in rates.false_non_matches):
        raise ValueError("false_non_matches must be at most genuine")
    if any(errors > rates.impostor for errors in rates.false_matches):
        raise ValueError("false_matches must be at most impostor")
    return rates


def rates_of(
    known: tuple[TemplateRates, ...], sides: tuple[Mapping[str, int], Mapping[str, int]], measured_on: str | None = None
) -> TemplateRates | None:
    """The rates of two mixes, in either order; of any people unless `measured_on` names them; None if not measured."""
    for rates in known:
        same = rates.sides in ((dict(sides[0]), dict(sides[1])), (dict(sides[1]), dict(sides[0])))
        if same and measured_on in (None, rates.measured_on):
            return rates
    return None
