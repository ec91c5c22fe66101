"""What a lane has been seen to do, as numbers that add up: in an hour, in an experiment, in both of two shards.

The numbers of a lane are kept by *cohort*: the exposures of one span of time (an hour, a batch), with the outcomes that
belong to those exposures, whenever they came. ``counted`` turns cohorts into the tally that a test may look at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

#: what an exposure says whose outcome never came: ``zero``, a reward of 0, so no conversion; ``unknown``, nothing
Silence = Literal["zero", "unknown"]

#: the latency sketch's relative accuracy: a quantile is within 5 % of a latency that was measured
ACCURACY = 0.05
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)


@dataclass(frozen=True)
class Latency:
    """Latencies in milliseconds: their number, the sums of their logarithms and squares, and a sketch of quantiles.

    The sketch counts latencies in buckets whose bounds grow by a constant factor, so sketches add up (Masson, Rim & Lee
    2019, DDSketch, VLDB 12(12)). Bucket ``i`` holds (g^(i-1), g^i] with g = 1.05/0.95.
    """

    count: int = 0
    log_sum: float = 0.0
    log_squares: float = 0.0
    buckets: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, milliseconds: float) -> Latency:
        """One latency. Raises ``ValueError`` unless it is finite and at least 0; below a microsecond it is one."""
        if not 0 <= milliseconds < math.inf:
            raise ValueError(f"a latency of {milliseconds} ms")
        log = math.log(max(milliseconds, 1e-3))
        return cls(1, log, log * log, {math.ceil(log / _LOG_GAMMA - 1e-9): 1})

    def __add__(self, other: Latency) -> Latency:
        buckets = dict(self.buckets)
        for index, count in other.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
        return Latency(
            self.count + other.count, self.log_sum + other.log_sum, self.log_squares + other.log_squares, buckets
        )

    @property
    def spread(self) -> float:
        """The variance of the logarithms, of two latencies at least."""
        mean = self.log_sum / self.count
        return max((self.log_squares - self.count * mean * mean) / (self.count - 1), 1e-6)  # clocks are no finer

    def quantile(self, share: float) -> float | None:
        """In milliseconds, within ``ACCURACY``; None without a latency."""
        rank = share * (sum(self.buckets.values()) - 1)
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen > rank:
                return 2 * _GAMMA**index / (_GAMMA + 1)
        return None

    def to_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "log_sum": self.log_sum,
            "log_squares": self.log_squares,
            "buckets": {str(index): self.buckets[index] for index in sorted(self.buckets)},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Latency:
        buckets = {int(index): int(count) for index, count in data.get("buckets", {}).items()}
        return cls(int(data.get("count", 0)), float(data.get("log_sum", 0)), float(data.get("log_squares", 0)), buckets)


@dataclass(frozen=True)
class Bucket:
    """What a tally says of the subjects of one bucket (``domain.traffic.bucket``), in the tally's own terms.

    ``timed`` is the number of latencies, ``log_sum`` the sum of their logarithms.
    """

    exposures: int = 0
    outcomes: int = 0
    total: float = 0.0
    errors: int = 0
    timed: int = 0
    log_sum: float = 0.0

    def __add__(self, other: Bucket) -> Bucket:
        return Bucket(
            self.exposures + other.exposures,
            self.outcomes + other.outcomes,
            self.total + other.total,
            self.errors + other.errors,
            self.timed + other.timed,
            self.log_sum + other.log_sum,
        )


@dataclass(frozen=True)
class Tally:
    """A lane's numbers. ``exposures`` were assigned to it, ``errors`` of them ended without an answer.

    ``outcomes`` of the exposures have one that counts, whose values have the sum ``total`` and the sum of squares
    ``squares``; of a conversion (0 or 1) both are the number of conversions. Values are in the goal's own unit.
    ``buckets`` have the part of all that whose subjects may have others: what is in none is of a subject with one only.
    """

    exposures: int = 0
    outcomes: int = 0
    total: float = 0.0
    squares: float = 0.0
    errors: int = 0
    latency: Latency = Latency()
    buckets: Mapping[int, Bucket] = field(default_factory=dict)

    @classmethod
    def of_conversions(cls, exposures: int, conversions: int, errors: int = 0) -> Tally:
        """Each exposure counts: ``conversions`` of them were ones."""
        return cls(exposures, exposures, float(conversions), float(conversions), errors)

    def __add__(self, other: Tally) -> Tally:
        buckets = dict(self.buckets)
        for number, one in other.buckets.items():
            buckets[number] = buckets[number] + one if number in buckets else one
        return Tally(
            self.exposures + other.exposures,
            self.outcomes + other.outcomes,
            self.total + other.total,
            self.squares + other.squares,
            self.errors + other.errors,
            self.latency + other.latency,
            buckets,
        )

    @property
    def mean(self) -> float | None:
        return self.total / self.outcomes if self.outcomes else None

    def to_json(self) -> dict[str, Any]:
        return {
            "exposures": self.exposures,
            "outcomes": self.outcomes,
            "total": self.total,
            "squares": self.squares,
            "errors": self.errors,
            "latency": self.latency.to_json(),
            "buckets": {str(number): vars(self.buckets[number]) for number in sorted(self.buckets)},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tally:
        return cls(
            int(data.get("exposures", 0)),
            int(data.get("outcomes", 0)),
            float(data.get("total", 0)),
            float(data.get("squares", 0)),
            int(data.get("errors", 0)),
            Latency.from_json(data.get("latency", {})),
            {int(number): Bucket(**one) for number, one in data.get("buckets", {}).items()},
        )


@dataclass(frozen=True)
class Cohort:
    """The exposures of the time before ``end`` (seconds, epoch), with their outcomes so far.

    In ``tally``, ``outcomes`` are the outcomes that came, however many exposures there are.
    """

    end: float
    tally: Tally


def variance(tally: Tally, low: float, high: float) -> float:
    """Of one outcome. One outcome is added, half at each end of the range, so that it is never 0.

    Of conversions that is the estimate with half a success and half a failure added (Agresti & Caffo 2000, The American
    Statistician 54(4), add one of each; half is enough here, where a minimum of exposures is asked for anyway).
    """
    count = tally.outcomes + 1
    mean = (tally.total + (low + high) / 2) / count
    return max((tally.squares + (low * low + high * high) / 2) / count - mean * mean, 1e-300)


def counted(cohorts: Iterable[Cohort], now: float, window: float, silence: Silence) -> Tally:
    """What the cohorts say by ``now``, when outcomes may take ``window`` seconds.

    Where silence is a zero, an exposure counts when its window has closed, with what came until then; before that,
    neither it nor its outcome does: conversions come before the exposures that never convert are known, so counting
    them early would make the lane with the newest traffic the best. Where silence is unknown, an outcome counts when
    it is in and nothing else does. Exposures, errors and latencies count at once.
    """
    whole = Tally()
    for cohort in cohorts:
        seen = cohort.tally
        outcomes, total, squares = observed(cohort, now, window, silence)
        closed = silence == "zero" and cohort.end + window <= now
        buckets = {
            number: replace(
                one,
                outcomes=one.outcomes if silence == "unknown" else max(one.exposures, one.outcomes) if closed else 0,
                total=one.total if closed or silence == "unknown" else 0.0,
            )
            for number, one in seen.buckets.items()
        }
        whole += Tally(seen.exposures, outcomes, total, squares, seen.errors, seen.latency, buckets)
    return whole


def observed(cohort: Cohort, now: float, window: float, silence: Silence) -> tuple[int, float, float]:
    """The number, sum and sum of squares of the cohort's outcomes that count by ``now``."""
    seen = cohort.tally
    if silence == "unknown":
        return seen.outcomes, seen.total, seen.squares
    if cohort.end + window > now:
        return 0, 0.0, 0.0
    # the log of exposures may lag behind the outcomes
    return max(seen.exposures, seen.outcomes), seen.total, seen.squares
