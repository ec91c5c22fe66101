"""Subjects that ask more than once: how much less their outcomes say than as many independent ones.

A subject stays in its lane, and what becomes of its predictions hangs together. So the variance of a lane's mean is
estimated between groups of subjects that know nothing of each other: a hash deals them to ``traffic.BUCKETS`` buckets,
and nothing is kept of a single one. The mean is a ratio of two sums over buckets, whose variance is, by the delta
method, that of the residuals r = total − mean × count (Deng, Knoblich & Lu 2018, Applying the Delta Method in Metric
Analytics, KDD; the "ultimate clusters" of survey sampling: Kalton 1979, JRSS A 142(2)). Its ratio to the variance of
independent outcomes is the *design effect* (Kish 1965, Survey Sampling): n outcomes count as n / design effect.

The number of exposures clumps, too. Buckets would get equal numbers but for chance if each subject asked once; the
index of dispersion of their counts estimates the mean number of a subject's exposures, weighted by itself, which is
the factor of the first-order correction of tests of counts (Rao & Scott 1981, JASA 76(374)).

Estimates from 64 buckets are noisy. Where neither index is above what a 20th of experiments without repeats would show,
subjects are taken to ask once and nothing is corrected. Otherwise an estimate is at least 1, and its noise is allowed
for as Student's distribution allows for it, with degrees of freedom from the effective number of buckets (Carter,
Schnepel & Steigerwald 2017, Review of Economics and Statistics 99(4)): a few subjects make a wide interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.domain.experiment.tally import Tally, variance
from sluicegate.domain.traffic import BUCKETS

#: standard errors of an index of dispersion above 1 from which on subjects are taken to ask more than once
REPEATS = 1.645
#: where the tests decide, in standard errors: there the allowance for few degrees of freedom is right
_DECIDES = 3.0
#: an effective number of buckets is never taken for less: a single one says nothing at all
_FEWEST = 1.01


@dataclass(frozen=True)
class Clump:
    """A lane's design effects, at least 1. ``degrees`` of freedom of that of its mean; those of errors and latencies
    have the allowance for theirs."""

    outcomes: float = 1.0
    degrees: float = math.inf
    errors: float = 1.0
    latency: float = 1.0


@dataclass(frozen=True)
class Clumps:
    """``exposures``: the design effect of the lanes' shares of traffic, with the allowance for its own noise."""

    lanes: Mapping[str, Clump]
    exposures: float = 1.0

    def of(self, one: str, other: str) -> tuple[Clump, Clump]:
        return self.lanes[one], self.lanes[other]


def clumps(tallies: Mapping[str, Tally], low: float, high: float) -> Clumps:
    """What the buckets of the lanes say; outcomes are within ``low`` … ``high``."""
    found = {lane: _outcomes(tally, variance(tally, low, high)) for lane, tally in tallies.items()}
    exposures, degrees = _exposures(tallies.values())
    mean = sum(one.outcomes for one in found.values()) / len(found)
    if exposures <= _noise(degrees) and mean <= _noise(together([(1.0, one.degrees) for one in found.values()])):
        return Clumps(dict.fromkeys(tallies, Clump()))
    errors = _errors(tallies)
    lanes = {
        lane: Clump(max(one.outcomes, 1.0), one.degrees, errors[lane], _latency(tallies[lane]))
        for lane, one in found.items()
    }
    return Clumps(lanes, max(exposures, 1.0) * allowance(degrees))


def allowance(degrees: float) -> float:
    """By what a variance estimated with so many ``degrees`` of freedom is multiplied: the square of Student's quantile
    over the normal one, where the tests decide. By Wallace's approximation (1959, Annals of Mathematical Statistics
    30(4)): up to 6 % too much at 4 degrees, 1 % at 10.

    >>> [round(allowance(degrees), 2) for degrees in (math.inf, 126, 20, 5)]
    [1.0, 1.04, 1.3, 3.47]
    """
    if degrees == math.inf:
        return 1.0
    scaled = (_DECIDES * (8 * degrees + 3) / (8 * degrees + 1)) ** 2
    return degrees * math.expm1(min(scaled / degrees, 50.0)) / _DECIDES**2


