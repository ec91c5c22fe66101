"""How much a bandit should explore now, given how much is still to come: a plan of the next batch, made at each look.

Shares are the probabilities of being the best to some power: 0 shares equally, 1 is Thompson sampling (Thompson 1933),
a high one follows the leader. Each power is judged by what the batch loses by it, and by what its outcomes let all
that comes later gain: the mean of the lane that will then look best, less the mean of the one that does now (the
knowledge gradient for rewards that count while learning: Ryzhov, Powell & Frazier 2012, Operations Research 60(1)).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: the powers that are judged, a factor of √2 apart
POWERS = tuple(2 ** (step / 2) for step in range(-2, 7))
#: what is to come counts so many times. A plan of one batch doesn't see that later batches explore too, where they
#: learn that it pays; with 1 about one bandit in a hundred never comes back from a lane that began well
FORESIGHT = 2.0
#: a plan is for at least such a part of what is to come, however often is looked: the outcomes of a few requests alone
#: change no choice, so they would never seem worth their price
STRETCH = 1 / 40
#: the gain is integrated so far from the lanes' means, by such steps, in standard deviations; the least of them is
#: taken for at least that part of the greatest, which keeps the steps few and changes the gain by about a hundredth
_REACH, _STEP, _SCALES = 4.5, 1.0, 40
_ROOT_2 = math.sqrt(2)


@dataclass(frozen=True)
class Prospect:
    """What is believed of a lane's mean: ``mean`` ± ``deviation``, from ``count`` outcomes (it may be a fraction).

    ``waiting``: the outcomes of past exposures that are still to come. ``best``: the probability of being the best.
    """

    mean: float
    deviation: float
    count: float
    waiting: float
    best: float


def shares(lanes: Mapping[str, Prospect], batch: float, left: float) -> dict[str, float]:
    """Each lane's share of the next ``batch`` outcomes, of ``left`` that are still to come; their sum is 1.

    The leader gets all when even perfect knowledge would gain less, from now on, than one outcome differs from another.
    """
    batch = min(max(batch, STRETCH * left), left)
    leader = max(sorted(lanes), key=lambda lane: lanes[lane].mean)
    follow = {lane: float(lane == leader) for lane in lanes}
    spread = max(one.deviation * math.sqrt(one.count) for one in lanes.values())
    if FORESIGHT * left * _at_most(lanes, leader) <= spread:
        return follow
    chosen, most = follow, _worth(lanes, follow, batch, left)
    logs = {lane: math.log(max(one.best, 1e-30)) for lane, one in lanes.items()}
    top = max(logs.values())
    for power in POWERS:
        raised = {lane: math.exp(power * (log - top)) for lane, log in logs.items()}
        whole = sum(raised.values())
        candidate = {lane: share / whole for lane, share in raised.items()}
        worth = _worth(lanes, candidate, batch, left)
        if worth > most:
            chosen, most = candidate, worth
    return chosen


def _worth(lanes: Mapping[str, Prospect], given: Mapping[str, float], batch: float, left: float) -> float:
    """In rewards, against giving all that is left to the lane that leads now."""
    top = max(one.mean for one in lanes.values())
    lost = batch * sum(given[lane] * (top - one.mean) for lane, one in lanes.items())
    means, moves = [], []
    for lane, one in lanes.items():
        more = one.waiting + batch * given[lane]
        means.append(one.mean)
        # how far the lane's mean will have moved by then: what its posterior loses in variance
        moves.append(one.deviation * math.sqrt(more / (one.count + more)) if more > 0 else 0.0)
    return max(FORESIGHT * left - batch, 0.0) * gain(means, moves) - lost


def gain(means: list[float], deviations: list[float]) -> float:
    """E max of independent normal variables, less the greatest of their means."""
    top = max(means)
    if len(means) == 2:
        return _excess(abs(means[0] - means[1]), math.hypot(*deviations))
    widest = max(deviations)
    if widest <= 0:
        return 0.0
    spread = [max(deviation, widest / _SCALES) for deviation in deviations]
    lanes = list(zip(means, spread, strict=True))
    start, end = max(mean - _REACH * one for mean, one in lanes), max(mean + _REACH * one for mean, one in lanes)
    # what is smooth and flat at both ends, the trapezoid rule integrates almost exactly on even steps
    count = max(1, math.ceil((end - start) / (_STEP * min(spread))))
    step = (end - start) / count
    below = [1.0] * (count - 1)
    for mean, one in lanes:
        # a lane that never gets there is below for certain
        if mean + _REACH * one > start:
            first, scale = (mean - start) / (one * _ROOT_2), step / (one * _ROOT_2)
            below = [chance * math.erfc(first - place * scale) / 2 for place, chance in enumerate(below, start=1)]
    # E max = the end − ∫ P(all are below) up to the end, where it is 1
    return max(end - step * (sum(below) + 0.5) - top, 0.0)


def _at_most(lanes: Mapping[str, Prospect], leader: str) -> float:
    """What perfect knowledge would gain for each outcome: at most what each lane alone might be above the leader."""
    first = lanes[leader]
    return sum(
        _excess(first.mean - one.mean, math.hypot(first.deviation, one.deviation))
        for lane, one in lanes.items()
        if lane != leader
    )


def _excess(gap: float, deviation: float) -> float:
    """E max(X, 0) of a normal X with the mean −``gap``."""
    if deviation <= 0:
        return 0.0
    z = gap / deviation
    return max(deviation * (math.exp(-z * z / 2) / math.sqrt(2 * math.pi) - z * _normal(-z)), 0.0)


def _normal(z: float) -> float:
    return math.erfc(-z / _ROOT_2) / 2
