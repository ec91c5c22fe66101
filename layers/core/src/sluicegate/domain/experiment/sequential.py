"""An always-valid test: it may be looked at after every sample, and stopped at any look, and errs by at most alpha.

Let D be the estimate of the difference, V its information (1 / squared standard error) and S = D V. When the lanes are
equal, exp(d S − d² V / 2) is a likelihood ratio for every d, and so is any mixture M of it over d. A likelihood ratio
ever reaches 1/alpha with a probability of at most alpha (Ville's inequality, 1939): the test rejects when M ≥ 1/alpha,
and the least of 1 and 1/M is an always-valid p-value (mixture sequential probability ratio test: Robbins 1970, Annals
of Mathematical Statistics 41(5); Johari, Koomen, Pekelis & Walsh 2022, Operations Research 70(3)). The differences d0
that it doesn't reject, taken with S = (D − d0) V, are a confidence sequence: they hold at all looks at once with a
probability of 1 − alpha. V is estimated, so this holds asymptotically, from ``minimum_exposure`` on (Waudby-Smith,
Arbour, Sinha, Kennedy & Ramdas 2024, Annals of Statistics 52(6)).

The mixture: 19 parts of 20 at ± ``CENTRE`` × the minimum effect, quickest when the effect is about what was asked
for, and one part a normal distribution of that size, which finds any other effect in the end.
"""

from __future__ import annotations

import math

from sluicegate.domain.experiment.estimates import Effect
from sluicegate.domain.numbers import TINY

CENTRE = 0.9
SPREAD_SHARE = 0.05


def log_evidence(score: float, information: float, minimum_effect: float) -> float:
    """log M of S = ``score`` and V = ``information``; even in the score and rising with its size."""
    point = CENTRE * minimum_effect
    one = abs(point * score)
    # log cosh without overflow
    points = one + math.log1p(math.exp(-2 * one)) - math.log(2) - point * point * information / 2
    grown = 1 + minimum_effect**2 * information
    spread = (minimum_effect * score) ** 2 / (2 * grown) - math.log(grown) / 2
    first, second = points + math.log(1 - SPREAD_SHARE), spread + math.log(SPREAD_SHARE)
    most = max(first, second)
    return most + math.log(math.exp(first - most) + math.exp(second - most))


def p_value(effect: Effect, minimum_effect: float) -> float:
    """The always-valid p-value of no difference."""
    evidence = log_evidence(effect.difference * effect.information, effect.information, minimum_effect)
    return min(1.0, math.exp(-min(evidence, -math.log(TINY))))


def half_width(effect: Effect, minimum_effect: float, alpha: float) -> float:
    """Of the confidence sequence: difference ± this, in the goal's own unit."""
    wanted, information = -math.log(alpha), effect.information

    def excess(width: float) -> float:
        return log_evidence(width * information, information, minimum_effect) - wanted

    low, high = 0.0, effect.error
    below, above = excess(low), excess(high)
    while above < 0:
        low, below, high = high, above, high * 2
        above = excess(high)
    # the Illinois method: a secant that halves the end which stays
    for _ in range(100):
        if high - low <= 1e-12 * high:
            break
        middle = high - above * (high - low) / (above - below)
        found = excess(middle)
        if found >= 0:
            high, above, below = middle, found, below / 2
            if found < 1e-10:
                break
        else:
            low, below, above = middle, found, above / 2
    return high