def together(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Satterthwaite 1946, Biometrics Bulletin 2(6))."""
    whole = sum(part for part, _ in parts)
    return whole * whole / noise if (noise := sum(part * part / own for part, own in parts)) > 0 else math.inf


def _noise(degrees: float) -> float:
    return 1 + REPEATS * math.sqrt(2 / degrees)


def _outcomes(tally: Tally, spread: float) -> Clump:
    """Of the mean, without a floor; without degrees of freedom where no outcome has a bucket."""
    pairs = [(one.outcomes, one.total) for one in tally.buckets.values() if one.outcomes]
    effect, degrees = _ratio(pairs, tally.outcomes, spread)
    return Clump(effect, degrees)


def _errors(tallies: Mapping[str, Tally]) -> dict[str, float]:
    """Of each lane's share of errors, with its allowance. A lane with few errors says little of how they clump, so its
    is at least what the lanes say together."""
    found, clumped, alike = {}, 0.0, 0.0
    for lane, tally in tallies.items():
        rate = (tally.errors + 0.5) / (tally.exposures + 1)
        pairs = [(one.exposures, float(one.errors)) for one in tally.buckets.values() if one.exposures]
        found[lane] = _ratio(pairs, tally.exposures, rate * (1 - rate))
        weight = tally.exposures * rate * (1 - rate)
        clumped, alike = clumped + weight * found[lane][0], alike + weight
    least = max(clumped / alike, 1.0) if alike else 1.0
    return {lane: max(effect, least) * allowance(degrees) for lane, (effect, degrees) in found.items()}


def _latency(tally: Tally) -> float:
    """Of the mean log latency, with its allowance: a subject's requests may be large each time."""
    if tally.latency.count < 2:
        return 1.0
    pairs = [(one.timed, one.log_sum) for one in tally.buckets.values() if one.timed]
    effect, degrees = _ratio(pairs, tally.latency.count, tally.latency.spread)
    return max(effect, 1.0) * allowance(degrees)


def _ratio(pairs: Sequence[tuple[int, float]], count: int, spread: float) -> tuple[float, float]:
    """The design effect of a mean of ``count`` outcomes with the variance ``spread``, of which ``pairs`` of numbers and
    sums are in buckets; the others are alone. And its degrees of freedom."""
    inside = sum(number for number, _ in pairs)
    if not inside:
        return 1.0, math.inf
    mean = sum(total for _, total in pairs) / inside
    effective = max(inside**2 / sum(number * number for number, _ in pairs), _FEWEST)
    # residuals from a mean of their own are too small by 1 part in ``effective``
    residual = sum((total - mean * number) ** 2 for number, total in pairs) * effective / (effective - 1)
    alone = max(count - inside, 0) * spread
    variances = [(residual, effective - 1), (alone, math.inf)]
    return (residual + alone) / (max(count, inside) * spread), together(variances) if residual else effective - 1


def _exposures(tallies: Iterable[Tally]) -> tuple[float, float]:
    """The index of dispersion of the buckets' exposures, the lanes weighted by theirs, and its degrees of freedom."""
    variances, alone, inside = [], 0, 0
    for tally in tallies:
        counts = [one.exposures for one in tally.buckets.values()]
        own = sum(counts)
        alone, inside = alone + max(tally.exposures - own, 0), inside + own
        apart = sum(count * count for count in counts) * BUCKETS - own * own
        variances.append((apart / (BUCKETS - 1), BUCKETS - 1.0))
    if not inside:
        return 1.0, math.inf
    # those that are alone in a bucket of their own are as they would be by chance
    return (sum(part for part, _ in variances) + alone) / (alone + inside), together([*variances, (alone, math.inf)])
