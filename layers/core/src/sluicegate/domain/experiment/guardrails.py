"""What a better goal may not be bought with: errors and slowness. Both tests are one-sided and hold at any look.

Errors: each lane's error rate has a confidence sequence from the beta mixture of Bernoulli likelihood ratios, exact for
any count (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, Annals of Statistics 49(2)). The challenger harms when
the least it can be is above the most that the champion can be plus the tolerance.

Latency: the difference of mean log latencies, a ratio of geometric means, against log(1 + tolerance), by the mixture
test of ``sequential`` with a normal mixture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sluicegate.domain.experiment.tally import Latency, Tally

#: of one guardrail of one lane
ALPHA = 0.01
#: latencies of each lane before their means are compared
FEWEST_LATENCIES = 100


@dataclass(frozen=True)
class Guardrail:
    """``challenger`` and ``champion``: shares of errors, or latencies in ms (geometric mean). ``p`` of no harm.

    ``low``: the least that the increase can be: of the error rate, or of the latency relative to the champion's.
    None before there is anything to compare.
    """

    lane: str
    name: Literal["errors", "latency"]
    tolerance: float
    challenger: float | None
    champion: float | None
    low: float | None
    harmed: bool

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def errors(
    lane: str,
    challenger: Tally,
    champion: Tally,
    tolerance: float,
    alpha: float,
    clumps: tuple[float, float] = (1.0, 1.0),
) -> Guardrail:
    """``tolerance`` is absolute: .01 allows one more error in a hundred. ``clumps``: the design effects of both lanes'
    errors, by which what is counted says less."""
    if not challenger.exposures or not champion.exposures:
        return Guardrail(lane, "errors", tolerance, None, None, None, harmed=False)
    low, _ = rate_interval(challenger.errors / clumps[0], challenger.exposures / clumps[0], alpha)
    _, high = rate_interval(champion.errors / clumps[1], champion.exposures / clumps[1], alpha)
    return Guardrail(
        lane,
        "errors",
        tolerance,
        challenger.errors / challenger.exposures,
        champion.errors / champion.exposures,
        low - high,
        harmed=low - high > tolerance,
    )


def latency(
    lane: str,
    challenger: Latency,
    champion: Latency,
    tolerance: float,
    alpha: float,
    clumps: tuple[float, float] = (1.0, 1.0),
) -> Guardrail:
    """``tolerance`` is relative: .2 allows a fifth more. ``clumps``: the design effects of both lanes' latencies."""
    if min(challenger.count, champion.count) < FEWEST_LATENCIES:
        return Guardrail(lane, "latency", tolerance, None, None, None, harmed=False)
    one, other = challenger.log_sum / challenger.count, champion.log_sum / champion.count
    error = math.sqrt(clumps[0] * challenger.spread / challenger.count + clumps[1] * champion.spread / champion.count)
    low = math.expm1(one - other - _one_sided_width(error, math.log1p(tolerance), alpha))
    return Guardrail(lane, "latency", tolerance, math.exp(one), math.exp(other), low, harmed=low > tolerance)


def rate_interval(events: float, count: float, alpha: float) -> tuple[float, float]:
    """Of a rate with ``events`` in ``count``: each end is wrong, ever, with a probability of at most alpha / 2.

    The rates p at which the mixture B(1/2 + k, 1/2 + n − k) / B(1/2, 1/2) over the likelihood p^k (1 − p)^(n − k) stays
    below 2 / alpha.
    """
    events = min(events, count)
    misses = count - events
    mixed = _log_beta(0.5 + events, 0.5 + misses) - _log_beta(0.5, 0.5) - math.log(2 / alpha)

    def beyond(rate: float) -> bool:
        likelihood = (events * math.log(rate) if events else 0.0) + (misses * math.log1p(-rate) if misses else 0.0)
        return mixed > likelihood

    mode = events / count if count else 0.5
    low = 0.0 if events == 0 else _edge(mode, 0.0, beyond)
    high = 1.0 if misses == 0 else _edge(mode, 1.0, beyond)
    return low, high


def _edge(inside: float, outside: float, beyond: Callable[[float], bool]) -> float:
    """Where ``beyond`` begins between a rate that is likely and one that is impossible."""
    for _ in range(60):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if beyond(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)


def _one_sided_width(error: float, expected: float, alpha: float) -> float:
    """How far below the estimate the confidence sequence ends.

    log M = s² S² / (2 (1 + s² V)) − log(1 + s² V) / 2 with the scale s = ``expected``, V = 1 / error² and S the score:
    the normal mixture, which is at most the mixture over increases alone (that has a factor 2 Φ ≥ 1 where S ≥ 0).
    """
    grown = 1 + (expected / error) ** 2
    squared = 2 * grown * (math.log(1 / alpha) + math.log(grown) / 2)
    return math.sqrt(squared) / expected * error * error
