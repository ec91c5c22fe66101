"""Has a lane's rate changed? What was before is then no guide any more.

The generalised likelihood ratio of "one rate" against "another rate since some cohort", for bounded rewards by the
Bernoulli divergence (Besson, Kaufmann, Maillard & Seznec 2022, Efficient Change-Point Detection for Tackling
Piecewise-Stationary Bandits, JMLR 23).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: the probability of a false alarm, about, for each lane over its whole life
ALPHA = 0.02


def latest(series: Mapping[str, Sequence[tuple[float, float, float, float]]]) -> float:
    """The end of the last cohort before the latest change that is shown in any lane, or -inf.

    ``series``: for each lane its cohorts in order as (end, count, total, squares), rewards within 0 … 1.
    """
    found = -math.inf
    for one in series.values():
        start = 0
        # after a change look again at what came since
        while (cut := _change(one[start:])) is not None:
            start += cut
            found = max(found, one[start - 1][0])
    return found


def _change(numbers: Sequence[tuple[float, float, float, float]]) -> int | None:
    """The first cohort after the most likely change, if the evidence is beyond its threshold."""
    count, total = sum(one[1] for one in numbers), sum(one[2] for one in numbers)
    if count == 0:
        return None
    mean = total / count
    best, where = 0.0, None
    before = reward = 0.0
    for place, (_, outcomes, rewards, _) in enumerate(numbers[:-1], start=1):
        before += outcomes
        reward += rewards
        after = count - before
        evidence = before * _divergence(reward / before, mean) + after * _divergence((total - reward) / after, mean)
        if evidence > best:
            best, where = evidence, place
    # log(cuts^1.5 / alpha), about as the paper's threshold is used in its experiments
    return where if best > math.log(max(len(numbers), 2) ** 1.5 / ALPHA) else None


def _divergence(one: float, other: float) -> float:
    """Kullback and Leibler's of two Bernoulli distributions, in nats."""
    one, other = min(max(one, 0.0), 1.0), min(max(other, 1e-12), 1 - 1e-12)
    found = 0.0
    if one > 0:
        found += one * math.log(one / other)
    if one < 1:
        found += (1 - one) * math.log((1 - one) / (1 - other))
    return found
