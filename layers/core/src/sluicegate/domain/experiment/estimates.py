"""The difference between two lanes and its standard error, from their tallies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from sluicegate.domain.experiment.tally import Tally

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


def variance(tally: Tally, low: float, high: float) -> float:
    """Of one outcome. One outcome is added, half at each end of the range, so that it is never 0.

    Of conversions that is the estimate with half a success and half a failure added (Agresti & Caffo 2000, The American
    Statistician 54(4), add one of each; half is enough here, where a minimum of exposures is asked for anyway).
    """
    count = tally.outcomes + 1
    mean = (tally.total + (low + high) / 2) / count
    return max((tally.squares + (low * low + high * high) / 2) / count - mean * mean, 1e-300)


def effect(challenger: Tally, champion: Tally, low: float, high: float) -> Effect | None:
    """None while a lane has no outcome."""
    if challenger.mean is None or champion.mean is None:
        return None
    error = math.sqrt(
        variance(challenger, low, high) / challenger.outcomes + variance(champion, low, high) / champion.outcomes
    )
    return Effect(challenger.mean - champion.mean, error)


def lift(difference: float, base: float | None) -> float | None:
    """The difference relative to the champion's mean; None where that is not above 0."""
    return difference / base if base is not None and base > 0 else None
