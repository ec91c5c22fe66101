"""The difference between two lanes and its standard error, from their tallies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from sluicegate.domain.experiment.clumps import Clump, allowance, together
from sluicegate.domain.experiment.tally import Tally, variance

NORMAL = NormalDist()


@dataclass(frozen=True)
class Effect:
    """``difference`` of the means, challenger less champion, in the goal's own unit, and its standard error."""

    difference: float
    error: float

    @property
    def z(self) -> float:
        return self.difference / self.error

    @property
    def information(self) -> float:
        return 1 / self.error**2


def effect(
    challenger: Tally, champion: Tally, low: float, high: float, clumps: tuple[Clump, Clump] = (Clump(), Clump())
) -> Effect | None:
    """None while a lane has no outcome. ``clumps``: of both, in their order."""
    if challenger.mean is None or champion.mean is None:
        return None
    parts = [
        (one.outcomes * variance(tally, low, high) / tally.outcomes, one.degrees)
        for one, tally in zip(clumps, (challenger, champion), strict=True)
    ]
    error = math.sqrt(sum(part for part, _ in parts) * allowance(together(parts)))
    return Effect(challenger.mean - champion.mean, error)


def lift(difference: float, base: float | None) -> float | None:
    """The difference relative to the champion's mean; None where that is not above 0."""
    return difference / base if base is not None and base > 0 else None
